"""The first panels of every dashboard: whether Prometheus reaches the exporter, and the exporter reaches VOD."""

from __future__ import annotations

from grafana.panels import UP, Panel, Query, Text, big
from grafana.queries import TARGET, answering, of_exporters, readable


def panels() -> tuple[Panel, ...]:
    return _exporter_up(), _accounts_read()


def _exporter_up() -> Panel:
    return big(
        Text(
            title="Exporter up",
            description="Does Prometheus reach the exporter? With No, in red, nothing on this dashboard is of now. "
            "Yellow: some of the exporters do not answer.",
            unit="percentunit",
            values={1: "Yes", 0: "No"},
            steps=UP,
            decimals=0,
        ),
        Query(f"avg({of_exporters(f'up{{{TARGET}}}')})"),
    )


def _accounts_read() -> Panel:
    return big(
        Text(
            title="Accounts read",
            description="Can VOD be read with the keys of the selected accounts? Red: none of them can be read. "
            "Yellow: some cannot; the dashboard Overview shows which. An account counts as read if one exporter "
            "reads it.",
            unit="percentunit",
            values={1: "All", 0: "None"},
            steps=UP,
            decimals=0,
        ),
        Query(answering(f"avg({readable()})")),
    )
