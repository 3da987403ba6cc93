"""Panels of the dashboard Overview: failed jobs by error code and by definition."""

from __future__ import annotations

from exporter.metrics.catalog import JOB_DURATION, JOB_FAILURES, JOBS, JOBS_FINISHED
from grafana.objective import FAILURE_STEPS
from grafana.panels import Panel, Query, Text, bars, ranking
from grafana.queries import ENDED, FAILED, RANGE, UNFINISHED, counted, one, quantile, share, total
from grafana.tables import Column, rows


def panels() -> tuple[Panel, ...]:
    return (
        _failures_over_time(),
        _frequent_errors(),
        _by_definition(),
    )


def _failures_over_time() -> Panel:
    return bars(
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
    )


def _frequent_errors() -> Panel:
    return ranking(
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
    )


def _by_definition() -> Panel:
    return rows(
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
            steps=FAILURE_STEPS,
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
    )


def _failures_by(window: str, label: str) -> str:
    return total(counted(JOB_FAILURES, window=window), label)


def _ended_by_definition(status: str) -> str:
    return total(counted(JOBS_FINISHED, status, window=RANGE), "definition")
