"""The look of the panels, as far as their JSON decides it: titles that fit, colours, units, legends, and no traps."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from exporter.causes import CODES
from exporter.model import DEFINITIONS
from grafana import palette
from tests.grafana.expressions import dashboards, panels

PANELS = [(uid, panel) for uid, dashboard in dashboards().items() for panel in panels(dashboard)]
EACH = [pytest.param(panel, id=f"{uid}: {panel['title']}") for uid, panel in PANELS]

# Grafana's grid has 24 columns and 8 pixels between panels. A title has the pixels of its panel without padding and the
# symbols of description and links. Letters are measured in pictures of Grafana 11: 7.7 pixels in the mean.
_SCREEN, _AROUND, _LETTER = 1280, 56, 7.7


@pytest.mark.parametrize("panel", EACH)
def test_title_is_short_and_fits_its_panel(panel: dict[str, Any]) -> None:
    pixels = panel["gridPos"]["w"] * (_SCREEN - 32) / 24 - 8 - _AROUND
    assert len(panel["title"]) <= min(32, pixels / _LETTER)


@pytest.mark.parametrize("panel", EACH)
def test_units_are_those_that_people_say(panel: dict[str, Any]) -> None:
    """`short` makes 2 K of 2,547, `cpm` is printed as c/m, and an axis in `s` has 3.33 mins beyond a minute."""
    units = {panel["fieldConfig"]["defaults"]["unit"], *overridden(panel, "unit")}
    assert not units & {"short", "cpm", "m", "bool_yes_no"}
    if panel["type"] == "timeseries" and "s" in units:
        short = ("Time until VOD answers", "Time of a scrape", "Age of the oldest value")
        assert panel["title"].startswith(short)


@pytest.mark.parametrize("panel", [each for each in EACH if each.values[0]["type"] == "timeseries"])  # type: ignore[index]
def test_options_that_break_axes_are_not_used(panel: dict[str, Any]) -> None:
    """With decimals, Grafana prints the text for no data as labels of the axis; value mappings do not reach axes."""
    field = panel["fieldConfig"]["defaults"]
    assert "decimals" not in field
    assert not field.get("mappings")
    assert not overridden(panel, "decimals") + overridden(panel, "mappings")


@pytest.mark.parametrize("panel", [each for each in EACH if each.values[0]["type"] == "timeseries"])  # type: ignore[index]
def test_only_stacks_of_few_series_are_filled(panel: dict[str, Any]) -> None:
    custom = panel["fieldConfig"]["defaults"]["custom"]
    stacked = custom.get("stacking", {}).get("mode") == "normal"
    assert bool(custom.get("fillOpacity")) == stacked
    if stacked:
        names = set(re.findall(r"\{\{(\w+)\}\}", " ".join(target["legendFormat"] for target in panel["targets"])))
        bounded = {"status", "cause", "source", "reason"}  # six values at most
        assert names <= bounded or all("topk(7, " in target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("panel", [each for each in EACH if each.values[0]["type"] == "timeseries"])  # type: ignore[index]
def test_series_of_any_name_have_no_colour_by_accident(panel: dict[str, Any]) -> None:
    """The palettes of Grafana begin with green; the panels of Grafana 10.4 know shades of a colour."""
    color = panel["fieldConfig"]["defaults"]["color"]
    assert color == {"mode": "shades", "fixedColor": "purple"}


def test_names_that_mean_something_have_the_colour_of_that_name() -> None:
    colored = {"definition": palette.DEFINITION_COLORS, "cause": palette.CAUSE_COLORS}
    colored["error_code"] = palette.CODE_COLORS
    for uid, panel in PANELS:
        if panel["type"] == "timeseries":
            for target in panel["targets"]:
                colors = colored.get(target["legendFormat"].strip("{}"), {})
                assert colors.items() <= named_colors(panel).items(), (uid, panel["title"])


@pytest.mark.parametrize("colors", [palette.DEFINITION_COLORS, palette.CAUSE_COLORS, palette.CODE_COLORS])
def test_no_colour_is_used_twice_nor_is_it_red_or_green(colors: Mapping[str, str]) -> None:
    assert not [name for name, times in Counter(colors.values()).items() if times > 1]
    for color in colors.values():
        red, green, blue = rgb(color)
        assert not (red > 1.6 * green and red > 1.6 * blue and green < 0.35 * red and blue < 0.5 * red), color
        assert not (green > 1.1 * red and green > 1.1 * blue), color


def test_every_documented_definition_and_error_code_has_a_colour() -> None:
    assert set(palette.DEFINITION_COLORS) >= set(DEFINITIONS)
    assert set(palette.CODE_COLORS) >= set(CODES)


@pytest.mark.parametrize("background", ["#ffffff", "#181b1f"], ids=["light", "dark"])
def test_colours_stand_out_in_both_themes(background: str) -> None:
    """A contrast of 3 to 1, as WCAG 2.1 asks of graphics (1.4.11)."""
    colors = {color for each in (palette.DEFINITION_COLORS, palette.CODE_COLORS) for color in each.values()}
    for color in colors:
        light, dark = sorted((luminance(color), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, color


def test_colours_of_the_first_definitions_can_be_told_apart() -> None:
    for one, other in itertools.combinations(palette.DEFINITION_COLORS.values(), 2):
        assert sum((a - b) ** 2 for a, b in zip(rgb(one), rgb(other), strict=True)) > 0.015, (one, other)


def test_drift_is_as_bad_downwards_as_upwards() -> None:
    """-25 % was not yellow, while -10 % was green. The axis shows 30 % at least."""
    drift = [panel for _, panel in PANELS if panel["title"].endswith("drift")]
    assert len(drift) == 3
    for panel in drift:
        custom, thresholds = panel["fieldConfig"]["defaults"]["custom"], panel["fieldConfig"]["defaults"]["thresholds"]
        assert (custom["axisSoftMin"], custom["axisSoftMax"]) == (-0.3, 0.3)
        assert custom["thresholdsStyle"] == {"mode": "area"}
        steps = [(step["color"], step["value"]) for step in thresholds["steps"]]
        assert [color for color, _ in steps] == [color for color, _ in reversed(steps)]
        assert [value for _, value in steps[1:]] == [-value for _, value in reversed(steps[1:]) if value]


def test_tables_have_no_pages_and_limited_rows() -> None:
    """Paging cuts a short table in half. Tables of jobs and tasks limit their rows in the query."""
    for uid, panel in PANELS:
        if panel["type"] == "table":
            assert not panel["options"]["footer"]["enablePagination"]
            for target in panel["targets"]:
                many = re.search(r"\bmax by \([^)]*\b(job_id|task_id)\b", target["expr"])
                limited = "topk(" in target["expr"] or '$job_id"' in target["expr"]
                assert not many or limited, (uid, panel["title"])


def test_ids_can_be_read_in_full() -> None:
    columns = [
        {each["id"]: each["value"] for each in override["properties"]}
        for _, panel in PANELS
        if panel["type"] == "table"
        for override in panel["fieldConfig"]["overrides"]
        if override["matcher"]["options"] in ("Job", "Task", "Video", "Template")
    ]
    assert columns
    assert all(column["custom.inspect"] and column["custom.width"] >= 280 for column in columns)


def test_yellow_is_a_background_and_no_text() -> None:
    assert '"color-text"' not in json.dumps(dashboards())
    for _, panel in PANELS:
        if panel["type"] == "stat" and len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1:
            assert panel["options"]["colorMode"] == "background_solid"


def test_what_older_or_other_grafanas_stumble_over_is_not_used() -> None:
    assert "palette-classic" not in json.dumps(dashboards())
    assert not [panel["title"] for _, panel in PANELS if "repeatDirection" in panel]


def test_first_panels_say_whether_the_rest_can_be_trusted() -> None:
    for uid, dashboard in dashboards().items():
        assert [panel["title"] for panel in dashboard["panels"][:2]] == ["Exporter up", "Accounts read"], uid


def test_there_are_no_more_panels_than_people_look_at() -> None:
    assert len([title for _, panel in PANELS if (title := panel["title"]) not in ("Exporter up", "Accounts read")]) < 83


def overridden(panel: Mapping[str, Any], name: str) -> list[Any]:
    properties = [each for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    return [each["value"] for each in properties if each["id"] == name]


def named_colors(panel: Mapping[str, Any]) -> dict[str, str]:
    return {
        override["matcher"]["options"]: each["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "color"
    }


def rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def luminance(color: str) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
