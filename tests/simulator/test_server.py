"""The simulator as a server: keys, quotas, delays, addresses and outages."""

from __future__ import annotations

import math
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from exporter.errors import ListenError
from exporter.simulator.scenario import SCENARIOS, Outage
from exporter.simulator.server import Simulator

Call = Callable[..., requests.Response]


def test_a_call_sent_twice_is_refused(simulator: Simulator, headers: Callable[..., dict[str, str]]) -> None:
    signed = headers(simulator, "GetVideoList", {})
    first, second = (requests.post(simulator.url, headers=signed, timeout=10) for _ in range(2))
    assert first.status_code == 200
    assert (second.status_code, second.json()["Code"]) == (400, "SignatureNonceUsed")


def test_only_the_configured_key_and_secret_are_accepted(call: Call) -> None:
    with Simulator(access_key_id="me", access_key_secret="mine", history=60.0) as simulator:
        assert call(simulator, "GetVideoList", access_key_id="me", secret="mine").status_code == 200
        assert call(simulator, "GetVideoList").status_code == 404


def test_quota_holds_and_truth_counts(call: Call) -> None:
    with Simulator(quota=0.01, history=60.0) as simulator:
        answers = [call(simulator, "GetTranscodeTask", {"JobIds": "x"}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 400, 400]
        assert answers[1].json()["Code"] == "Throttling.User"
        call(simulator, "GetTranscodeSummary", secret="wrong")
        truth = requests.get(f"{simulator.url}/simulator/truth?summary=1", timeout=10).json()
    assert truth["calls"] == {"GetTranscodeTask": 3, "GetTranscodeSummary": 1}
    assert truth["throttled"] == {"GetTranscodeTask": 2}
    assert 1 <= truth["peak"]["GetTranscodeTask"] <= 3


def test_every_answer_comes_after_the_configured_delay(call: Call) -> None:
    with Simulator(delay=0.15, quota=math.inf, history=60.0) as simulator:
        assert call(simulator, "GetVideoList").elapsed.total_seconds() >= 0.15


def test_same_seed_makes_the_same_ids() -> None:
    def ids(seed: int) -> list[str]:
        with Simulator(seed=seed, tasks=20, history=600) as simulator:
            tasks = requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()["tasks"]
            return [task["task_id"] for task in tasks]

    assert ids(5) == ids(5)
    assert len(ids(5)) == 20
    assert not set(ids(5)) & set(ids(6))


def test_listens_on_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        simulator = Simulator(listen=("::1", 0))
    except ListenError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    with simulator:
        assert simulator.url.startswith("http://[::1]:")
        assert requests.get(simulator.url, timeout=10).status_code == 200


def test_port_in_use_is_one_line_that_says_what_to_do() -> None:
    with Simulator(history=60.0) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(
            ListenError,
            match=rf"^the simulator cannot listen on 127\.0\.0\.1 port {port}: "
            r"Address already in use; choose another address or port 0$",
        ):
            Simulator(listen=("127.0.0.1", port))
    with pytest.raises(ListenError, match="port 65536"):
        Simulator(listen=("127.0.0.1", 65536))


def test_a_scenario_is_given_by_name_or_as_a_record() -> None:
    with pytest.raises(ValueError, match="unknown scenario 'calm'"):
        Simulator(scenario="calm")
    with Simulator(scenario=SCENARIOS["burst"]) as simulator:
        assert simulator.world.tasks


def test_stopping_a_simulator_that_never_started_raises_nothing() -> None:
    Simulator().stop()


@pytest.mark.parametrize(
    ("after", "seen"), [(0.0, {"ServiceUnavailable": 3, "hung up": 3}), (3600.0, {"well": 6})], ids=["out", "not yet"]
)
def test_a_service_that_is_down_refuses_or_closes(call: Call, after: float, seen: dict[str, int]) -> None:
    def outcome(simulator: Simulator) -> str:
        try:
            return str(call(simulator, "GetVideoList").json().get("Code", "well"))
        except requests.ConnectionError:
            return "hung up"

    outage = Outage(after=after, lasts=3600.0, every=7200.0)
    with Simulator(scenario=replace(SCENARIOS["outage"], outage=outage), quota=math.inf, history=60.0) as simulator:
        assert Counter(outcome(simulator) for _ in range(6)) == seen


def test_a_quota_that_others_use_throttles_early(call: Call) -> None:
    with Simulator(scenario="throttled", history=60.0) as simulator:
        simulator.quota._monotonic = lambda: 0.0  # all calls in one second, however slow the machine is
        codes = Counter(call(simulator, "GetTranscodeTask").json()["Code"] for _ in range(60))
    assert codes["Throttling.User"] > 10
