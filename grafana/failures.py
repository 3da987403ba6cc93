"""Panels of the dashboard Overview: failed jobs by cause and by error code."""

from __future__ import annotations

from exporter.metrics.catalog import JOB_FAILURES
from grafana.delivery import suspicious_outputs
from grafana.palette import CAUSE_COLORS, CODE_COLORS
from grafana.panels import Panel, Query, Text, bars, or_no_data
from grafana.queries import RANGE, answering, counted, frequent, total
from grafana.tables import Column, rows

_NONE = or_no_data("No failures")


def panels() -> tuple[Panel, ...]:
    return _by_cause(), _by_code(), suspicious_outputs(), _frequent()


def _by_cause() -> Panel:
    return bars(
        Text(
            title="Failures by cause",
            description="Whose fault are the failures? source: the uploaded file; configuration: template or "
            "parameter; permission: access to a bucket; service: VOD. Exact counts of jobs.",
            unit="none",
            no_value=_NONE,
        ),
        Query(f"{total(counted(JOB_FAILURES, window='$__interval'), 'cause')} > 0", "{{cause}}"),
        colors=CAUSE_COLORS,
        width=8,
        step="5m",
    )


def _by_code() -> Panel:
    failed = f"{total(counted(JOB_FAILURES, window='$__interval'), 'error_code')} > 0"
    return bars(
        Text(
            title="Failures by error code",
            description="What fails, and when? The seven most frequent ErrorCodes of VOD in the selected time range. "
            "Exact counts. The points are single jobs and link to them.",
            unit="none",
            no_value=_NONE,
        ),
        Query(
            f"{failed} and on (error_code) {frequent(JOB_FAILURES, by='error_code')}", "{{error_code}}", exemplars=True
        ),
        colors=CODE_COLORS,
        width=16,
        step="5m",
    )


def _frequent() -> Panel:
    return rows(
        Text(
            title="Error codes",
            description="Which errors are the most frequent in the selected time range, and who must act? The causes "
            "are those of docs/metrics.md.",
            unit="none",
            no_value=_NONE,
        ),
        {"error_code": "Error code", "cause": "Cause", "definition": "Definition"},
        Column(
            name="Failed jobs",
            expression=answering(
                f"topk(20, {total(counted(JOB_FAILURES, window=RANGE), 'error_code', 'cause', 'definition')} > 0)"
            ),
            unit="none",
            decimals=0,
        ),
        sort="Failed jobs",
        width=16,
        height=8,
    )
