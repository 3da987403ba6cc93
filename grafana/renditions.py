"""Panels of the dashboard Definitions: which sizes, frame rates, codecs and templates there are."""

from __future__ import annotations

from exporter.metrics.catalog import (
    JOB_FAILURE_INFO,
    JOB_INFO,
    JOB_OUTPUT_FPS,
    JOB_OUTPUT_HEIGHT,
    JOB_OUTPUT_INFO,
    JOB_OUTPUT_WIDTH,
)
from grafana.panels import Panel, Text, or_no_data
from grafana.queries import KEY, latest
from grafana.tables import Column, rows

_HOUR = "1h"
_KEYS = ", ".join(KEY)
_NONE = or_no_data("No outputs")


def panels() -> tuple[Panel, ...]:
    return _heights(), _frame_rates(), _templates()


def _heights() -> Panel:
    height, width = (latest(metric, window=_HOUR) for metric in (JOB_OUTPUT_HEIGHT, JOB_OUTPUT_WIDTH))
    shorter = f"(({height} <= {width} or {width}) > 0)"
    codec = f"max by ({_KEYS}, video_codec) ({latest(JOB_OUTPUT_INFO, window=_HOUR)})"
    of_codec = f"{shorter} * on ({_KEYS}) group_left (video_codec) {codec}"
    return rows(
        Text(
            title="Sizes and codecs, last hour",
            description="Which sizes and codecs do the jobs have that had series in the last hour? The size is the "
            "shorter side, so that portrait does not count as higher. A second one in a definition: sources that are "
            "too small for it, or a changed template.",
            unit="none",
            no_value=_NONE,
        ),
        {"definition": "Definition", "height": "Pixels", "video_codec": "Codec"},
        Column(
            name="Jobs",
            expression=f'topk(50, count_values by (definition, video_codec) ("height", {of_codec}))',
            unit="none",
            decimals=0,
            width=90,
        ),
        sort="Jobs",
        width=8,
    )


def _frame_rates() -> Panel:
    rounded = f"round({latest(JOB_OUTPUT_FPS, window=_HOUR)} > 0, 0.01)"
    return rows(
        Text(
            title="Frame rates, last hour",
            description="Which frame rates do the jobs have that had series in the last hour?",
            unit="none",
            no_value=_NONE,
        ),
        {"definition": "Definition", "fps": "Rate"},
        Column(
            name="Jobs",
            expression=f'topk(50, count_values by (definition) ("fps", {rounded}))',
            unit="none",
            decimals=0,
            width=90,
        ),
        sort="Jobs",
        width=6,
    )


def _templates() -> Panel:
    by = "template_id, definition"
    jobs = f"topk(20, count by ({by}) ({latest(JOB_INFO, window=_HOUR)}))"
    failed = f"{latest(JOB_INFO, window=_HOUR)} and on ({_KEYS}) {latest(JOB_FAILURE_INFO, window=_HOUR)}"
    return rows(
        Text(
            title="Top templates, last hour",
            description="Which templates do most jobs use that had series in the last hour, and which of them fail?",
            unit="none",
            no_value=or_no_data("No jobs"),
        ),
        {"template_id": "Template", "definition": "Definition"},
        Column(name="Jobs", expression=jobs, unit="none", decimals=0, width=90),
        Column(
            name="Failed",
            expression=f"count by ({by}) ({failed}) and on ({by}) {jobs}",
            unit="none",
            decimals=0,
            width=90,
        ),
        sort="Jobs",
        width=10,
    )
