"""Every query of every dashboard as Prometheus gets it, for the tests that try them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
BUILT_IN = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}


@dataclass(frozen=True, slots=True)
class Expression:
    """`query` is `source` with variables in place, `place` the dashboard's uid and the panel's title."""

    dashboard: str
    panel: str
    source: str
    query: str

    @property
    def place(self) -> tuple[str, str]:
        return self.dashboard, self.panel


def dashboards() -> dict[str, dict[str, Any]]:
    """uid -> the dashboard as it is in its file."""
    found = (json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json")))
    return {dashboard["uid"]: dashboard for dashboard in found}


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that show something: all but rows, also those in folded rows."""
    shown = [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", ()))]
    return [panel for panel in shown if panel["type"] != "row"]


def expressions(values: Mapping[str, str] | None = None) -> Iterator[Expression]:
    """With `values` for variables, and else what Grafana would begin with."""
    for uid, dashboard in dashboards().items():
        chosen = {**BUILT_IN, **_defaults(dashboard), **(values or {})}
        for panel in panels(dashboard):
            for target in panel["targets"]:
                source = target["expr"]
                yield Expression(uid, panel["title"], source, interpolated(source, chosen))
        for annotation in dashboard["annotations"]["list"]:
            source = annotation["expr"]
            yield Expression(uid, f"annotation {annotation['name']}", source, interpolated(source, chosen))


def interpolated(expression: str, values: Mapping[str, str]) -> str:
    """Raises `KeyError` for a variable that the dashboard does not have. $1 is of label_replace()."""
    return re.sub(r"\$(?:([a-z_]\w*)|\{(\w+)\})", lambda found: values[found[1] or found[2]], expression)


def _defaults(dashboard: Mapping[str, Any]) -> dict[str, str]:
    variables = dashboard["templating"]["list"]
    return {
        variable["name"]: variable["allValue"] if variable["type"] == "query" else variable["current"]["value"]
        for variable in variables
        if variable["type"] != "datasource"
    }
