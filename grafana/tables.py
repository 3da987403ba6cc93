"""Tables: a row for each combination of labels, a column for each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import STATUS_COLORS, Panel, Query, Steps, Text, dataquery, described, ref, thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of numbers in a table. `bar` draws it as a bar from 0 to 1; `steps` colour the text."""

    name: str
    expression: str
    unit: str
    steps: Steps | None = None
    bar: bool = False
    decimals: int | None = None


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
        target = dataquery(Query(expression), number)
        panel.with_target(target.instant().format(PromQueryFormat.TABLE))
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(_organized(labels, columns, queries=len(queries)))
    if step:
        panel.interval(step)
    for heading in labels.values():
        leads_to = (links or {}).get(heading)
        panel.override_by_name(heading, [*_link(leads_to), model.DynamicConfigValue("noValue", "–")])
    for column in columns:
        panel.override_by_name(column.name, _shown(column))
    _colored_status(panel, labels)
    return described(panel, text, width, height)


def _organized(labels: Mapping[str, str], columns: Sequence[Column], *, queries: int) -> model.DataTransformerConfig:
    """The order and the headings of the columns; the time, and the value of a query for details, are hidden."""
    renamed = {f"Value #{ref(number)}": column.name for number, column in enumerate(columns)}
    hidden = {"Time": True, f"Value #{ref(len(columns))}": True}
    # If there is only one query, Grafana names its value column Value, without a number.
    if queries == 1:
        renamed["Value"] = columns[0].name
    else:
        hidden["Value"] = True
    places = {name: place for place, name in enumerate((*labels, *renamed))}
    shown = {"excludeByName": hidden, "indexByName": places, "renameByName": {**labels, **renamed}}
    return model.DataTransformerConfig(id_val="organize", options=shown)


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
