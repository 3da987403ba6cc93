"""The JSON is what the code makes, and fit for any Grafana: stable names, a grid without holes, links that lead on."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from grafana.render import FOLDER, OLDEST_GRAFANA, rendered
from tests.grafana.expressions import DASHBOARDS, dashboards, panels

PROVISIONING = DASHBOARDS.parent / "provisioning"
ALERTS = DASHBOARDS.parents[1] / "deploy" / "prometheus" / "vod-transcode.alerts.yml"
UIDS = {"vod-overview", "vod-jobs", "vod-job", "vod-definitions", "vod-cost", "vod-exporter"}


def test_the_files_are_what_the_code_makes() -> None:
    on_disk = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert on_disk == rendered(), "run make dashboards"


def test_uids_are_those_that_links_know() -> None:
    assert set(dashboards()) == UIDS
    assert {path.stem for path in DASHBOARDS.glob("*.json")} == UIDS


def test_nothing_in_them_belongs_to_one_grafana() -> None:
    """Neither database ids nor data sources of an installation."""
    for dashboard in dashboards().values():
        assert dashboard.get("id") is None
        assert "__inputs" not in dashboard
        assert {"id": "grafana", "name": "Grafana", "type": "grafana", "version": OLDEST_GRAFANA} in dashboard[
            "__requires"
        ]
        uids = set(re.findall(r'"uid": "([^"]+)"', json.dumps(dashboard))) - {dashboard["uid"]}
        assert uids == {"${datasource}"}


def test_panels_have_ids_of_their_own_and_fill_the_grid_without_overlap() -> None:
    for uid, dashboard in dashboards().items():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert max(x for x, _ in cells) < 24, (uid, panel["title"])
            assert not taken & cells, (uid, panel["title"])
            taken |= cells
        height = max(y for _, y in taken) + 1
        assert len(taken) == 24 * height, f"{uid} has holes"


def test_every_panel_has_a_title_of_its_own_and_answers_a_question() -> None:
    for dashboard in dashboards().values():
        titles = [panel["title"] for panel in dashboard["panels"]]
        assert not [title for title in titles if title.endswith("?")]
        assert len(set(titles)) == len(titles)
    for panel in every_panel():
        assert "?" in panel["description"], panel["title"]


def test_every_panel_is_explained_with_unit_thresholds_and_words_for_nothing() -> None:
    for panel in every_panel():
        field = panel["fieldConfig"]["defaults"]
        assert panel["description"].endswith((".", "?")), panel["title"]
        assert field["unit"], panel["title"]
        assert field["noValue"], panel["title"]
        steps = field["thresholds"]["steps"]
        values = [step["value"] for step in steps[1:]]
        assert steps[0]["value"] is None, panel["title"]
        assert values == sorted(values), panel["title"]


def test_description_explains_the_thresholds() -> None:
    """A colour that somebody has to think about is a colour too many."""
    for panel in every_panel():
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        if len(steps) > 1:
            text = panel["description"].lower()
            limits = any(word in text for word in ("yellow", "red", "limits"))
            assert limits, (panel["title"], panel["description"])


def test_alerts_that_descriptions_name_exist() -> None:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    known = {rule["alert"] for group in groups for rule in group["rules"]}
    named = {name for panel in every_panel() for name in re.findall(r"\bVod[A-Z]\w+", panel["description"])}
    assert named
    assert named <= known


@pytest.mark.parametrize("uid", sorted(UIDS))
def test_dashboards_link_to_each_other_with_their_variables(uid: str) -> None:
    dashboard = dashboards()[uid]
    (link,) = dashboard["links"]
    assert link["type"] == "dashboards"
    assert link["includeVars"]
    assert link["keepTime"]
    assert set(link["tags"]) <= set(dashboard["tags"])


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    found = set(re.findall(r'"(/d/[^"]+)"', json.dumps(dashboards())))
    found.add(destination()["url"].replace("$$", "$"))
    assert {target(link) for link in found} >= {"vod-job", "vod-jobs"}
    for link in found:
        assert "${__url_time_range}" in link
        known = {variable["name"] for variable in dashboards()[target(link)]["templating"]["list"]}
        named = re.findall(r"var-(\w+)=", link) + re.findall(r"\$\{(\w+):queryparam\}", link)
        assert set(named) <= known, link


def test_definition_and_account_can_be_chosen_where_there_are_such_figures() -> None:
    for uid, dashboard in dashboards().items():
        names = [variable["name"] for variable in dashboard["templating"]["list"]]
        assert "account" in names
        # One job has one definition. What the exporter does is done for all, and VOD bills specifications.
        assert ("definition" in names) == (uid not in {"vod-job", "vod-cost", "vod-exporter"})


def test_exemplars_are_shown_where_the_exporter_makes_them() -> None:
    """On failures, suspicious outputs and the buckets of durations, and they lead to the job."""
    shown = {
        (dashboard["uid"], panel["title"])
        for dashboard in dashboards().values()
        for panel in panels(dashboard)
        for query in panel["targets"]
        if query.get("exemplar")
    }
    assert shown == {
        ("vod-overview", "Time to finish"),
        ("vod-overview", "Time to first output"),
        ("vod-overview", "Suspicious outputs"),
        ("vod-overview", "Failures by error code"),
        ("vod-definitions", "Time to finish, p95"),
    }
    assert destination()["name"] == "job_id"


def test_provisioning_names_what_there_is() -> None:
    provider = read("dashboards/vod.yml")["providers"][0]
    assert provider["type"] == "file"
    assert provider["options"] == {"path": "$VOD_DASHBOARDS"}
    assert not provider["allowUiUpdates"]
    source = read("datasources/prometheus.yml")["datasources"][0]
    assert source["type"] == "prometheus"
    assert f"var-datasource={source['uid']}&" in destination()["url"]
    assert source["url"] == "$PROMETHEUS_URL"


def test_the_documentation_names_each_with_the_time_it_shows() -> None:
    text = (DASHBOARDS.parents[1] / "docs" / "dashboards.md").read_text()
    documented = dict(re.findall(r"^\| \w+ \| `([\w-]+)` \|.*\| (\d+ \w)\w+ \|$", text, re.MULTILINE))
    assert documented == {
        uid: re.sub(r"now-(\d+)(\w)", r"\1 \2", each["time"]["from"]) for uid, each in dashboards().items()
    }


def destination() -> dict[str, str]:
    """Where an exemplar leads."""
    (found,) = read("datasources/prometheus.yml")["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert isinstance(found, dict)
    return found


def target(link: str) -> str:
    return re.split(r"[/?]", link)[2]


def read(name: str) -> dict[str, Any]:
    content = yaml.safe_load((PROVISIONING / name).read_text())
    assert content["apiVersion"] == 1
    assert isinstance(content, dict)
    return content


def every_panel() -> list[dict[str, Any]]:
    return [panel for dashboard in dashboards().values() for panel in panels(dashboard)]
