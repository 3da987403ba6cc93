"""The events that all dashboards mark: the exporter started, read its configuration, or has another version."""

from __future__ import annotations

from exporter.metrics.catalog import BUILD_INFO, RELOAD_SUCCESS
from grafana.queries import TARGET, one, series

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def events() -> list[dict[str, object]]:
    started = f"1000 * max by (instance) (process_start_time_seconds{{{TARGET}}} and on (job) {series(BUILD_INFO)})"
    loaded = f"1000 * {one(RELOAD_SUCCESS)}"
    before = f"max by (version) (last_over_time({series(BUILD_INFO)}[1d] offset 2m))"
    deployed = f"max by (version) ({series(BUILD_INFO)}) unless on (version) {before} and on () {before}"
    return [
        _annotation("Start", started, "yellow", "Exporter started", at_value=True),
        _annotation("Configuration", loaded, "blue", "Configuration loaded", at_value=True),
        _annotation("Version", deployed, "purple", "Version {{version}}", at_value=False),
    ]


def _annotation(name: str, expression: str, color: str, title: str, *, at_value: bool) -> dict[str, object]:
    """`at_value`: the event is at the time that the series has as its value, in milliseconds."""
    return {
        "name": name,
        "datasource": _DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expression,
        "titleFormat": title,
        "step": "60s",
        "useValueForTime": at_value,
    }
