"""The rules of Grafana's dashboard-linter, each under its name: https://github.com/grafana/dashboard-linter.

The linter is not on the Go module proxy. What it does with a parser of PromQL is done here with promtool, and with
patterns, for the dashboards are written by code whose shapes are known.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.metrics.catalog import CATALOG
from tests.grafana.expressions import DASHBOARDS, dashboards, expressions, interpolated, panels

UIDS = sorted(dashboards())
UNITS = {
    *("none", "percentunit", "s", "dthms", "bytes", "bps", "pixel", "reqps", "dateTimeFromNow"),
    *("suffix:min", "suffix:jobs/min", "suffix:events/min"),
}
"""Those we use of github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts."""

# A metric and its matchers, as in vod_up{job=~"$job"}; the names of labels and functions have no braces.
SELECTOR = re.compile(r"\b([a-z]\w+)\{([^{}]*)\}")
METRIC = re.compile(r"\b((?:vod|process|scrape)_\w+|up)\b")
COUNTED = re.compile(
    r"\((max by \([\w, ]+\) \(last_over_time\()(\w+_total\{[^{}]*\})\[\w+\]\)\)"
    r" - \1\2\[\w+\] offset ([$\w]+)\)\) >= 0"
    r" or (\1\2\[\w+\]\)\)) and on \(\w*\) last_over_time\(vod_\w+_info\{[^{}]*\}\[\w+\] offset \3\)"
    r" or \4 unless max by \([\w, ]+\) \(count_over_time\(\2\[\3\]\) >= on [^{}]+\{[^{}]*\}\[\3\]\)\)\)"
    r" or \4 - min_over_time\(max by \([\w, ]+\) \(\2\)\[\3:1m\]\)\)"
)
# What a counter counted in the range: it only decides which series are drawn.
GROWN = re.compile(r"last_over_time\((\w+_total\{[^{}]*\}\[\$__range\]) @ end\(\)\) - min_over_time\(\1 @ end\(\)\)")


# The maximum over exporters first, and the increase of that.
MOVED = re.compile(r"increase\(max by \([\w, ]+\) \(last_over_time\((\w+_total\{[^{}]*\})\[15m\]\)\)\[")


@pytest.mark.parametrize("uid", UIDS)
def test_template_datasource_rule(uid: str) -> None:
    found = [variable for variable in variables(uid) if variable["type"] == "datasource"]
    assert [(found[0]["name"], found[0]["label"], found[0]["query"])] == [("datasource", "Data source", "prometheus")]


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_rule_and_template_instance_rule(uid: str, name: str) -> None:
    (found,) = (variable for variable in variables(uid) if variable["name"] == name)
    assert found["type"] == "query"
    assert found["label"] == name.title()
    assert found["datasource"]["uid"] == "${datasource}"
    assert found["multi"]
    assert found["allValue"] == ".+"


@pytest.mark.parametrize("uid", UIDS)
def test_template_label_promql_rule_and_template_on_time_change_reload_rule(uid: str) -> None:
    for variable in variables(uid):
        if variable["type"] == "query":
            assert re.fullmatch(rf"label_values\([a-z_]*(\{{.*\}})?, {variable['name']}\)", variable["query"])
            assert variable["refresh"] == 2


@pytest.mark.parametrize("uid", UIDS)
def test_template_unused_rule(uid: str) -> None:
    """Stricter than the linter: variables of every type. The URL of the status page is used in links."""
    queries = json.dumps(dashboards()[uid]["panels"])
    for variable in variables(uid):
        if variable["type"] != "datasource":
            assert re.search(rf"\$\{{?{variable['name']}\b", queries), variable["name"]


@pytest.mark.parametrize("uid", UIDS)
def test_uneditable_dashboard_rule(uid: str) -> None:
    assert dashboards()[uid]["editable"] is False


@pytest.mark.parametrize("uid", UIDS)
def test_panel_rules_of_datasource_title_description_units_and_targets(uid: str) -> None:
    for panel in panels(dashboards()[uid]):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        properties = [each for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
        units = {each["value"] for each in properties if each["id"] == "unit"}
        assert {panel["fieldConfig"]["defaults"]["unit"], *units} <= UNITS, panel["title"]
        assert all(query["datasource"]["uid"] == "${datasource}" for query in panel["targets"])


def test_target_promql_rule(tool: Callable[[str], str], tmp_path: Path) -> None:
    """Every query and every variable's query parses, in rules that promtool reads."""
    found = [expression.query for expression in expressions()]
    for uid in UIDS:
        chosen = {variable["name"]: ".+" for variable in variables(uid)}
        queries = (variable["query"] for variable in variables(uid) if variable["type"] == "query")
        found += [interpolated(query.removeprefix("label_values(").rpartition(", ")[0], chosen) for query in queries]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(found)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout


def test_target_rate_interval_rule() -> None:
    ranges = [found for each in expressions() for found in re.findall(r"\bi?rate\([^][]*\[([^]]*)\]", each.source)]
    assert len(ranges) > 10
    assert set(ranges) == {"$__rate_interval"}


def test_target_job_rule_and_target_instance_rule() -> None:
    """Every metric that is named has matchers, and they begin with those of the variables."""
    for each in expressions():
        selectors = SELECTOR.findall(each.source)
        assert all(inside.startswith('job=~"$job", instance=~"$instance"') for _, inside in selectors), each
        assert len(METRIC.findall(each.source)) == len(selectors), each


def test_target_counter_agg_rule() -> None:
    """Counters are in rate() or increase(), or, as the exclusion says, are compared with themselves earlier."""
    exclusion = yaml.safe_load((DASHBOARDS / ".lint").read_text())["exclusions"]
    assert set(exclusion) == {"target-counter-agg-rule"}
    assert exclusion["target-counter-agg-rule"]["reason"]
    assert any(COUNTED.search(each.source) for each in expressions())
    for each in expressions():
        rest = MOVED.sub(r"increase(\1[", GROWN.sub("", COUNTED.sub("", each.source)))
        counters = re.findall(r"(\w+)\((\w+_total)\{", rest)
        assert {function for function, _ in counters} <= {"rate", "increase"}, each
        assert len(counters) == len(re.findall(r"\w+_total\b", rest)), each


def test_target_histogram_rule() -> None:
    """A heatmap shows the buckets themselves."""
    heatmaps = {
        (uid, panel["title"]) for uid in UIDS for panel in panels(dashboards()[uid]) if panel["type"] == "heatmap"
    }
    for each in expressions():
        if "_bucket{" in each.source:
            assert "histogram_quantile(" in each.source or each.place in heatmaps
            assert re.search(r"sum by \(le\b", each.source)


def test_metrics_and_labels_are_those_of_the_exporter() -> None:
    suffixes = {"histogram": ("_bucket", "_sum", "_count")}
    known = {
        metric.name + suffix: {*metric.labels, "job", "instance"}
        for metric in CATALOG
        for suffix in suffixes.get(metric.type, ("",))
    }
    for each in expressions():
        for name, inside in SELECTOR.findall(each.source):
            if name.startswith("vod_"):
                labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", inside))
                assert labels <= known[name], (each, name)


def variables(uid: str) -> list[dict[str, Any]]:
    found = dashboards()[uid]["templating"]["list"]
    assert isinstance(found, list)
    return found
