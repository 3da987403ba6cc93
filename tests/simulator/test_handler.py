"""The paths of the simulator: VOD's API, its refusals, and the pages for truth, clock and faults."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from exporter.simulator.server import Simulator

Call = Callable[..., requests.Response]


def test_page_lists_every_address(simulator: Simulator) -> None:
    text = requests.get(simulator.url, timeout=10).text
    for word in (
        "/simulator/truth",
        "/simulator/faults",
        "/simulator/clock",
        "GetTranscodeTask",
        "SubmitTranscodeJobs",
    ):
        assert word in text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_api_answers_get_and_post(simulator: Simulator, call: Call, method: str) -> None:
    answer = call(simulator, "GetVideoList", {"Status": "Normal,Transcoding"}, method=method)
    assert answer.status_code == 200
    assert answer.json()["Total"] > 0
    assert answer.json()["RequestId"]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"secret": "wrong"}, 400, "SignatureDoesNotMatch"),
        ({"access_key_id": "nobody"}, 404, "InvalidAccessKeyId.NotFound"),
        ({"x_acs_date": "2020-01-01T00:00:00Z"}, 400, "InvalidTimeStamp.Expired"),
        ({"x_acs_action": "DeleteVideo"}, 404, "InvalidAction.NotFound"),
    ],
)
def test_refusals_have_the_documented_body(
    simulator: Simulator, call: Call, changed: dict[str, str], status: int, code: str
) -> None:
    answer = call(simulator, "GetVideoList", **changed)
    assert (answer.status_code, answer.json()["Code"]) == (status, code)
    assert answer.json().keys() >= {"RequestId", "HostId", "Code", "Message"}


def test_truth_over_http_has_all_tasks_of_the_world(simulator: Simulator) -> None:
    truth = requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()
    assert truth["frozen"] is True
    assert [task["task_id"] for task in truth["tasks"]] == [task.id for task in simulator.world.tasks]
    counts = requests.get(f"{simulator.url}/simulator/truth?summary=1", timeout=10).json()
    assert sum(counts["tasks"].values()) == len(truth["tasks"])


def test_clock_can_be_stopped_and_started_again() -> None:
    with Simulator(speed=1e6, tasks=5) as simulator:
        address = f"{simulator.url}/simulator/clock"
        frozen = requests.post(address, json={"frozen": True}, timeout=10).json()
        assert frozen["frozen"] is True
        assert requests.get(address, timeout=10).json() == frozen
        first, second = (requests.get(f"{simulator.url}/simulator/truth", timeout=10).json() for _ in range(2))
        assert first == second
        assert first["now"] == frozen["now"]
        assert requests.post(address, json={"frozen": False}, timeout=10).json()["now"] > frozen["now"]
        assert requests.post(address, json={"frozen": 1}, timeout=10).status_code == 400
        assert requests.post(address, data=b"\xff", timeout=10).status_code == 400


def test_faults_are_added_listed_and_deleted_over_http(simulator: Simulator, call: Call) -> None:
    address = f"{simulator.url}/simulator/faults"
    added = requests.post(address, json={"kind": "status", "status": 500, "count": 1}, timeout=10)
    assert (added.status_code, added.json()[0]["kind"]) == (200, "status")
    assert [call(simulator, "GetVideoList").status_code for _ in range(2)] == [500, 200]
    assert requests.get(address, timeout=10).json()[0]["met"] == 1
    refused = requests.post(address, json={"kind": "explode"}, timeout=10)
    assert refused.status_code == 400
    assert refused.text.startswith("kind of a fault is 'explode'")
    assert requests.delete(address, timeout=10).json() == []
    assert requests.get(address, timeout=10).json() == []


def test_unknown_paths_wrong_methods_and_bad_bodies_are_refused(simulator: Simulator) -> None:
    assert requests.get(f"{simulator.url}/metrics", timeout=10).status_code == 404
    wrong = requests.delete(f"{simulator.url}/simulator/truth", timeout=10)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET")
    assert requests.post(f"{simulator.url}/simulator/faults", data=b"x" * 2**20 + b"x", timeout=10).status_code == 413
    assert requests.post(f"{simulator.url}/", data=iter([b"x"]), timeout=10).status_code == 411
    assert requests.get(simulator.url, timeout=10).status_code == 200
