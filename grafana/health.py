"""Exporter: can its figures be trusted, and does it get along with its budget?"""

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

_THROTTLED = 'code=~"(?i)throttling.*|http_429"'


def make() -> Dashboard:
    made = dashboard(
        "vod-exporter",
        "VOD transcoding / Exporter",
        "Can the figures be trusted, and does the exporter get along with its budget of calls?",
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
                description="up of each exporter that was there within six hours. No is red: all that follows "
                "stands still.",
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
                description="Yes as long as VOD answers with this account's keys. No is red: What goes wrong, "
                "below, has the error.",
                unit="bool_yes_no",
                no_value="Nothing asked yet",
                steps=(("red", None), ("green", 1)),
            ),
            Query(readable(), "{{account}}"),
            show=Show.VALUE_AND_NAME,
        ),
        big(
            Text(
                title="Does it remember what it counts?",
                description="Yes as long as the store takes what is counted. No is red: a restart would lose or repeat "
                "counts; look at the disk of state.path.",
                unit="bool_yes_no",
                no_value="Unknown",
                steps=(("red", None), ("green", 1)),
            ),
            Query(f"min({series(STATE_DURABLE)})"),
        ),
        big(
            Text(
                title="How old is the oldest figure?",
                description="Time since the unfinished job that waits longest was refreshed. Yellow from 90 s, red "
                "from the five minutes after which series.max_staleness hides it.",
                unit="s",
                no_value="Nothing unfinished",
                steps=(("green", None), ("yellow", 90), ("red", 300)),
            ),
            Query(f"time() - min({series(OLDEST_REFRESH)})"),
        ),
        big(
            Text(
                title="How many jobs are stale?",
                description="Unfinished jobs not refreshed for series.max_staleness: they have no figures of their "
                "own. Red from one on.",
                unit="short",
                no_value="None",
                steps=BAD_IF_ANY,
                decimals=0,
            ),
            Query(total(one(STALE_JOBS))),
        ),
        big(
            Text(
                title="How many jobs are cut off?",
                description="Jobs without figures of their own because of series.max_jobs. Yellow from one on.",
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
                description="Calls a second by operation, tries again included.",
                unit="reqps",
                no_value="No calls yet",
            ),
            Query(total(rate(API_REQUESTS), "action"), "{{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="How much of the budget is used?",
                description="Calls a second of each operation, divided by what the limiter allows now. Yellow from "
                "80 %, red from 100 %, where work waits: all right for a moment, and too little budget if it lasts.",
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
                description="Calls a second that the limiter allows: it lowers them when VOD throttles, and raises "
                "them again. A dip means that others use up the quota of the account, or that requests_per_second "
                "is too high.",
                unit="reqps",
                no_value="No calls yet",
            ),
            Query(one(API_BUDGET), "{{account}} {{action}}"),
            width=8,
        ),
        lines(
            Text(
                title="How many calls are left over?",
                description="Calls that were planned and not made yet when a scrape was answered. Later scrapes and "
                "the time between them take them up; a line that rises is a budget too small.",
                unit="short",
                no_value="None",
                decimals=0,
            ),
            Query(one(PENDING_CALLS), "{{account}}"),
            width=8,
        ),
        lines(
            Text(
                title="How fast does VOD answer?",
                description="p95 and p50 of calls, from connecting to the end of the answer.",
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
                description="The last refresh of each account. As long as the interval of the scrapes, it never rests.",
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
                description="Failed calls by error code: VOD's own, or one of the exporter's in lower case, such as "
                "timeout. Whole numbers, each as it came; a call tried again and answered counts too.",
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
                description="Calls that VOD answered with Throttling, by operation.",
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
                title="What was lost or odd?",
                description="In the time chosen above: tasks given up before they were seen finished, and fields of "
                "VOD's answers left out because their value was odd.",
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
                title="Whom did it turn away?",
                description="Requests to the exporter that it refused, by path and reason. Wrong tokens and "
                "signatures are here: somebody's configuration, or somebody else.",
                unit="short",
                no_value="Nobody",
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
                title="Is its file in force?",
                description="Yes as long as the last reload of the configuration was good. No is red: the file has "
                "faults, the configuration before it is in force, and the log of the exporter tells the faults.",
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
