"""The dashboard Overview: health, objective and error budget, failures, cost."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import JOB_DURATION, JOBS, JOBS_FINISHED, OLDEST_UNFINISHED
from grafana import bill, delivery, failures, objective
from grafana.frame import account, dashboard, definition, section
from grafana.objective import FAILURE_STEPS, NOT_CANCELLED, failed_share
from grafana.panels import STATUS_COLORS, Panel, Query, Show, Text, big, lines
from grafana.queries import RANGE, UNFINISHED, one, quantile, rate, readable, series, total


def make() -> Dashboard:
    made = dashboard(
        "vod-overview",
        "VOD transcoding / Overview",
        "Is transcoding healthy, does it meet its objective, and what does it cost?",
        since="now-24h",
        refresh="1m",
        variables=(account(), definition(), objective.variable()),
    )
    section(made, "Is it well?", *_now())
    section(made, "Does it keep its promise?", *objective.panels())
    section(made, "What happens?", *_history())
    section(made, "How soon, and whose fault?", *delivery.panels())
    section(made, "What fails?", *failures.panels())
    section(made, "What has it cost so far?", *bill.panels())
    return made


def _now() -> tuple[Panel, ...]:
    return (
        _readable_accounts(),
        _in_progress(),
        _share_failed(),
        _oldest_job(),
        _median_duration(),
        _p95_duration(),
    )


def _readable_accounts() -> Panel:
    return big(
        Text(
            title="Which accounts can be read?",
            description="1 if VOD answers with the keys of this account. 0 is red: none of its exporters can "
            "read the account, and its values do not change. The dashboard Exporter and the log of "
            "the exporter show the reason.",
            unit="bool_yes_no",
            no_value="Nothing asked yet",
            steps=(("red", None), ("green", 1)),
        ),
        Query(readable(), "{{account}}"),
        show=Show.VALUE_AND_NAME,
    )


def _in_progress() -> Panel:
    return big(
        Text(
            title="How many jobs are in progress?",
            description="Jobs that are waiting or transcoding now. Neither good nor bad; a line that only rises "
            "is a growing queue.",
            unit="short",
            no_value="0",
            decimals=0,
        ),
        Query(total(one(JOBS, UNFINISHED))),
        line=True,
    )


def _share_failed() -> Panel:
    return big(
        Text(
            title="What share of jobs failed?",
            description="Failed jobs as a share of the jobs that ended in the selected time range. Yellow from "
            "2 %, red from the 10 % at which VodJobFailureRatioHigh fires. " + NOT_CANCELLED,
            unit="percentunit",
            no_value="None ended",
            steps=FAILURE_STEPS,
            decimals=1,
        ),
        Query(failed_share(RANGE)),
    )


def _oldest_job() -> Panel:
    return big(
        Text(
            title="How old is the oldest unfinished job?",
            description="Time since its creation. Yellow from one hour, red from two hours, when "
            "VodOldestJobTooOld fires.",
            unit="s",
            no_value="None unfinished",
            steps=(("green", None), ("yellow", 3600), ("red", 7200)),
        ),
        Query(f"time() - min({series(OLDEST_UNFINISHED)})"),
    )


def _median_duration() -> Panel:
    return big(
        Text(
            title="How soon are half of the jobs done?",
            description="Median (p50) of the time from creation to completion of the jobs that finished in the "
            "selected time range.",
            unit="s",
            no_value="None finished",
        ),
        Query(quantile(0.5, JOB_DURATION, window=RANGE)),
    )


def _p95_duration() -> Panel:
    return big(
        Text(
            title="How soon are 95 of 100 jobs done?",
            description="p95 of the time from creation to completion of the jobs that finished in the selected "
            "time range. Yellow from half an hour, red from two hours.",
            unit="s",
            no_value="None finished",
            steps=(("green", None), ("yellow", 1800), ("red", 7200)),
        ),
        Query(quantile(0.95, JOB_DURATION, window=RANGE)),
    )


def _history() -> tuple[Panel, ...]:
    return (
        _queue(),
        _ends_per_minute(),
        _durations(),
    )


def _queue() -> Panel:
    return lines(
        Text(
            title="Does the queue grow?",
            description="Unfinished jobs by status. If many jobs are submitted and few are transcoding, VOD has "
            "a queue. Undocumented statuses count as unknown.",
            unit="short",
            no_value="No unfinished jobs",
            decimals=0,
        ),
        Query(total(one(JOBS, UNFINISHED), "status"), "{{status}}"),
        colors=STATUS_COLORS,
        stacked=True,
        width=8,
    )


def _ends_per_minute() -> Panel:
    return lines(
        Text(
            title="How many jobs end per minute?",
            description="By final status, at the time when the exporter saw it.",
            unit="cpm",
            no_value="None ended",
        ),
        Query(f"60 * {total(rate(JOBS_FINISHED), 'status')}", "{{status}}"),
        colors=STATUS_COLORS,
        stacked=True,
        width=8,
        step="1m",
    )


def _durations() -> Panel:
    return lines(
        Text(
            title="How long do jobs take?",
            description="From creation to completion: half of the jobs are faster than p50, 95 of 100 are "
            "faster than p95. The points are single jobs and link to them. Gaps mean that no job "
            "finished.",
            unit="s",
            no_value="None finished",
        ),
        Query(quantile(0.95, JOB_DURATION), "p95", exemplars=True),
        Query(quantile(0.5, JOB_DURATION), "p50"),
        colors={"p95": "dark-blue", "p50": "light-blue"},
        width=8,
        step="5m",
    )
