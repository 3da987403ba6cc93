"""Panels of the dashboard Overview: how soon outputs arrive, the causes of failures, and suspicious outputs."""

from __future__ import annotations

from exporter.metrics.catalog import (
    JOB_FAILURES,
    JOB_QUEUE,
    JOB_REALTIME_RATIO,
    SUSPICIOUS_OUTPUTS,
    TASK_DURATION,
    TASK_FAILURES,
    TASK_FIRST_OUTPUT,
)
from grafana.panels import Panel, Query, Text, bars, lines
from grafana.queries import counted, quantile, total


def panels() -> tuple[Panel, ...]:
    return (*_times(), *_faults())


def _times() -> tuple[Panel, ...]:
    return (
        _first_output(),
        _by_priority(),
        _realtime_ratio(),
        _queue_time(),
    )


def _first_output() -> Panel:
    return lines(
        Text(
            title="How long until the first output can be played?",
            description="From creation of a task to completion of its first successful job. The points are single "
            "tasks. Gaps mean that no task finished.",
            unit="s",
            no_value="No task finished",
        ),
        Query(quantile(0.95, TASK_FIRST_OUTPUT), "p95", exemplars=True),
        Query(quantile(0.5, TASK_FIRST_OUTPUT), "p50"),
        colors={"p95": "dark-blue", "p50": "light-blue"},
        width=6,
        step="5m",
    )


def _by_priority() -> Panel:
    return lines(
        Text(
            title="Do tasks with a high priority finish sooner?",
            description="p95 from creation to completion of tasks: low is a priority below 6, default is 6, "
            "high is above 6.",
            unit="s",
            no_value="No task finished",
        ),
        Query(quantile(0.95, TASK_DURATION, "priority"), "{{priority}}"),
        width=6,
        step="5m",
    )


def _realtime_ratio() -> Panel:
    return lines(
        Text(
            title="How many times the playing time do jobs take?",
            description="Median of the time from creation to completion of successful jobs, divided by the playing "
            "time. Below 1 is faster than real time. Long and short videos compare well by it.",
            unit="none",
            no_value="None finished",
            decimals=2,
        ),
        Query(quantile(0.5, JOB_REALTIME_RATIO, "definition"), "{{definition}}"),
        width=6,
        step="5m",
    )


def _queue_time() -> Panel:
    return lines(
        Text(
            title="How long do jobs wait?",
            description="p95 of the time from creation to start. Only event callbacks report the start, so this "
            "panel is empty without them.",
            unit="s",
            no_value="No events with times: callbacks are not configured, or nothing finished",
        ),
        Query(quantile(0.95, JOB_QUEUE, "definition"), "{{definition}}"),
        width=6,
        step="5m",
    )


def _faults() -> tuple[Panel, ...]:
    return (
        _causes(),
        _suspicious_outputs(),
    )


def _causes() -> Panel:
    return bars(
        Text(
            title="Whose fault are the failures?",
            description="Failed jobs and tasks by cause: source (the uploaded file), configuration (template or "
            "parameter), permission (access to a bucket), service (VOD). Tasks that failed without jobs count as "
            "source.",
            unit="short",
            no_value="No failures",
            decimals=0,
        ),
        Query(f"{total(counted(JOB_FAILURES, window='$__interval'), 'cause')} > 0", "jobs: {{cause}}"),
        Query(f"{total(counted(TASK_FAILURES, window='$__interval'), 'cause')} > 0", "tasks: {{cause}}"),
        step="5m",
    )


def _suspicious_outputs() -> Panel:
    return bars(
        Text(
            title="Which outputs are suspicious?",
            description="Outputs of successful jobs with no bytes, with a bitrate far from their size and playing "
            "time, or truncated: much shorter than the other outputs of their task.",
            unit="short",
            no_value="No suspicious outputs",
            decimals=0,
        ),
        Query(
            f"{total(counted(SUSPICIOUS_OUTPUTS, window='$__interval'), 'reason')} > 0",
            "{{reason}}",
            exemplars=True,
        ),
        step="5m",
    )
