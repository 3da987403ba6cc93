"""Tables: a row for each combination of labels, a column for each query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.palette import SEVERITY_COLORS, STATUS_COLORS, TASK_COLORS
from grafana.panels import Panel, Query, Steps, Text, dataquery, described, mappings, ref, thresholds

_WIDTHS = {
    **dict.fromkeys(("job_id", "task_id", "video_id", "template_id"), 310),
    "account": 130,
    "definition": 100,
    "status": 160,
    "error_code": 290,
    "severity": 100,
    "alertname": 220,
    **dict.fromkeys(("height", "fps", "video_codec", "cause"), 90),
}
"""Pixels: an id has 32 letters, and can be read in full, also as a link."""

_LAST = ("video_id", "task_id")
"""Columns to the right of the figures, unless they come first: on a narrow screen they are the least missed."""

Links: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of numbers in a table. `bar` draws it as a bar from 0 to 1; `steps` colour the background.

    `values` are texts in place of numbers.
    """

    name: str
    expression: str
    unit: str
    steps: Steps | None = None
    bar: bool = False
    decimals: int | None = None
    values: Mapping[float, str] = field(default_factory=dict)
    width: int | None = None


def rows(
    text: Text,
    labels: Mapping[str, str],
    *columns: Column,
    details: str | None = None,
    sort: str,
    ascending: bool = False,
    links: Mapping[str, Links] | None = None,
    width: int = 24,
    height: int = 10,
    step: str | None = None,
) -> Panel:
    """A table with a row per combination of `labels` (label -> heading) and a column per query.

    `details` is a query whose labels are shown, not its value. `links` maps a heading to pairs of link text and URL.
    There are no pages, which would cut a short table in half: the query limits the number of rows.
    """
    panel = table.Panel().cell_height(options.TableCellHeight.SM).filterable(True)
    panel.footer(common.TableFooterOptions().show(False).enable_pagination(False))
    panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(not ascending)])
    queries = [column.expression for column in columns] + ([details] if details else [])
    for number, expression in enumerate(queries):
        target = dataquery(Query(expression), number)
        panel.with_target(target.instant().format(PromQueryFormat.TABLE))
    panel.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(_organized(labels, columns, queries=len(queries)))
    if step:
        panel.interval(step)
    for label, heading in labels.items():
        panel.override_by_name(heading, _label(label, (links or {}).get(heading, ())))
    for column in columns:
        panel.override_by_name(column.name, _shown(column))
    _colored_texts(panel, labels)
    return described(panel, text, width, height)


def _organized(labels: Mapping[str, str], columns: Sequence[Column], *, queries: int) -> model.DataTransformerConfig:
    """The order and the headings of the columns; the time, and the value of a query for details, are hidden."""
    renamed = {f"Value #{ref(number)}": column.name for number, column in enumerate(columns)}
    hidden = {"Time": True, f"Value #{ref(len(columns))}": True}
    # If there is only one query, Grafana names its value column Value, without a number.
    if queries == 1 and columns:
        renamed["Value"] = columns[0].name
    else:
        hidden["Value"] = True
    last = [label for label in (*labels,)[1:] if label in _LAST]
    order = (*(label for label in labels if label not in last), *renamed, *last)
    places = {name: place for place, name in enumerate(order)}
    shown = {"excludeByName": hidden, "indexByName": places, "renameByName": {**labels, **renamed}}
    return model.DataTransformerConfig(id_val="organize", options=shown)


def _label(label: str, links: Links) -> list[model.DynamicConfigValue]:
    shown = [model.DynamicConfigValue("noValue", "–"), model.DynamicConfigValue("custom.inspect", True)]
    if label in _WIDTHS:
        shown.append(model.DynamicConfigValue("custom.width", _WIDTHS[label]))
    if links:
        found = [{"title": title, "url": url, "targetBlank": False} for title, url in links]
        shown.append(model.DynamicConfigValue("links", found))
    return shown


def _shown(column: Column) -> list[model.DynamicConfigValue]:
    shown = [model.DynamicConfigValue("unit", column.unit), model.DynamicConfigValue("noValue", "–")]
    if column.decimals is not None:
        shown.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.width is not None:
        shown.append(model.DynamicConfigValue("custom.width", column.width))
    if column.values:
        shown.append(model.DynamicConfigValue("mappings", mappings(column.values)))
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
            model.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
            model.DynamicConfigValue("thresholds", thresholds(column.steps).build()),
        ]
    return shown


def _colored_texts(panel: table.Panel, labels: Mapping[str, str]) -> None:
    """Statuses and severities: only what went wrong has a colour in a table."""
    statuses = {**TASK_COLORS, **STATUS_COLORS}
    wrong = {name: color for name, color in statuses.items() if color in ("red", "orange")}
    for label, found in (("status", wrong), ("severity", SEVERITY_COLORS)):
        if label in labels:
            colors = {name: {"color": color, "index": place} for place, (name, color) in enumerate(found.items())}
            panel.override_by_name(
                labels[label],
                [
                    model.DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}),
                    model.DynamicConfigValue("thresholds", thresholds((("transparent", None),)).build()),
                    model.DynamicConfigValue("mappings", [{"type": "value", "options": colors}]),
                ],
            )
