"""The jsonnet mixin: it has exactly the rules, alerts and dashboards of this repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import _gojsonnet
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MIXIN = ROOT / "deploy" / "mixin" / "mixin.libsonnet"


def evaluate(expression: str) -> Any:
    """The value of a jsonnet expression, in which `mixin` is the mixin."""
    code = f"local mixin = import '{MIXIN}'; {expression}"
    return json.loads(_gojsonnet.evaluate_snippet("test.jsonnet", code))


@pytest.mark.parametrize(
    ("field", "file"),
    [("prometheusRules", "vod-transcode.rules.yml"), ("prometheusAlerts", "vod-transcode.alerts.yml")],
)
def test_rules_are_those_of_the_shipped_file(field: str, file: str) -> None:
    shipped = yaml.safe_load((ROOT / "deploy" / "prometheus" / file).read_text())
    assert shipped["groups"]
    assert evaluate(f"mixin.{field}") == {"groups": shipped["groups"]}


def test_dashboards_are_the_shipped_files() -> None:
    files = (ROOT / "grafana" / "dashboards").glob("*.json")
    assert evaluate("mixin.grafanaDashboards") == {path.name: json.loads(path.read_text()) for path in files}


def test_another_mixin_keeps_its_alerts_beside_ours() -> None:
    other = "{ prometheusAlerts+:: { groups+: [{ name: 'other', rules: [] }] } }"
    groups = evaluate(f"(mixin + {other}).prometheusAlerts.groups")
    assert [group["name"] for group in groups][-1] == "other"
    assert len(groups) > 1


def test_a_user_can_change_a_dashboard() -> None:
    change = "{ grafanaDashboards+:: { 'vod-job.json'+: { title: 'Mine' } } }"
    dashboard = evaluate(f"(mixin + {change}).grafanaDashboards['vod-job.json']")
    assert (dashboard["title"], dashboard["uid"]) == ("Mine", "vod-job")
