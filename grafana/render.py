"""The dashboards as the JSON that Grafana reads."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import RowPanel

from grafana import cost, definitions, health, job, jobs, overview
from grafana.annotations import events

FOLDER = Path(__file__).parent / "dashboards"
OLDEST_GRAFANA = "10.4.0"


def rendered() -> dict[str, str]:
    """The JSON text of each dashboard by file name."""
    made = (overview.make(), jobs.make(), job.make(), definitions.make(), cost.make(), health.make())
    return {f"{_uid(dashboard)}.json": _text(dashboard) for dashboard in made}


def _text(builder: Dashboard) -> str:
    dashboard = builder.build()
    numbers = count(1)
    for panel in dashboard.panels or ():
        for each in (panel, *(panel.panels if isinstance(panel, RowPanel) else ())):
            each.id_val = next(numbers)
            if not isinstance(each, RowPanel):
                each.repeat_direction = None  # no panel repeats
    content = json.loads(JSONEncoder().encode(dashboard))
    content["annotations"] = {"list": events()}
    content["__requires"] = _required(content["panels"])
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _required(panels: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What Grafana checks when a person imports the dashboard."""
    shown = [inner for panel in panels for inner in (panel, *panel.get("panels", ()))]
    kinds = sorted({panel["type"] for panel in shown} - {"row"})
    return [
        {"type": "grafana", "id": "grafana", "name": "Grafana", "version": OLDEST_GRAFANA},
        {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds),
    ]


def _uid(builder: Dashboard) -> str:
    return str(builder.build().uid)
