"""The kinds of panels, each with a short title, the question that it answers as its description, a unit and colours.

Yellow needs attention, red needs action; green says only that the exporter and its accounts can be read. A panel
without data shows a text that says so in the colour of text: nothing looks well, or alarming, because it is absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.palette import STATUS_COLORS
from grafana.queries import NOTHING

DATASOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "vod-transcode"
NO_DATA = "No data: is the exporter down?"

Panel: TypeAlias = stat.Panel | timeseries.Panel | statetimeline.Panel | table.Panel | heatmap.Panel
Steps: TypeAlias = Sequence[tuple[str, float | None]]

NEUTRAL: Steps = (("text", None),)
UP: Steps = (("transparent", None), ("red", 0), ("yellow", 0.001), ("green", 1))
"""The only steps with green: from 0 for none to 1 for all."""


def from_limits(*, yellow: float | None = None, red: float | None = None) -> Steps:
    """No colour below the limits."""
    limits = (("yellow", yellow), ("red", red))
    return (("transparent", None), *((color, value) for color, value in limits if value is not None))


@dataclass(frozen=True, slots=True)
class Query:
    """A query. `exemplars` shows single jobs as points with links to the job."""

    expression: str
    legend: str = "__auto"
    exemplars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The texts of a panel: title, the question and how to read the answer, and the text shown without data.

    `values` are texts in place of values. `queries.now` returns the value `NOTHING` if there is nothing to show, which
    is not the same as no data.
    """

    title: str
    description: str
    unit: str
    no_value: str = NO_DATA
    values: Mapping[float, str] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: NEUTRAL)
    decimals: int | None = None


YES_NO: Mapping[float, str] = {1: "Yes", 0: "No"}
Show = options.BigValueTextMode


def nothing(text: str) -> Mapping[float, str]:
    """`values` for a panel whose query returns NOTHING at times."""
    return {NOTHING: text}


def or_no_data(text: str) -> str:
    """The text of a panel that cannot tell nothing from no data."""
    return f"{text}, or no data: see Exporter up"


def big(
    text: Text,
    *queries: Query,
    width: int = 4,
    height: int = 3,
    show: Show = Show.VALUE,
    colors: Mapping[str, str] | None = None,
) -> Panel:
    """A large number per series. With thresholds, the background has their colour."""
    mode = options.BigValueColorMode.BACKGROUND_SOLID if len(text.steps) > 1 or colors else None
    panel = stat.Panel().color_mode(mode or options.BigValueColorMode.VALUE).graph_mode(options.BigValueGraphMode.NONE)
    panel.justify_mode(options.BigValueJustifyMode.CENTER).text_mode(show)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    for number, query in enumerate(queries):
        panel.with_target(dataquery(query, number).instant())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    panel.mappings(mappings(text.values))
    _paint(panel, colors or {})
    if text.decimals is not None:
        panel.decimals(text.decimals)
    return described(panel, text, width, height)


def lines(
    text: Text,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    colors: Mapping[str, str] | None = None,
    stacked: bool = False,
    limits: bool = False,
    areas: bool = False,
    step: str | None = None,
    names: bool = False,
) -> timeseries.Panel:
    """Lines over time. `limits` draws the thresholds as lines, `areas` as a background.

    `step` is the minimum time between two points. `names` is for many series, or series of any name, such as instances:
    a table as legend. Only stacked series are filled.
    """
    panel = timeseries.Panel().line_width(2).show_points(options.VisibilityMode.AUTO).axis_soft_min(0)
    panel.span_nulls(False).fill_opacity(30 if stacked else 0)
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if limits or areas:
        mode = options.GraphThresholdsStyleMode.AREA if areas else options.GraphThresholdsStyleMode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(mode))
    legend = ["lastNotNull", "max"] if names else []
    return _over_time(panel, text, queries, width, height, colors, step, legend)


