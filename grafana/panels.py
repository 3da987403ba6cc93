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
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

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
class Column:
    """A column of numbers in a table. `bar` draws it as a bar from 0 to 1; `steps` colour the text."""

    name: str
    expression: str
    unit: str
    steps: Steps | None = None
    bar: bool = False
    decimals: int | None = None


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
        target = _target(query, number)
        panel.with_target(target.range() if line else target.instant())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    _paint(panel, colors or {})
    return _described(panel, text, width, height)


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
    panel.with_target(_target(query, 0).instant())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    return _described(panel, text, width, height)


def states(text: Text, query: Query, *, width: int = 24, height: int = 5) -> Panel:
    """A timeline of the periods in which each series exists."""
    panel = statetimeline.Panel().show_value(options.VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.with_target(_target(query, 0).range())
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
    _paint(panel, STATUS_COLORS)
    return _described(panel, text, width, height)


def rows(
    text: Text,
    labels: Mapping[str, str],
    *columns: Column,
    details: str | None = None,
    sort: str,
    links: Mapping[str, tuple[str, str]] | None = None,
    width: int = 24,
    height: int = 10,
    step: str | None = None,
) -> Panel:
    """A table with a row per combination of `labels` (label -> heading) and a column per query.

    `details` is a query whose labels are shown, not its value. `links` maps a heading to link text and URL.
    """
    panel = table.Panel().cell_height(options.TableCellHeight.SM).filterable(True)
    panel.footer(common.TableFooterOptions().show(False).enable_pagination(True))
    panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    queries = [column.expression for column in columns] + ([details] if details else [])
    for number, expression in enumerate(queries):
        target = _target(Query(expression), number)
        panel.with_target(target.instant().format(PromQueryFormat.TABLE))
    renamed = {f"Value #{_ref(number)}": column.name for number, column in enumerate(columns)}
    hidden = {"Time": True, f"Value #{_ref(len(columns))}": True}
    # If there is only one query, Grafana names its value column Value, without a number.
    if len(queries) == 1:
        renamed["Value"] = columns[0].name
    else:
        hidden["Value"] = True
    order = [*labels, *renamed]
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": hidden,
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": {**labels, **renamed},
            },
        )
    )
    if step:
        panel.interval(step)
    for heading in labels.values():
        leads_to = (links or {}).get(heading)
        panel.override_by_name(heading, [*_link(leads_to), model.DynamicConfigValue("noValue", "–")])
    for column in columns:
        panel.override_by_name(column.name, _shown(column))
    _colored_status(panel, labels)
    return _described(panel, text, width, height)


def thresholds(steps: Steps) -> build.ThresholdsConfig:
    """`steps` are colours, each with the value from which it applies; the first colour has no value."""
    found = [model.Threshold(value=value, color=color) for color, value in steps]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(found)


def _described(panel: Panel, text: Text, width: int, height: int) -> Panel:
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
        panel.with_target(_target(query, number).range().exemplar(query.exemplars))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    _paint(panel, colors or {})
    panel.tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
    legend = common.VizLegendOptions().show_legend(True).display_mode(options.LegendDisplayMode.LIST)
    panel.legend(legend.placement(options.LegendPlacement.BOTTOM))
    if step:
        panel.interval(step)
    return _described(panel, text, width, height)


def _paint(panel: Panel, colors: Mapping[str, str]) -> None:
    for name, color in colors.items():
        fixed = {"mode": "fixed", "fixedColor": color}
        panel.override_by_name(name, [model.DynamicConfigValue("color", fixed)])


def _target(query: Query, number: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend)
    return target.ref_id(_ref(number)).datasource(DATASOURCE)


def _ref(number: int) -> str:
    return chr(ord("A") + number)


def _link(leads_to: tuple[str, str] | None) -> list[model.DynamicConfigValue]:
    if leads_to is None:
        return []
    title, url = leads_to
    return [model.DynamicConfigValue("links", [{"title": title, "url": url, "targetBlank": False}])]


def _shown(column: Column) -> list[model.DynamicConfigValue]:
    shown = [model.DynamicConfigValue("unit", column.unit), model.DynamicConfigValue("noValue", "–")]
    if column.decimals is not None:
        shown.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.bar:
        cell = options.TableBarGaugeCellOptions(options.BarGaugeDisplayMode.BASIC, options.BarGaugeValueMode.TEXT)
        shown += [
            model.DynamicConfigValue("custom.cellOptions", cell),
            model.DynamicConfigValue("min", 0),
            model.DynamicConfigValue("max", 1),
            model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "blue"}),
        ]
    elif column.steps is not None:
        shown += [
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            model.DynamicConfigValue("thresholds", thresholds(column.steps).build()),
        ]
    return shown


def _colored_status(panel: table.Panel, labels: Mapping[str, str]) -> None:
    if "status" not in labels:
        return
    colors = {name: {"color": color, "index": place} for place, (name, color) in enumerate(STATUS_COLORS.items())}
    panel.override_by_name(
        labels["status"],
        [
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            model.DynamicConfigValue("mappings", [{"type": "value", "options": colors}]),
        ],
    )
