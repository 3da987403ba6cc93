"""Panels of the dashboard Job: the output file, its streams, and how usual it is for its definition."""

from __future__ import annotations

from exporter.metrics.catalog import (
    JOB_OUTPUT_BITRATE,
    JOB_OUTPUT_DURATION,
    JOB_OUTPUT_FPS,
    JOB_OUTPUT_HEIGHT,
    JOB_OUTPUT_INFO,
    JOB_OUTPUT_SIZE,
    JOB_OUTPUT_WIDTH,
    JOB_STREAM_BITRATE,
    OUTPUT_BITRATE,
    OUTPUT_SIZE,
    Metric,
)
from grafana.panels import Panel, Text
from grafana.queries import RANGE, TARGET, increased, last_of_job, share, total
from grafana.tables import Column, rows

_NONE = "No output in this time range"


def panels() -> tuple[Panel, ...]:
    return _file(), _codecs(), _streams()


def _file() -> Panel:
    """One row. A file without video has no width, height and frame rate: zeros of VOD are left out."""
    return rows(
        Text(
            title="Output file",
            description="What came of it, and is it usual? Bitrate and size also as a share of the mean of the "
            "definition in the selected time range: yellow below 50 % and above 200 %; a long source makes a large "
            "file.",
            unit="none",
            no_value=_NONE,
        ),
        {"definition": "Definition"},
        Column(name="Bitrate", expression=_of(JOB_OUTPUT_BITRATE), unit="bps", decimals=1),
        Column(
            name="Of the mean bitrate",
            expression=_usual(JOB_OUTPUT_BITRATE, OUTPUT_BITRATE),
            unit="percentunit",
            steps=_UNUSUAL,
            decimals=0,
        ),
        Column(name="Size", expression=_of(JOB_OUTPUT_SIZE), unit="bytes", decimals=1),
        Column(
            name="Of the mean size",
            expression=_usual(JOB_OUTPUT_SIZE, OUTPUT_SIZE),
            unit="percentunit",
            steps=_UNUSUAL,
            decimals=0,
        ),
        Column(name="Length", expression=_of(JOB_OUTPUT_DURATION), unit="s", decimals=1),
        Column(name="Width", expression=f"{_of(JOB_OUTPUT_WIDTH)} > 0", unit="pixel", decimals=0),
        Column(name="Height", expression=f"{_of(JOB_OUTPUT_HEIGHT)} > 0", unit="pixel", decimals=0),
        Column(name="Frames per second", expression=f"{_of(JOB_OUTPUT_FPS)} > 0", unit="none", decimals=2),
        sort="Definition",
        height=3,
    )


_UNUSUAL = (("yellow", None), ("transparent", 0.5), ("yellow", 2.0))


def _codecs() -> Panel:
    labels = {
        "format": "Container",
        "video_codec": "Video codec",
        "audio_codec": "Audio codec",
        "encryption": "Encryption",
    }
    return rows(
        Text(
            title="Container and codecs",
            description="What is in the file?",
            unit="none",
            no_value=_NONE,
        ),
        labels,
        details=f"max by ({', '.join(labels)}) ({last_of_job(JOB_OUTPUT_INFO)})",
        sort="Container",
        width=12,
        height=4,
    )


def _streams() -> Panel:
    return rows(
        Text(
            title="Streams",
            description="Which bitrate has each video and audio stream?",
            unit="none",
            no_value=_NONE,
        ),
        {"kind": "Stream", "index": "Position in the file"},
        Column(
            name="Bitrate",
            expression=f"max by (kind, index) ({last_of_job(JOB_STREAM_BITRATE)})",
            unit="bps",
            decimals=1,
        ),
        sort="Bitrate",
        width=12,
        height=4,
    )


def _of(metric: Metric) -> str:
    return f"max by (definition) ({last_of_job(metric)})"


def _usual(job: Metric, histogram: Metric) -> str:
    grown = (
        total(
            increased(
                histogram, f'{histogram.name}{suffix}{{{TARGET}, account=~"$account"}}', window=RANGE, suffix=suffix
            ),
            "definition",
        )
        for suffix in ("_sum", "_count")
    )
    return f"{_of(job)} / on (definition) ({share(*grown)})"
