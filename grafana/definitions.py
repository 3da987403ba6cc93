"""The dashboard Definitions: bitrate, size, length and duration of each definition, their drift, and what there is."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable, Dashboard

from exporter.metrics.catalog import (
    JOB_DURATION,
    JOB_PROCESSING,
    JOBS,
    JOBS_FINISHED,
    OUTPUT_BITRATE,
    OUTPUT_DURATION,
    OUTPUT_SIZE,
    Metric,
)
from grafana import renditions
from grafana.frame import DEFINITION_LINKS, account, choice, dashboard, definition, opening, section
from grafana.objective import FAILURE_STEPS
from grafana.palette import DEFINITION_COLORS
from grafana.panels import Panel, Query, Show, Steps, Text, big, density, from_limits, lines, nothing, or_no_data
from grafana.queries import (
    ENDED,
    FAILED,
    RANGE,
    UNFINISHED,
    counted,
    increase,
    mean,
    now,
    one,
    quantile,
    share,
    total,
)
from grafana.tables import Column, rows

_NONE = or_no_data("Nothing finished")
# Each step begins at its value, so a colour that is meant for low values comes first.
_DRIFT_STEPS: Steps = (("red", None), ("yellow", -0.25), ("transparent", -0.1), ("yellow", 0.1), ("red", 0.25))
_NAMED = "{{definition}}"


def make() -> Dashboard:
    made = dashboard(
        "vod-definitions",
        "VOD transcoding / Definitions",
        "Bitrate, size, length and duration of each definition, and whether they drift.",
        since="now-7d",
        refresh="5m",
        variables=(account(), definition(), *_windows()),
    )
    opening(made, _share_failed(), _largest_drift())
    section(made, "Comparison", _compared())
    section(made, "Drift", *_drift())
    section(made, "Outputs", *_outputs())
    section(made, "Time to finish", *_durations())
    section(made, "What there is", *renditions.panels())
    return made


def _share_failed() -> Panel:
    return big(
        Text(
            title="Failed share of the worst",
            description="Which definition has the highest share of failed jobs in the selected time range? Yellow from "
            "2 %, red from 10 %.",
            unit="percentunit",
            values=nothing("None ended"),
            steps=FAILURE_STEPS,
            decimals=1,
        ),
        Query(now(f"topk(1, {share(_ended(FAILED), _ended(ENDED))})"), _NAMED),
        show=Show.VALUE_AND_NAME,
        width=8,
    )


def _largest_drift() -> Panel:
    return big(
        Text(
            title="Largest drift of the bitrates",
            description="Which definition has a bitrate that differs the most from before? Without a sign; the panel "
            "below has it. Yellow from 10 %, red from 25 %.",
            unit="percentunit",
            values=nothing("Nothing to compare"),
            steps=from_limits(yellow=0.1, red=0.25),
            decimals=0,
        ),
        Query(now(f"topk(1, abs({_drift_of(OUTPUT_BITRATE)}))"), _NAMED),
        show=Show.VALUE_AND_NAME,
        width=8,
    )


def _compared() -> Panel:
    return rows(
        Text(
            title="Definitions",
            description="How do the definitions compare? Jobs and output files of the selected time range; each file "
            "counts once. Time is from creation to completion. Failed is yellow from 2 %, red from 10 %.",
            unit="none",
            no_value=or_no_data("No jobs seen yet"),
        ),
        {"definition": "Definition"},
        Column(name="Unfinished", expression=f"{_total(one(JOBS, UNFINISHED))} > 0", unit="none", decimals=0),
        Column(name="Ended", expression=f"{_ended(ENDED)} > 0", unit="none", decimals=0),
        Column(
            name="Failed",
            expression=share(_ended(FAILED), _ended(ENDED)),
            unit="percentunit",
            steps=FAILURE_STEPS,
            decimals=1,
        ),
        Column(name="Bitrate, mean", expression=mean(OUTPUT_BITRATE, "definition"), unit="bps", decimals=1),
        Column(name="Bitrate, p95", expression=_p(0.95, OUTPUT_BITRATE), unit="bps", decimals=1),
        Column(name="Size, mean", expression=mean(OUTPUT_SIZE, "definition"), unit="bytes", decimals=1),
        Column(
            name="Length, mean",
            expression=share(_total(increase(OUTPUT_DURATION)), _files("definition")),
            unit="s",
            decimals=1,
        ),
        Column(name="Time, p50", expression=_p(0.5, JOB_DURATION), unit="s", decimals=1),
        Column(name="Time, p95", expression=_p(0.95, JOB_DURATION), unit="s", decimals=1),
        sort="Ended",
        links={"Definition": DEFINITION_LINKS},
        height=9,
    )


def _drift() -> tuple[Panel, ...]:
    kinds = (
        ("Bitrate", OUTPUT_BITRATE, "a changed template, another kind of source, or a changed encoder."),
        ("Size", OUTPUT_SIZE, "other bitrates, or other lengths."),
        ("Time to finish", JOB_DURATION, "a queue at VOD, or longer sources."),
    )
    return tuple(
        lines(
            Text(
                title=f"{what}: drift",
                description=f"Does it drift? Mean {what.lower()} in the time range Recent, compared with the time "
                "range Before, which ends where Recent starts: +10 % means a tenth more. Beyond 10 % the background "
                f"is yellow, beyond 25 % red. Possible reasons: {why}",
                unit="percentunit",
                no_value=or_no_data("Nothing finished in one of the two times"),
                steps=_DRIFT_STEPS,
            ),
            Query(_drift_of(of), _NAMED),
            colors=DEFINITION_COLORS,
            width=8,
            areas=True,
        )
        .axis_soft_min(-0.3)
        .axis_soft_max(0.3)
        for what, of, why in kinds
    )


def _outputs() -> tuple[Panel, ...]:
    length = share(
        _total(increase(OUTPUT_DURATION, window="$recent")),
        _total(increase(OUTPUT_BITRATE, window="$recent", suffix="_count")),
    )
    return (
        _history(
            "Bitrate, p50",
            "Which bitrates do the outputs have? Half of them are below the line.",
            "bps",
            _recent(0.5, OUTPUT_BITRATE),
        ),
        _history(
            "Bitrate, p95",
            "How high do the bitrates get? 95 of 100 are below the line.",
            "bps",
            _recent(0.95, OUTPUT_BITRATE),
        ),
        _history("Length, mean", "How long do the files play, in the mean?", "suffix:min", f"({length}) / 60"),
        density(
            Text(
                title="Bitrates",
                description="How many files have which bitrate? A second band is another kind of source or template; "
                "choose one definition.",
                unit="bps",
                no_value=_NONE,
            ),
            Query(total(increase(OUTPUT_BITRATE, window="$__rate_interval", suffix="_bucket"), "le"), "{{le}}"),
            width=24,
        ),
    )


def _durations() -> tuple[Panel, ...]:
    return (
        lines(
            Text(
                title="Time to finish, p95",
                description="How soon are 95 of 100 jobs done, from creation to completion? The points are single "
                "jobs and link to them.",
                unit="dthms",
                no_value=_NONE,
            ),
            Query(_recent(0.95, JOB_DURATION), _NAMED, exemplars=True),
            colors=DEFINITION_COLORS,
            width=8,
            step="1m",
        ),
        _history(
            "Time of transcoding, p95",
            "How much of it is transcoding, from start to finish? Only event callbacks report the start, so this panel "
            "is empty without them.",
            "suffix:min",
            f"({_recent(0.95, JOB_PROCESSING)}) / 60",
        ),
        density(
            Text(
                title="Times to finish",
                description="How many jobs take how long, from creation to completion?",
                unit="s",
                no_value=_NONE,
            ),
            Query(total(increase(JOB_DURATION, window="$__rate_interval", suffix="_bucket"), "le"), "{{le}}"),
            width=8,
        ),
    )


def _history(title: str, what: str, unit: str, expression: str) -> Panel:
    """Each point is over the time range Recent before it, so that there are lines and no lone points."""
    return lines(
        Text(title=title, description=f"{what} Each point is over the time range Recent.", unit=unit, no_value=_NONE),
        Query(expression, _NAMED),
        colors=DEFINITION_COLORS,
        width=8,
        step="1m",
    )


def _windows() -> tuple[CustomVariable, ...]:
    return (
        choice(
            "recent", "Recent", ("1h", "6h", "1d", "7d"), "1d", "The time range of each point, and to check for drift"
        ),
        choice(
            "before", "Before", ("1d", "7d", "30d"), "7d", "The time range to compare with; it ends where Recent starts"
        ),
    )


def _drift_of(metric: Metric) -> str:
    before = mean(metric, "definition", window="$before", offset="$recent")
    return f"{mean(metric, 'definition', window='$recent')} / ({before}) - 1"


def _recent(q: float, metric: Metric) -> str:
    return quantile(q, metric, "definition", window="$recent")


def _p(q: float, metric: Metric) -> str:
    return quantile(q, metric, "definition", window=RANGE)


def _ended(status: str) -> str:
    return _total(counted(JOBS_FINISHED, status, window=RANGE))


def _files(*by: str) -> str:
    return total(increase(OUTPUT_BITRATE, suffix="_count"), *by)


def _total(expression: str) -> str:
    return total(expression, "definition")
