"""The dashboard Definitions: bitrate, size, resolution and duration of each definition, and their drift."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable, Dashboard

from exporter.metrics.catalog import (
    JOB_DURATION,
    JOB_OUTPUT_FPS,
    JOB_OUTPUT_HEIGHT,
    JOB_OUTPUT_INFO,
    JOB_OUTPUT_WIDTH,
    JOB_PROCESSING,
    JOBS_FINISHED,
    OUTPUT_BITRATE,
    OUTPUT_DURATION,
    OUTPUT_SIZE,
    Metric,
)
from grafana.frame import account, choice, dashboard, definition, section
from grafana.panels import Panel, Query, Steps, Text, lines
from grafana.queries import KEY, RANGE, counted, increase, latest, mean, one, quantile, rate, share, total
from grafana.tables import Column, rows

_NONE = "Nothing finished in this time"
_DRIFT_STEPS: Steps = (("red", None), ("yellow", -0.25), ("green", -0.1), ("yellow", 0.1), ("red", 0.25))
_NAMED = "{{definition}}"


def make() -> Dashboard:
    made = dashboard(
        "vod-definitions",
        "VOD transcoding / Definitions",
        "Bitrate, size, frame rate, resolution and duration of each definition, and whether they drift.",
        since="now-7d",
        refresh="5m",
        variables=(account(), definition(), *_windows()),
    )
    section(made, "How do the definitions compare?", *_compared())
    section(made, "Do they drift?", *_drift())
    section(made, "What do the outputs look like?", *_outputs())
    section(made, "How long does it take?", *_durations())
    return made


def _compared() -> tuple[Panel, ...]:
    length = share(_total(increase(OUTPUT_DURATION)), _total(increase(OUTPUT_BITRATE, suffix="_count")))
    return (
        rows(
            Text(
                title="What does a usual output of each definition look like?",
                description="Means over the output files of the selected time range. Each file counts once.",
                unit="short",
                no_value=_NONE,
            ),
            {"definition": "Definition"},
            Column(
                name="Jobs finished",
                expression=f"{_total(counted(JOBS_FINISHED, window=RANGE))} > 0",
                unit="short",
                decimals=0,
            ),
            Column(name="Bitrate", expression=mean(OUTPUT_BITRATE, "definition"), unit="bps"),
            Column(name="Size", expression=mean(OUTPUT_SIZE, "definition"), unit="bytes"),
            Column(name="Length", expression=length, unit="s"),
            Column(name="Time to finish, p50", expression=_p(0.5, JOB_DURATION), unit="s"),
            Column(name="Time to finish, p95", expression=_p(0.95, JOB_DURATION), unit="s"),
            sort="Jobs finished",
            links={
                "Definition": (
                    "Jobs of this definition",
                    "/d/vod-jobs?${datasource:queryparam}&${account:queryparam}&var-definition=${__value.raw}",
                )
            },
        ),
    )


def _drift() -> tuple[Panel, ...]:
    kinds = (
        ("bitrates", "bitrate", OUTPUT_BITRATE, "a changed template, another kind of source, or a changed encoder."),
        ("sizes", "size", OUTPUT_SIZE, "other bitrates, or other lengths."),
        ("times to finish", "time to finish", JOB_DURATION, "a queue at VOD, or longer sources."),
    )
    return tuple(
        lines(
            Text(
                title=f"Do the {kind} drift?",
                description=f"Mean {what} in the time range Recent, compared with the time range Before, which ends "
                f"where Recent starts: +10 % means a tenth more. Yellow beyond 10 %, red beyond 25 %. "
                f"Possible reasons: {why}",
                unit="percentunit",
                no_value="Nothing finished in one of the two times",
                steps=_DRIFT_STEPS,
                decimals=0,
            ),
            Query(f"{mean(of, 'definition', window='$recent')} / ({_before(of)}) - 1", _NAMED),
            width=8,
            limits=True,
        )
        for kind, what, of, why in kinds
    )


def _outputs() -> tuple[Panel, ...]:
    return (
        _history("Which bitrates do the outputs have?", "Median of the bitrates", OUTPUT_BITRATE, "bps", q=0.5),
        _history("How high do the bitrates get?", "95 of 100 bitrates are below", OUTPUT_BITRATE, "bps", q=0.95),
        _history("How large are the files?", "Median of the sizes", OUTPUT_SIZE, "bytes", q=0.5),
        _frame_rates(),
        _heights(),
        _resolutions(),
    )


def _frame_rates() -> Panel:
    return lines(
        Text(
            title="Which frame rates do the outputs have?",
            description="Mean over the jobs with series: those with an output that are unfinished or finished "
            "recently.",
            unit="none",
            no_value="No outputs on show",
        ),
        Query(f"avg by (definition) ({one(JOB_OUTPUT_FPS)})", _NAMED),
        width=8,
    )


def _heights() -> Panel:
    return lines(
        Text(
            title="Which heights do the outputs have?",
            description="The shorter side of the video, so that portrait does not count as higher. Mean over "
            "the jobs with series. If the height of a definition changes, its sources are too small "
            "for it, or its template changed.",
            unit="pixel",
            no_value="No outputs on show",
            decimals=0,
        ),
        Query(f"avg by (definition) ({_shorter()})", _NAMED),
        width=8,
    )


def _resolutions() -> Panel:
    return rows(
        Text(
            title="Which resolutions and codecs are there?",
            description="Jobs that had series in the selected time range: smallest and largest shorter side, by "
            "definition and codec.",
            unit="short",
            no_value="No outputs on show",
        ),
        {"definition": "Definition", "video_codec": "Codec"},
        Column(name="Jobs", expression=_by_codec("count", latest(JOB_OUTPUT_HEIGHT)), unit="short"),
        Column(name="Least", expression=_by_codec("min", _shorter(lately=True)), unit="pixel"),
        Column(name="Most", expression=_by_codec("max", _shorter(lately=True)), unit="pixel"),
        Column(name="Frames a second", expression=_by_codec("avg", latest(JOB_OUTPUT_FPS)), unit="none", decimals=1),
        sort="Jobs",
        width=8,
        height=8,
    )


def _durations() -> tuple[Panel, ...]:
    return (
        _history("How soon are 95 of 100 jobs done?", "p95 of creation to completion", JOB_DURATION, "s", q=0.95),
        lines(
            Text(
                title="How much of it is transcoding?",
                description="p95 of the time from start to finish of transcoding. Only event callbacks report when "
                "VOD started, so this panel is empty without them.",
                unit="s",
                no_value="No events with times: callbacks are not configured, or nothing finished",
            ),
            Query(quantile(0.95, JOB_PROCESSING, "definition"), _NAMED),
            width=8,
            step="1h",
        ),
        lines(
            Text(
                title="How long are the outputs?",
                description="Mean playing time of the output files.",
                unit="s",
                no_value=_NONE,
            ),
            Query(
                share(_total(rate(OUTPUT_DURATION)), _total(rate(OUTPUT_BITRATE, suffix="_count"))),
                _NAMED,
            ),
            width=8,
            step="1h",
        ),
    )


def _history(title: str, what: str, metric: Metric, unit: str, *, q: float) -> Panel:
    exemplars = metric is JOB_DURATION
    description = f"{what} of the files finished in each step, estimated from the histogram."
    return lines(
        Text(title=title, description=description, unit=unit, no_value=_NONE),
        Query(quantile(q, metric, "definition"), _NAMED, exemplars=exemplars),
        width=8,
        step="1h",
    )


def _windows() -> tuple[CustomVariable, ...]:
    return (
        choice("recent", "Recent", ("1h", "6h", "1d", "7d"), "1d", "The time range to check for drift"),
        choice(
            "before", "Before", ("1d", "7d", "30d"), "7d", "The time range to compare with; it ends where Recent starts"
        ),
    )


def _before(metric: Metric) -> str:
    return mean(metric, "definition", window="$before", offset="$recent")


def _p(q: float, metric: Metric) -> str:
    return quantile(q, metric, "definition", window=RANGE)


def _total(expression: str) -> str:
    return total(expression, "definition")


def _shorter(*, lately: bool = False) -> str:
    """The lesser of width and height of each output."""
    height, width = ((latest if lately else one)(metric) for metric in (JOB_OUTPUT_HEIGHT, JOB_OUTPUT_WIDTH))
    return f"({height} <= {width} or {width})"


def _by_codec(how: str, expression: str) -> str:
    joined = f"{expression} * on ({', '.join(KEY)}) group_left (video_codec) {latest(JOB_OUTPUT_INFO)}"
    return f"{how} by (definition, video_codec) ({joined})"
