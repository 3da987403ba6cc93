"""What the queries show while the exporter lives, after it died, before it came, and for a job in each state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from grafana.queries import NOTHING
from tests.grafana import history
from tests.grafana.conftest import Ask
from tests.grafana.expressions import dashboards, panels

STATS = [
    pytest.param(uid, panel, id=f"{uid}: {panel['title']}")
    for uid, dashboard in dashboards().items()
    for panel in panels(dashboard)
    if panel["type"] == "stat"
]
# Facts of the past, which are true of a job whether the exporter lives or not. They have no green.
FACTS = {("vod-job", title) for title in ("Status", "Progress", "Age, or time taken", "Created")}


@pytest.mark.parametrize(("uid", "panel"), STATS)
def test_a_figure_has_data_only_while_the_exporter_answers(ask: Ask, uid: str, panel: dict[str, Any]) -> None:
    """Killed 100 seconds ago, and never there: no figure, so that Grafana shows the text for no data."""
    queries = [target["expr"] for target in panel["targets"]]
    assert any(ask(query, history.NOW) for query in queries)
    assert not [row for query in queries for row in ask(query, history.NEVER)]
    if panel["title"] == "Exporter up":
        assert [row["value"][1] for row in ask(queries[0], history.DOWN)] == ["0"]
    elif (uid, panel["title"]) not in FACTS:
        assert not [row for query in queries for row in ask(query, history.DOWN)]


@pytest.mark.parametrize(("uid", "panel"), STATS)
def test_no_data_has_neither_the_colour_of_success_nor_of_a_warning(uid: str, panel: dict[str, Any]) -> None:
    base = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]
    assert base["value"] is None
    assert base["color"] in ("text", "transparent"), uid
    unknown = {"vod-job": "No such job in this time range"} if (uid, panel["title"]) in FACTS else {}
    assert panel["fieldConfig"]["defaults"]["noValue"] == unknown.get(uid, "No data: is the exporter down?")


@pytest.mark.parametrize(("uid", "panel"), STATS)
def test_nothing_is_green_with_a_dead_exporter(ask: Ask, uid: str, panel: dict[str, Any]) -> None:
    shown = [row for target in panel["targets"] for row in ask(target["expr"], history.DOWN, job_id="finished")]
    colors = {step["color"] for row in shown for step in [step_of(panel, float(row["value"][1]))]}
    assert "green" not in colors
    named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    assert not named & {row["metric"].get("status") for row in shown}, "the colour of a status"


def test_nothing_of_the_queries_makes_up_a_value() -> None:
    """vector(0) is a good figure of a dead exporter; `now()` has one only while the exporter answers."""
    for dashboard in dashboards().values():
        for panel in panels(dashboard):
            assert not [target for target in panel["targets"] if "vector(" in target["expr"]], panel["title"]


def test_nothing_to_show_has_a_text_of_its_own(ask: Ask) -> None:
    """An exporter that answers, of an account without jobs, is not an exporter that is down."""
    panel = panel_of("vod-overview", "Oldest unfinished")
    (row,) = ask(panel["targets"][0]["expr"], history.NOW, definition="4K")
    assert float(row["value"][1]) == NOTHING
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"][f"{NOTHING:.0f}"] == {"text": "None unfinished"}
    assert step_of(panel, NOTHING)["color"] == "transparent"


def test_every_query_has_data_for_some_job_in_the_range(ask: Ask) -> None:
    empty = set()
    for uid, dashboard in dashboards().items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                if not any(ask(target["expr"], history.NOW, job_id=job) for job in ("running", "finished", "failed")):
                    empty.add((uid, panel["title"]))
    # A status that nobody has is not drawn. `Last seen` and `Before this range` are tested below.
    assert empty == {("vod-overview", "Queue"), ("vod-job", "Status")}


def test_every_query_holds_in_the_minute_in_which_two_exporters_show_an_account(ask: Ask) -> None:
    """Neither an error, such as duplicate series, nor another figure than a minute before."""
    for uid, title, figure in (("vod-overview", "Unfinished jobs", "3"), ("vod-overview", "Oldest unfinished", "9600")):
        (row,) = ask(panel_of(uid, title)["targets"][0]["expr"], history.TAKEOVER)
        assert row["value"][1] == figure
    for dashboard in dashboards().values():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                ask(target["expr"], history.TAKEOVER + 30)


def test_annotations_mark_a_new_version_and_the_times_of_start_and_configuration(ask: Ask) -> None:
    marks = {each["name"]: each["expr"] for each in dashboards()["vod-overview"]["annotations"]["list"]}
    (deployed,) = ask(marks["Version"], history.NOW - history.HOUR + 60)
    assert deployed["metric"]["version"] == "0.2.0"
    assert ask(marks["Version"], history.NOW) == []
    assert {float(row["value"][1]) for row in ask(marks["Start"], history.NOW)} == {1000.0 * history.START}
    assert {float(row["value"][1]) for row in ask(marks["Configuration"], history.NOW)} == {1000.0 * history.START}


RAN = {"States", "Progress over time"}
ENDED = {"Status", "Progress", "Age, or time taken", "Created", "Identity", "Jobs of the same task"}
OUTPUT = {"Output file", "Container and codecs", "Streams"}


@pytest.mark.parametrize(
    ("job", "shown", "age"),
    [
        pytest.param("waiting", ENDED - {"Progress"} | {"States"}, 300, id="waiting: it has no progress"),
        pytest.param("running", ENDED | RAN, 2400, id="running: its age grows"),
        pytest.param("failed", ENDED | {"Why it failed"}, 300, id="failed: why"),
        pytest.param("audio", ENDED | OUTPUT, 300, id="audio: an output without a picture"),
        pytest.param("finished", ENDED | OUTPUT, 600, id="finished: its output"),
        pytest.param("gone", {"Status"}, None, id="long gone: it says so"),
        pytest.param("nobody", set(), None, id="no such job: nothing"),
    ],
)
def test_dashboard_of_a_job_shows_what_its_state_has(ask: Ask, job: str, shown: set[str], age: float | None) -> None:
    found = {
        panel["title"]: [row for target in panel["targets"] for row in ask(target["expr"], history.NOW, job_id=job)]
        for panel in panels(dashboards()["vod-job"])
    }
    del found["Exporter up"], found["Accounts read"]
    assert {title for title, found_rows in found.items() if found_rows} == shown
    assert [float(row["value"][1]) for row in found["Age, or time taken"]] == ([] if age is None else [age])


@pytest.mark.parametrize(
    ("job", "at", "status"),
    [
        ("running", history.NOW, "Transcoding"),
        ("failed", history.NOW, "TranscodeFail"),
        ("finished", history.NOW, "TranscodeSuccess"),
        ("gone", history.NOW, "Before this range"),
        ("finished", history.DOWN, "Last seen: TranscodeSuccess"),
    ],
)
def test_status_of_a_job_is_one_and_says_what_is_not_of_now(ask: Ask, job: str, at: int, status: str) -> None:
    panel = panel_of("vod-job", "Status")
    found = [row for target in panel["targets"] for row in ask(target["expr"], at, job_id=job)]
    assert [row["metric"]["status"] for row in found] == [status]


def test_output_of_an_audio_job_has_no_zeros(ask: Ask) -> None:
    panel = panel_of("vod-job", "Output file")
    found = [row for target in panel["targets"] for row in ask(target["expr"], history.NOW, job_id="audio")]
    assert found
    assert all(float(row["value"][1]) > 0 for row in found)


def test_tables_of_jobs_have_the_right_jobs(ask: Ask) -> None:
    tables = {
        "Failed jobs": {"failed"},
        "Unfinished jobs": {"waiting", "running", "stuck"},
        "Last finished jobs": {"failed", "audio", "finished"},
    }
    for title, jobs in tables.items():
        queries = [target["expr"] for target in panel_of("vod-jobs", title)["targets"]]
        found = [{row["metric"]["job_id"] for row in ask(query, history.NOW)} for query in queries]
        assert set().union(*found) == jobs, title
        assert found[-1] == jobs, "the query for details"
    siblings = panel_of("vod-job", "Jobs of the same task")["targets"][-1]["expr"]
    assert {row["metric"]["job_id"] for row in ask(siblings, history.NOW, job_id="failed")} == set(history.JOBS) - {
        "gone"
    }


def test_only_a_job_without_progress_for_half_an_hour_is_stuck(ask: Ask) -> None:
    stuck = panel_of("vod-jobs", "Unfinished jobs")["targets"][0]["expr"]
    assert [(row["metric"]["job_id"], row["value"][1]) for row in ask(stuck, history.NOW)] == [("stuck", "1")]


def test_failed_job_is_shown_with_code_cause_and_video(ask: Ask) -> None:
    (row,) = ask(panel_of("vod-jobs", "Failed jobs")["targets"][-1]["expr"], history.NOW)
    code = "InvalidParameter.ResourceContentBad"
    assert (row["metric"]["error_code"], row["metric"]["cause"], row["metric"]["video_id"]) == (code, "source", "video")


def panel_of(uid: str, title: str) -> dict[str, Any]:
    (found,) = (panel for panel in panels(dashboards()[uid]) if panel["title"] == title)
    return found


def step_of(panel: Mapping[str, Any], value: float) -> dict[str, Any]:
    """The threshold that colours a value, as Grafana finds it."""
    steps: list[dict[str, Any]] = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [step for step in steps if step["value"] is None or step["value"] <= value][-1]
