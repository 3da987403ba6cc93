"""promtool accepts the rules, each alert is tested firing and not firing, and each has a complete runbook."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.catalog import CATALOG

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
RUNBOOK_URL = "https://github.com/vod-transcode-exporter/vod-transcode-exporter/blob/main/docs/runbooks"
SEVERITIES = {"critical", "warning", "info"}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "See it fire"]
OTHERS = {"up": "Prometheus's own, of each scrape"}
"""Metrics that rules may use though the catalog has them not, and why."""

Rule = dict[str, Any]


def rules_of(name: str) -> list[Rule]:
    groups: list[dict[str, Any]] = yaml.safe_load((FOLDER / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDS = rules_of("vod-transcode.rules.yml")
ALERTS = rules_of("vod-transcode.alerts.yml")
TEST_FILES = sorted((FOLDER / "tests").glob("*.yml"))
TESTED: list[Rule] = [
    row
    for file in TEST_FILES
    for test in yaml.safe_load(file.read_text())["tests"]
    for row in test.get("alert_rule_test", ())
]
alerts = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))


@pytest.fixture(params=["promtool", "promtool3"])
def promtool(request: pytest.FixtureRequest, tool: Callable[[str], str]) -> str:
    """Debian's promtool, and that of Prometheus 3, whose ranges leave out a sample at their start."""
    return tool(request.param)


@pytest.mark.slow
def test_promtool_takes_the_rules_and_the_example_that_loads_them(promtool: str) -> None:
    files = [str(file) for file in FOLDER.glob("vod-transcode.*.yml")]
    assert len(files) == 2
    run(promtool, "check", "rules", "--lint-fatal", *files)
    run(promtool, "check", "config", str(FOLDER / "prometheus.yml"))


@pytest.mark.stack
@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: str(file.name))
def test_rule_tests_hold(file: Path, promtool: str) -> None:
    run(promtool, "test", "rules", str(file))


def run(*command: str) -> None:
    environ = os.environ | {"GOGC": "800"}  # to collect garbage seldom: a fifth of the time of promtool
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@alerts
def test_each_alert_is_seen_firing_and_not_firing(alert: Rule) -> None:
    assert {bool(row["exp_alerts"]) for row in TESTED if row["alertname"] == alert["alert"]} == {True, False}


def test_names_are_those_of_the_conventions() -> None:
    """Alerts in CamelCase with our prefix, records as level:metric:operations; each name once."""
    names = [alert["alert"] for alert in ALERTS]
    assert [name for name in names if not re.fullmatch(r"Vod([A-Z][a-z]+)+", name)] == []
    records = [record["record"] for record in RECORDS]
    pattern = r"job_account(_definition)?(_error_code|_job_id)?:vod_[a-z_]+:[a-z]\w*"
    assert [record for record in records if not re.fullmatch(pattern, record)] == []
    assert len({*names, *records}) == len(names) + len(records)


@alerts
def test_each_alert_has_severity_summary_description_and_runbook(alert: Rule) -> None:
    assert set(alert["labels"]) == {"severity"}
    assert alert["labels"]["severity"] in SEVERITIES
    annotations = alert["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert re.fullmatch(r"[A-Z][^{}\n]+\.", annotations["summary"]), "a static sentence"
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}/{alert['alert']}.md"


@alerts
def test_dashboard_of_an_alert_exists_and_shows_its_account(alert: Rule) -> None:
    """The path in Grafana: its address is not known here."""
    path = alert["annotations"]["dashboard_url"]
    found = re.fullmatch(r"/d/([a-z-]+)(\?var-account=\{\{ \$labels\.account \}\})?", path)
    assert found is not None
    assert (ROOT / "grafana" / "dashboards" / f"{found[1]}.json").exists()
    assert bool(found[2]) == ("$labels.account" in alert["annotations"]["description"])


@alerts
def test_each_description_names_what_its_alert_is_of(alert: Rule) -> None:
    """Every label that the alert has; the scrape job and instance where it is of the exporter."""
    description = alert["annotations"]["description"]
    named = set(re.findall(r"{{ \$labels\.(\w+) }}", description))
    labels = {
        label
        for row in TESTED
        if row["alertname"] == alert["alert"]
        for one in row["exp_alerts"]
        for label in one["exp_labels"]
    }
    of_the_exporter = "instance" in labels
    assert named == labels - {"severity"} - (set() if of_the_exporter else {"job"})
    assert named or alert["alert"] == "VodExporterAbsent", "which alone is of nothing there is; it lists the targets"


def test_every_record_is_used() -> None:
    text = " ".join(rule["expr"] for rule in [*RECORDS, *ALERTS])
    assert [record["record"] for record in RECORDS if record["record"] not in text] == []


def test_every_metric_is_one_that_the_exporter_has() -> None:
    known = {name for metric in CATALOG for name in _sample_names(metric.name, metric.type)}
    known |= {record["record"] for record in RECORDS}
    expressions = [rule["expr"] for rule in [*RECORDS, *ALERTS]]
    expressions += re.findall(
        r'printf "(.*?)" \$labels', " ".join(alert["annotations"]["description"] for alert in ALERTS)
    )
    used = {
        name
        for expression in expressions
        for name in re.findall(r"(?<![\w:.])(?:[\w:]*\bvod_\w[\w:]*|up)(?=\W)", f"{expression} ")
    }
    assert used >= {"up", "vod_up", "vod_transcode_job_duration_seconds_bucket"}
    assert used - known - set(OTHERS) == set()
    assert set(OTHERS) <= used - known, "an exception that is not needed"


def _sample_names(name: str, kind: str) -> list[str]:
    return [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [name]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == {alert["alert"] for alert in ALERTS}


@alerts
def test_each_runbook_has_the_fixed_sections_and_queries(alert: Rule) -> None:
    page = (RUNBOOKS / f"{alert['alert']}.md").read_text()
    assert page.startswith(f"# {alert['alert']}\n")
    assert re.findall(r"(?m)^## (.+)$", page) == SECTIONS
    assert f"Severity: {alert['labels']['severity']}" in page
    assert "```promql" in page, "diagnosis with queries"


@alerts
def test_the_list_of_runbooks_has_each_alert(alert: Rule) -> None:
    row = rf"(?m)^\| \[{alert['alert']}\]\({alert['alert']}\.md\) \| {alert['labels']['severity']} \| "
    assert re.search(row, (RUNBOOKS / "README.md").read_text())


@pytest.mark.slow
def test_queries_of_the_runbooks_are_promql(promtool: str, tmp_path: Path) -> None:
    """promtool parses them as the expressions of rules."""
    queries = [
        query.strip()
        for page in sorted(RUNBOOKS.glob("*.md"))
        for block in re.findall(r"(?s)```promql\n(.*?)```", page.read_text())
        for query in re.split(r"\n\n|(?m:^#.*\n)", block)
        if query.strip()
    ]
    assert len(queries) >= len(ALERTS)
    groups = [
        {"name": "runbooks", "rules": [{"record": f"runbook:query:{i}", "expr": q} for i, q in enumerate(queries)]}
    ]
    file = tmp_path / "runbooks.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    run(promtool, "check", "rules", str(file))
    foreign = {name for query in queries for name in re.findall(r"\bvod_\w+", query)}
    known = {name for metric in CATALOG for name in _sample_names(metric.name, metric.type)} | set(OTHERS)
    assert {name for name in foreign if not any(name in record["record"] for record in RECORDS)} - known == set()
