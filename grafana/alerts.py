"""The table of the alerts that fire."""

from __future__ import annotations

from grafana.frame import RUNBOOKS
from grafana.panels import Panel, Text
from grafana.tables import Column, rows

# Prometheus writes ALERTS. Alerts on the exporter have no account.
_OF = 'alertname=~"Vod.+", account=~"$account|"'
_BY = "alertname, severity, account, definition, instance"


def panel() -> Panel:
    firing = f'max by ({_BY}) (ALERTS{{{_OF}, alertstate="firing"}})'
    return rows(
        Text(
            title="Firing alerts",
            description="Which alerts of the shipped rules fire, and since when? Each leads to its runbook.",
            unit="none",
            no_value="No alert fires, or Prometheus has not loaded the rules",
        ),
        {
            "alertname": "Alert",
            "severity": "Severity",
            "account": "Account",
            "definition": "Definition",
            "instance": "Instance",
        },
        Column(
            name="For",
            expression=f"time() - max by ({_BY}) (ALERTS_FOR_STATE{{{_OF}}}) and on ({_BY}) {firing}",
            unit="s",
            decimals=1,
        ),
        sort="For",
        links={"Alert": (("Runbook", RUNBOOKS + "${__value.raw}.md"),)},
        height=5,
    )
