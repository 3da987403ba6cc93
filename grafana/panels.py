"""The kinds of panels, each with a title that is a question, a description, a unit and colours.

Green is good, yellow needs attention, red needs action; blue is neutral. A definition has the same colour everywhere. A
panel without data shows a text that says what this means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "vod-transcode"

Panel: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel | statetimeline.Panel | table.Panel
Steps: TypeAlias = Sequence[tuple[str, float | None]]

NEUTRAL: Steps = (("blue", None),)
BAD_IF_ANY: Steps = (("green", None), ("red", 1))
LOOK_IF_ANY: Steps = (("green", None), ("yellow", 1))
STATUS_COLORS = {
    "Submitted": "blue",
    "Transcoding": "purple",
    "TranscodeSuccess": "green",
    "TranscodeFail": "red",
    "TranscodeCancelled": "text",
    "unknown": "orange",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A query. `exemplars` shows single jobs as points with links to the job."""

    expression: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The texts of a panel: the question, how to read the answer, and the text shown without data."""

    title: str
    description: str
    unit: str
    no_value: str
    steps: Steps = field(default_factory=lambda: NEUTRAL)
    decimals: int | None = None


Show = options.BigValueTextMode


def big(
    text: Text,
    *queries: Query,
    width: int = 4,
    height: int = 4,
    show: Show = Show.VALUE,
    colors: Mapping[str, str] | None = None,
    line: bool = False,
) -> Panel:
    """A large number per series; `line` draws its history below it."""
    panel = stat.Panel().color_mode(options.BigValueColorMode.VALUE).justify_mode(options.BigValueJustifyMode.CENTER)
    panel.graph_mode(options.BigValueGraphMode.AREA if line else options.BigValueGraphMode.NONE)
    panel.text_mode(show)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    for number, query in enumerate(queries):
        target = dataquery(query, number)
        panel.with_target(target.range() if line else target.instant())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    _paint(panel, colors or {})
    return described(panel, text, width, height)


def lines(
    text: Text,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    colors: Mapping[str, str] | None = None,
    stacked: bool = False,
    limits: bool = False,
    step: str | None = None,
) -> Panel:
    """Lines over time. `limits` draws the thresholds as lines; `step` is the minimum time between two points."""
    panel = timeseries.Panel().line_width(2).show_points(options.VisibilityMode.AUTO).axis_soft_min(0)
    panel.span_nulls(False).fill_opacity(30 if stacked else 8)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if limits:
        style = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    return _over_time(panel, text, queries, width, height, colors, step)


def bars(
    text: Text,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    colors: Mapping[str, str] | None = None,
    step: str = "1m",
) -> Panel:
    """Bars over time. Each bar shows the count of its step as a whole number."""
    panel = timeseries.Panel().draw_style(options.GraphDrawStyle.BARS).fill_opacity(70).line_width(1)
    panel.bar_alignment(options.BarAlignment.BEFORE).axis_soft_min(0)
    panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    return _over_time(panel, text, queries, width, height, colors, step)


def ranking(text: Text, query: Query, *, width: int = 12, height: int = 8) -> Panel:
    """A bar for each series."""
    panel = bargauge.Panel().orientation(options.VizOrientation.HORIZONTAL).show_unfilled(True).min(0)
    panel.display_mode(options.BarGaugeDisplayMode.BASIC).value_mode(options.BarGaugeValueMode.TEXT)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.with_target(dataquery(query, 0).instant())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return described(panel, text, width, height)


def states(text: Text, query: Query, *, width: int = 24, height: int = 5) -> Panel:
    """A timeline of the periods in which each series exists."""
    panel = statetimeline.Panel().show_value(options.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.with_target(dataquery(query, 0).range())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    _paint(panel, STATUS_COLORS)
    return described(panel, text, width, height)


def thresholds(steps: Steps) -> build.ThresholdsConfig:
    """`steps` are colours, each with the value from which it applies; the first colour has no value."""
    found = [model.Threshold(value=value, color=color) for color, value in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def described(panel: Panel, text: Text, width: int, height: int) -> Panel:
    """The panel with its texts, unit, colours and size."""
    panel.title(text.title).description(text.description).unit(text.unit).no_value(text.no_value)
    panel.datasource(DATASOURCE).thresholds(thresholds(text.steps)).span(width).height(height)
    if text.decimals is not None:
        panel.decimals(text.decimals)
    return panel


def _over_time(
    panel: timeseries.Panel,
    text: Text,
    queries: Sequence[Query],
    width: int,
    height: int,
    colors: Mapping[str, str] | None,
    step: str | None,
) -> Panel:
    for number, query in enumerate(queries):
        panel.with_target(dataquery(query, number).range().exemplar(query.exemplars))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    _paint(panel, colors or {})
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
    legend = common.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
    panel.legend(legend.placement(options.LegendPlacement.BOTTOM))
    if step:
        panel.interval(step)
    return described(panel, text, width, height)


def _paint(panel: Panel, colors: Mapping[str, str]) -> None:
    for name, color in colors.items():
        fixed = {"mode": "fixed", "fixedColor": color}
        panel.override_by_name(name, [model.DynamicConfigValue("color", fixed)])


def dataquery(query: Query, number: int) -> prometheus.Dataquery:
    """The query as Grafana reads it, with its letter."""
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
    return target.ref_id(ref(number)).datasource(DATASOURCE)


def ref(number: int) -> str:
    """The letter by which a panel names its query `number`, from 0."""
    return chr(ord("A") + number)
