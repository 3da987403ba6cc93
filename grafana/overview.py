"""Overview: is it well, does it keep its promise, what does it cost?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable, Dashboard

from exporter.metrics.catalog import (
    JOB_DURATION,
    JOB_FAILURES,
    JOBS,
    JOBS_FINISHED,
    OLDEST_UNFINISHED,
)
from grafana import bill
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
        "Is transcoding well, does it keep its promise, and what does it cost?",
        since="now-24h",
        refresh="1m",
        variables=(account(), definition(), _objective(), *bill.variables()),
    )
    section(made, "Is it well?", *_now())
    section(made, "Does it keep its promise?", *_promise())
    section(made, "What happens?", *_history())
    section(made, "What fails?", *_failures())
    section(made, "What has it cost so far?", *bill.panels())
    return made


def _now() -> tuple[Panel, ...]:
    return (
        big(
            Text(
                title="Which accounts can be read?",
                description="1 as long as VOD answers with this account's keys. 0 is red: none of "
                "its exporters can read it, and its figures stand still; the dashboard Exporter and the exporter's log "
                "say why.",
                unit="bool_yes_no",
                no_value="Nothing asked yet",
                steps=(("red", None), ("green", 1)),
            ),
            Query(readable(), "{{account}}"),
            show=Show.VALUE_AND_NAME,
        ),
        big(
            Text(
                title="How many jobs are in flight?",
                description="Jobs that wait or are transcoded now. Neither good nor bad; a line that only rises is "
                "a queue.",
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
                description="Failed jobs among those that ended in the time chosen above. Yellow from 2 %, red from "
                "the 10 % at "
                "which VodJobFailureRatioHigh fires. " + _TASK_ENDS,
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
                description="Time since it was created. Yellow from one hour, red from the two at which "
                "VodOldestJobTooOld fires.",
                unit="s",
                no_value="None unfinished",
                steps=(("green", None), ("yellow", 3600), ("red", 7200)),
            ),
            Query(f"time() - min({series(OLDEST_UNFINISHED)})"),
        ),
        big(
            Text(
                title="How soon is half of the jobs done?",
                description="Median (p50) of the time from creation to completion of the jobs that finished in the "
                "time chosen above.",
                unit="s",
                no_value="None finished",
            ),
            Query(quantile(0.5, JOB_DURATION, window=RANGE)),
        ),
        big(
            Text(
                title="How soon are 95 of 100 jobs done?",
                description="p95 of the time from creation to completion of the jobs that finished in the time chosen "
                "above. Yellow from half an hour, red from two hours.",
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
                description=f"The objective above allows a share of failures. This is what is left of it for the "
                f"last {name}, however long Prometheus remembers; below 0 the promise is broken. Yellow below half, "
                "red below a tenth. " + _TASK_ENDS,
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
                description="Of the jobs that ended in the last 30 days. To be compared with the objective above. "
                + _TASK_ENDS,
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
                description="Failure share divided by what the objective allows: at 1 the budget lasts exactly its "
                "30 days, at 6 five days, at 14.4 two days. Those two are the usual limits to wake somebody, if "
                "both windows are over them.",
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
                description="Unfinished jobs by status. Many submitted and few transcoding: VOD has a queue. A "
                "status that VOD does not document is unknown.",
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
                title="How many jobs end each minute?",
                description="By final status, as the exporter saw them end.",
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
                description="From creation to completion: half are quicker than p50, 95 of 100 quicker than p95. The "
                "points are single jobs and lead to them. Gaps: nothing finished.",
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
                description="Failed jobs by VOD's ErrorCode; past 50 codes, other. Whole numbers. The points are "
                "single jobs and lead to them.",
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
                description="Failed jobs by VOD's ErrorCode in the time chosen above. InvalidParameter… is about "
                "the source, InternalError about VOD.",
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
                description="By definition: what is in flight now, and what ended in the time chosen above. Share "
                "failed is yellow from 2 %, red from 10 %.",
                unit="short",
                no_value="No jobs seen yet",
            ),
            {"definition": "Definition"},
            Column(name="In flight", expression=total(one(JOBS, UNFINISHED), "definition"), unit="short", decimals=0),
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
        "The share of jobs that are to succeed; the rest is the error budget.",
    )
