"""The dashboards as the JSON that Grafana reads."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import definitions, health, job, jobs, overview

FOLDER = Path(__file__).parent / "dashboards"


def rendered() -> dict[str, str]:
    """The JSON text of each dashboard by file name."""
    made = (overview.make(), jobs.make(), job.make(), definitions.make(), health.make())
    return {f"{_uid(dashboard)}.json": _text(dashboard) for dashboard in made}


def _text(builder: Dashboard) -> str:
    dashboard = builder.build()
    for number, panel in enumerate(dashboard.panels or (), start=1):
        panel.id_val = number
    return JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False).encode(dashboard) + "\n"


def _uid(builder: Dashboard) -> str:
    return str(builder.build().uid)
