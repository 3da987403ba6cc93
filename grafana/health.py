"""The dashboard Exporter, first half: freshness of the data, request budget, errors."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import (
    API_BUDGET,
    API_DURATION,
    API_ERRORS,
    API_REQUESTS,
    DROPPED_TASKS,
    MALFORMED_FIELDS,
    OLDEST_REFRESH,
    PENDING_CALLS,
    REFRESH_DURATION,
    REJECTED_REQUESTS,
    RELOAD_SUCCESSFUL,
    STALE_JOBS,
    STATE_DURABLE,
    TRUNCATED_JOBS,
)
from grafana import load
from grafana.frame import account, dashboard, section
from grafana.panels import BAD_IF_ANY, LOOK_IF_ANY, Column, Panel, Query, Show, Text, bars, big, lines, rows
from grafana.queries import RANGE, TARGET, counted, of_exporters, one, quantile, rate, readable, series, share, total

_THROTTLED = 'code=~"(?i)(rejected[.])?throttling.*|flowcontrolerror.*|requeststoofrequent.*|systembusy.*|http_429"'


def make() -> Dashboard:
    made = dashboard(
        "vod-exporter",
        "VOD transcoding / Exporter",
        "Is the data reliable, and is the request budget sufficient?",
        since="now-6h",
        refresh="30s",
        variables=(account(),),
        show_targets=True,
    )
    section(made, "Can the figures be trusted?", *_trust())
    section(made, "Is the budget enough?", *_budget())
    section(made, "What goes wrong?", *_errors())
    section(made, "How fresh is it all?", *load.freshness())
    section(made, "What does it take?", *load.process())
    return made


def _trust() -> tuple[Panel, ...]:
    return (
        big(
            Text(
                title="Does Prometheus reach the exporter?",
                description="The metric up of each exporter that was present within six hours. No is red: all other "
                "panels then show no new data.",
                unit="bool_yes_no",
                no_value="No exporter within six hours",
                steps=(("red", None), ("green", 1)),
            ),
            Query(of_exporters(f"up{{{TARGET}}}"), "{{instance}}"),
            show=Show.VALUE_AND_NAME,
        ),
        big(
            Text(
                title="Which accounts can be read?",
                description="Yes if VOD answers with the keys of this account. No is red: the panel on failed calls "
                "below shows the error.",
                unit="bool_yes_no",
                no_value="No calls yet",
                steps=(("red", None), ("green", 1)),
            ),
            Query(readable(), "{{account}}"),
            show=Show.VALUE_AND_NAME,
        ),
        big(
            Text(
                title="Can the state be saved?",
                description="Yes if the state can be written. No is red: a restart would lose counts or count "
                "twice; check the disk of state.path.",
                unit="bool_yes_no",
                no_value="Unknown",
                steps=(("red", None), ("green", 1)),
            ),
            Query(f"min({series(STATE_DURABLE)})"),
        ),
        big(
            Text(
                title="How old is the oldest value?",
                description="Time since the least recently refreshed unfinished job was refreshed. Yellow from 90 "
                "s, red from five minutes: after that, series.max_staleness removes the series of the "
                "job.",
                unit="s",
                no_value="Nothing unfinished",
                steps=(("green", None), ("yellow", 90), ("red", 300)),
            ),
            Query(f"time() - min({series(OLDEST_REFRESH)})"),
        ),
        big(
            Text(
                title="How many jobs are stale?",
                description="Unfinished jobs that were not refreshed for series.max_staleness. They have no per-job "
                "series. Red from one job.",
                unit="short",
                no_value="None",
                steps=BAD_IF_ANY,
                decimals=0,
            ),
            Query(total(one(STALE_JOBS))),
        ),
        big(
            Text(
                title="How many jobs are beyond the limit?",
                description="Jobs without per-job series because of series.max_jobs. Yellow from one job.",
                unit="short",
                no_value="None",
                steps=LOOK_IF_ANY,
                decimals=0,
            ),
            Query(total(one(TRUNCATED_JOBS))),
        ),
    )


def _budget() -> tuple[Panel, ...]:
    return (
        lines(
            Text(
                title="Which calls does it make?",
                description="Calls per second by operation, including retries.",
                unit="reqps",
                no_value="No calls yet",
            ),
            Query(total(rate(API_REQUESTS), "action"), "{{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="How much of the budget is used?",
                description="Calls per second of each operation, divided by the rate that the limiter allows now. "
                "Yellow from 80 %, red from 100 %. At 100 % calls wait; that is normal for a moment, "
                "but if it lasts, the budget is too small.",
                unit="percentunit",
                no_value="No calls yet",
                steps=(("green", None), ("yellow", 0.8), ("red", 1)),
                decimals=0,
            ),
            Query(
                share(total(rate(API_REQUESTS), "account", "action"), one(API_BUDGET)),
                "{{account}} {{action}}",
            ),
            width=8,
            limits=True,
        ),
        lines(
            Text(
                title="Does VOD throttle?",
                description="Calls per second that the limiter allows. The limiter lowers the rate when VOD "
                "throttles, and raises it again later. A dip means that other programs use the quota of "
                "the account, or that requests_per_second is too high.",
                unit="reqps",
                no_value="No calls yet",
            ),
            Query(one(API_BUDGET), "{{account}} {{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="How many calls are pending?",
                description="Calls that were due but not yet made when a scrape was answered. The exporter makes "
                "them between scrapes and in later scrapes. If the line keeps rising, the budget is too "
                "small.",
                unit="short",
                no_value="None",
                decimals=0,
            ),
            Query(one(PENDING_CALLS), "{{account}} {{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="How fast does VOD answer?",
                description="p95 and p50 of the time from connecting to VOD to the end of the response.",
                unit="s",
                no_value="No calls yet",
            ),
            Query(quantile(0.95, API_DURATION), "p95"),
            Query(quantile(0.5, API_DURATION), "p50"),
            colors={"p95": "dark-blue", "p50": "light-blue"},
            width=8,
        ),
        lines(
            Text(
                title="How long does a refresh take?",
                description="Duration of the last refresh of each account. If a refresh takes as long as the scrape "
                "interval, the exporter calls VOD without a pause.",
                unit="s",
                no_value="Nothing refreshed yet",
            ),
            Query(one(REFRESH_DURATION), "{{account}}"),
            width=8,
        ),
    )


def _errors() -> tuple[Panel, ...]:
    return (
        bars(
            Text(
                title="Which calls fail?",
                description="Failed calls by error code: a code of VOD, or a lower-case code of the exporter such "
                "as timeout. Exact counts; a failed call counts even if its retry succeeded.",
                unit="short",
                no_value="None failed",
                decimals=0,
            ),
            Query(f"{total(counted(API_ERRORS, window='$__interval'), 'code')} > 0", "{{code}}"),
            width=8,
        ),
        bars(
            Text(
                title="How often was it throttled?",
                description="Calls that VOD answered with a Throttling code, by operation.",
                unit="short",
                no_value="Never",
                decimals=0,
            ),
            Query(f"{total(counted(API_ERRORS, _THROTTLED, window='$__interval'), 'action')} > 0", "{{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="What share of the calls fails?",
                description="Yellow from 1 %, red from 10 %.",
                unit="percentunit",
                no_value="No calls yet",
                steps=(("green", None), ("yellow", 0.01), ("red", 0.1)),
                decimals=1,
            ),
            Query(
                share(total(rate(API_ERRORS), "account"), total(rate(API_REQUESTS), "account")),
                "{{account}}",
            ),
            width=8,
            limits=True,
        ),
        rows(
            Text(
                title="What was dropped or malformed?",
                description="In the selected time range: tasks and videos that the exporter stopped tracking before "
                "they finished, and fields that it ignored because their value was malformed.",
                unit="short",
                no_value="Nothing",
            ),
            {"account": "Account", "reason": "Given up because", "field": "Odd field"},
            Column(
                name="Times",
                expression=f"{total(counted(DROPPED_TASKS, window=RANGE), 'account', 'reason')} > 0"
                f" or {total(counted(MALFORMED_FIELDS, window=RANGE), 'account', 'field')} > 0",
                unit="short",
                decimals=0,
            ),
            sort="Times",
            width=10,
            height=7,
        ),
        bars(
            Text(
                title="Which requests were rejected?",
                description="HTTP requests that the exporter rejected, by path and status code. Wrong tokens and "
                "signatures count here: they come from a wrong configuration or from a stranger.",
                unit="short",
                no_value="None",
                decimals=0,
            ),
            Query(
                f"{total(counted(REJECTED_REQUESTS, window='$__interval'), 'path', 'reason')} > 0",
                "{{path}} {{reason}}",
            ),
            width=10,
            height=7,
        ),
        big(
            Text(
                title="Is the current configuration file in use?",
                description="Yes if the last reload of the configuration succeeded. No is red: the file has faults, "
                "and the previous configuration stays in use. The log of the exporter lists the faults.",
                unit="bool_yes_no",
                no_value="Unknown",
                steps=(("red", None), ("green", 1)),
            ),
            Query(one(RELOAD_SUCCESSFUL), "{{instance}}"),
            width=4,
            height=7,
            show=Show.VALUE_AND_NAME,
        ),
    )
