"""Panels of the dashboard Overview: how soon outputs arrive, and which are suspicious."""

from __future__ import annotations

from exporter.metrics.catalog import JOB_QUEUE, SUSPICIOUS_OUTPUTS, TASK_FIRST_OUTPUT
from grafana.palette import DEFINITION_COLORS, PERCENTILES, distinct
from grafana.panels import Panel, Query, Text, bars, lines, or_no_data
from grafana.queries import counted, quantile, total


def panels() -> tuple[Panel, ...]:
    return (
        _first_output(),
        _queue_time(),
    )


def _first_output() -> Panel:
    return lines(
        Text(
            title="Time to first output",
            description="How long until the first output of a task can be played, from its creation? The points are "
            "single tasks. Gaps mean that no task finished.",
            unit="dthms",
            no_value=or_no_data("No task finished"),
        ),
        Query(quantile(0.95, TASK_FIRST_OUTPUT), "p95", exemplars=True),
        Query(quantile(0.5, TASK_FIRST_OUTPUT), "p50"),
        colors=PERCENTILES,
        width=12,
        step="5m",
    )


def _queue_time() -> Panel:
    return lines(
        Text(
            title="Wait before the start, p95",
            description="How long do jobs wait from creation to start? Only event callbacks report the start, so this "
            "panel is empty without them.",
            unit="suffix:min",
            no_value="No events with times: callbacks are not configured, or nothing finished",
        ),
        Query(f"({quantile(0.95, JOB_QUEUE, 'definition')}) / 60", "{{definition}}"),
        colors=DEFINITION_COLORS,
        width=12,
        step="5m",
    )


def suspicious_outputs() -> Panel:
    return bars(
        Text(
            title="Suspicious outputs",
            description="Which outputs of successful jobs should be checked? no_bytes: the size is 0; bitrate: far "
            "from size and playing time; truncated: much shorter than the other outputs of the task.",
            unit="none",
            no_value=or_no_data("No suspicious outputs"),
        ),
        Query(
            f"{total(counted(SUSPICIOUS_OUTPUTS, window='$__interval'), 'reason')} > 0",
            "{{reason}}",
            exemplars=True,
        ),
        colors=distinct(("no_bytes", "bitrate", "truncated")),
        width=8,
        step="5m",
    )