def bars(
    text: Text,
    *queries: Query,
    width: int = 12,
    height: int = 8,
    colors: Mapping[str, str] | None = None,
    step: str = "1m",
) -> timeseries.Panel:
    """Bars over time. Each bar shows the count of its step as a whole number; the legend has the sums."""
    panel = timeseries.Panel().draw_style(options.GraphDrawStyle.BARS).fill_opacity(70).line_width(1)
    panel.bar_alignment(options.BarAlignment.BEFORE).axis_soft_min(0)
    panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    return _over_time(panel, text, queries, width, height, colors, step, ["sum"])


def density(text: Text, query: Query, *, width: int = 12, height: int = 8, step: str = "5m") -> Panel:
    """A heatmap of the buckets of a histogram."""
    panel = heatmap.Panel().calculate(False).cell_gap(1).show_legend()
    panel.color(heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).scheme("Blues").steps(32))
    panel.filter_values(heatmap.FilterValueRange().le(1e-9)).y_axis(heatmap.YAxisConfig().unit(text.unit))
    panel.with_target(dataquery(query, 0).range().format(PromQueryFormat.HEATMAP))
    return described(panel.interval(step), text, width, height)


def states(text: Text, query: Query, *, width: int = 24, height: int = 5) -> Panel:
    """A timeline of the periods in which each series exists."""
    panel = statetimeline.Panel().show_value(options.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.with_target(dataquery(query, 0).range())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color("text"))
    panel.legend(common.VizLegendOptions().show_legend(False).display_mode(options.LegendDisplayMode.LIST))
    _paint(panel, STATUS_COLORS)
    return described(panel, text, width, height)


def thresholds(steps: Steps) -> build.ThresholdsConfig:
    """`steps` are colours, each with the value from which it applies; the first colour has no value."""
    found = [model.Threshold(value=value, color=color) for color, value in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def mappings(values: Mapping[float, str]) -> list[model.ValueMapping]:
    """Texts in place of these values."""
    if not values:
        return []
    shown = {f"{value:.0f}": model.ValueMappingResult(text=text) for value, text in values.items()}
    return [model.ValueMap(options=shown)]


def described(panel: Panel, text: Text, width: int, height: int) -> Panel:
    """The panel with its texts, unit, colours and size."""
    panel.title(text.title).description(text.description).unit(text.unit).no_value(text.no_value)
    panel.datasource(DATASOURCE).thresholds(thresholds(text.steps)).span(width).height(height)
    return panel


def dataquery(query: Query, number: int) -> prometheus.Dataquery:
    """The query as Grafana reads it, with its letter."""
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
    return target.ref_id(ref(number)).datasource(DATASOURCE)


def ref(number: int) -> str:
    """The letter by which a panel names its query `number`, from 0."""
    return chr(ord("A") + number)


def _over_time(
    panel: timeseries.Panel,
    text: Text,
    queries: Sequence[Query],
    width: int,
    height: int,
    colors: Mapping[str, str] | None,
    step: str | None,
    calculations: list[str],
) -> timeseries.Panel:
    for number, query in enumerate(queries):
        panel.with_target(dataquery(query, number).range().exemplar(query.exemplars))
    # Names without a colour of their own, such as accounts, get shades of one: Grafana's palettes begin with green.
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.SHADES).fixed_color("purple"))
    _paint(panel, colors or {})
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
    legend = common.VizLegendOptions().show_legend(True).calcs(calculations)
    mode = options.LegendDisplayMode.TABLE if calculations else options.LegendDisplayMode.LIST
    place = options.LegendPlacement.RIGHT if calculations and width >= 12 else options.LegendPlacement.BOTTOM
    panel.legend(legend.display_mode(mode).placement(place))
    if step:
        panel.interval(step)
    described(panel, text, width, height)
    return panel


def _paint(panel: Panel, colors: Mapping[str, str]) -> None:
    for name, color in colors.items():
        fixed = {"mode": "fixed", "fixedColor": color}
        panel.override_by_name(name, [model.DynamicConfigValue("color", fixed)])
