"""The dashboard Overview: health, objective and error budget, failures, cost."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable, Dashboard

from exporter.metrics.catalog import (
    JOB_DURATION,
    JOB_FAILURES,
    JOBS,
    JOBS_FINISHED,
    OLDEST_UNFINISHED,
)
from grafana import bill, delivery
from grafana.frame import account, choice, dashboard, definition, section
from grafana.panels import STATUS_COLORS, Column, Panel, Query, Show, Steps, Text, bars, big, lines, ranking, rows
from grafana.queries import (
    ENDED,
    FAILED,
    RANGE,
    UNFINISHED,
    counted,
    one,
    quantile,
    rate,
    readable,
    series,
    share,
    total,
)

_FAILURE_STEPS: Steps = (("green", None), ("yellow", 0.02), ("red", 0.1))
_BUDGET_STEPS: Steps = (("red", None), ("yellow", 0.1), ("green", 0.5))
_TASK_ENDS = "Cancelled jobs are neither: somebody wanted that."


def make() -> Dashboard:
    made = dashboard(
        "vod-overview",
        "VOD transcoding / Overview",
        "Is transcoding healthy, does it meet its objective, and what does it cost?",
        since="now-24h",
        refresh="1m",
        variables=(account(), definition(), _objective()),
    )
    section(made, "Is it well?", *_now())
    section(made, "Does it keep its promise?", *_promise())
    section(made, "What happens?", *_history())
    section(made, "How soon, and whose fault?", *delivery.panels())
    section(made, "What fails?", *_failures())
    section(made, "What has it cost so far?", *bill.panels())
    return made


def _now() -> tuple[Panel, ...]:
    return (
        big(
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
        ),
        big(
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
        ),
        big(
            Text(
                title="What share of jobs failed?",
                description="Failed jobs as a share of the jobs that ended in the selected time range. Yellow from "
                "2 %, red from the 10 % at which VodJobFailureRatioHigh fires. " + _TASK_ENDS,
                unit="percentunit",
                no_value="None ended",
                steps=_FAILURE_STEPS,
                decimals=1,
            ),
            Query(_failed_share(RANGE)),
        ),
        big(
            Text(
                title="How old is the oldest unfinished job?",
                description="Time since its creation. Yellow from one hour, red from two hours, when "
                "VodOldestJobTooOld fires.",
                unit="s",
                no_value="None unfinished",
                steps=(("green", None), ("yellow", 3600), ("red", 7200)),
            ),
            Query(f"time() - min({series(OLDEST_UNFINISHED)})"),
        ),
        big(
            Text(
                title="How soon are half of the jobs done?",
                description="Median (p50) of the time from creation to completion of the jobs that finished in the "
                "selected time range.",
                unit="s",
                no_value="None finished",
            ),
            Query(quantile(0.5, JOB_DURATION, window=RANGE)),
        ),
        big(
            Text(
                title="How soon are 95 of 100 jobs done?",
                description="p95 of the time from creation to completion of the jobs that finished in the selected "
                "time range. Yellow from half an hour, red from two hours.",
                unit="s",
                no_value="None finished",
                steps=(("green", None), ("yellow", 1800), ("red", 7200)),
            ),
            Query(quantile(0.95, JOB_DURATION, window=RANGE)),
        ),
    )


def _promise() -> tuple[Panel, ...]:
    windows = (("30d", "30 days"), ("7d", "7 days"))
    left = (
        big(
            Text(
                title=f"How much of the error budget of {name} is left?",
                description=f"The objective above allows a share of failures. This is the unused part of it in the "
                f"last {name}, or in the time that Prometheus stores if that is shorter. Below 0 the objective is "
                "missed. Yellow below half, red below a tenth. " + _TASK_ENDS,
                unit="percentunit",
                no_value="None ended",
                steps=_BUDGET_STEPS,
                decimals=0,
            ),
            Query(f"1 - ({_failed_share(window)}) / (1 - $objective / 100)"),
            height=6,
        )
        for window, name in windows
    )
    return (
        *left,
        big(
            Text(
                title="What share of jobs succeeded in 30 days?",
                description="Jobs that ended in the last 30 days. Compare it with the objective above. " + _TASK_ENDS,
                unit="percentunit",
                no_value="None ended",
                decimals=2,
            ),
            Query(f"1 - {_failed_share('30d')}"),
            height=6,
        ),
        lines(
            Text(
                title="How fast is the error budget burned?",
                description="Failure share divided by the share that the objective allows. At 1 the budget lasts "
                "exactly 30 days, at 6 five days, at 14.4 two days. 6 and 14.4 are the usual limits for "
                "an alert, if both windows are above them.",
                unit="none",
                no_value="None ended",
                steps=(("green", None), ("yellow", 1), ("orange", 6), ("red", 14.4)),
                decimals=1,
            ),
            *(
                Query(f"{_failed_share(window)} / (1 - $objective / 100)", f"over {name}")
                for window, name in (("1h", "an hour"), ("6h", "six hours"))
            ),
            width=12,
            height=6,
            colors={"over an hour": "light-blue", "over six hours": "dark-blue"},
            limits=True,
        ),
    )


def _history() -> tuple[Panel, ...]:
    return (
        lines(
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
        ),
        lines(
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
        ),
        lines(
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
        ),
    )


def _failures() -> tuple[Panel, ...]:
    return (
        bars(
            Text(
                title="What fails, and when?",
                description="Failed jobs by ErrorCode of VOD; after 50 different codes, further codes count as "
                "other. Exact counts. The points are single jobs and link to them.",
                unit="short",
                no_value="No failures",
                decimals=0,
            ),
            Query(f"{_failures_by('$__interval', 'error_code')} > 0", "{{error_code}}", exemplars=True),
            step="5m",
        ),
        ranking(
            Text(
                title="Which errors are the most frequent?",
                description="Failed jobs by ErrorCode of VOD in the selected time range. InvalidParameter codes "
                "concern the source, InternalError concerns VOD.",
                unit="short",
                no_value="No failures",
                steps=(("red", None),),
                decimals=0,
            ),
            Query(f"sort_desc({_failures_by(RANGE, 'error_code')} > 0)", "{{error_code}}"),
            width=12,
        ),
        rows(
            Text(
                title="Which definition is worse than the others?",
                description="By definition: jobs in progress now, and jobs that ended in the selected time range. "
                "Share failed is yellow from 2 %, red from 10 %.",
                unit="short",
                no_value="No jobs seen yet",
            ),
            {"definition": "Definition"},
            Column(name="In progress", expression=total(one(JOBS, UNFINISHED), "definition"), unit="short", decimals=0),
            Column(name="Ended", expression=_ended_by_definition(ENDED), unit="short", decimals=0),
            Column(name="Failed", expression=_ended_by_definition(FAILED), unit="short", decimals=0),
            Column(
                name="Share failed",
                expression=share(_ended_by_definition(FAILED), _ended_by_definition(ENDED)),
                unit="percentunit",
                steps=_FAILURE_STEPS,
                decimals=1,
            ),
            Column(name="p50", expression=quantile(0.5, JOB_DURATION, "definition", window=RANGE), unit="s"),
            Column(name="p95", expression=quantile(0.95, JOB_DURATION, "definition", window=RANGE), unit="s"),
            sort="Share failed",
            links={
                "Definition": (
                    "Bitrates and sizes of this definition",
                    "/d/vod-definitions?${datasource:queryparam}&${account:queryparam}&var-definition=${__value.raw}",
                )
            },
            height=9,
        ),
    )


def _failed_share(window: str) -> str:
    return share(
        total(counted(JOBS_FINISHED, FAILED, window=window)), total(counted(JOBS_FINISHED, ENDED, window=window))
    )


def _failures_by(window: str, label: str) -> str:
    return total(counted(JOB_FAILURES, window=window), label)


def _ended_by_definition(status: str) -> str:
    return total(counted(JOBS_FINISHED, status, window=RANGE), "definition")


def _objective() -> CustomVariable:
    return choice(
        "objective",
        "Objective, %",
        ("99.9", "99.5", "99", "98", "95"),
        "99",
        "The share of jobs that should succeed; the rest is the error budget.",
    )
