"""Strangers at the registration API, the callback and the reload, on real sockets of a real process."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import requests

from exporter.web.replays import MAX_EVENTS
from tests.conftest import Simulators, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account, signature

pytestmark = pytest.mark.slow

URL, KEY = "https://vod.example/callback/prod", "c4llback-key"
CALLBACK = f"    callback: {{url: '{URL}', key: {KEY}}}\n"


def event(exporter: ExporterProcess, headers: Mapping[str, str], video: str) -> int:
    """The status of an event about this video."""
    body = json.dumps({"EventType": "TranscodeComplete", "VideoId": video, "StreamInfos": []})
    return requests.post(f"{exporter.url}/callback/prod", headers=headers, data=body, timeout=30).status_code


def test_only_the_token_opens_the_api(start: Start) -> None:
    def answers(url: str) -> list[int]:
        return [
            requests.get(f"{url}/api/v1/tasks", headers={"Authorization": sent}, timeout=30).status_code
            for sent in ("", "Bearer wrong-token-000", "Bearer 0123456789abcdef")
        ]

    memory = "state: {memory: true}\n"
    assert answers(start(account(NOWHERE, more=memory)).url) == [403, 403, 403]
    assert answers(start(account(NOWHERE, more=f"{memory}api: {{token: 0123456789abcdef}}\n")).url) == [401, 401, 200]


def test_only_a_fresh_signature_of_vod_opens_the_callback(start: Start, simulators: Simulators) -> None:
    """An event that is sent again gets 200 too, and counts no second time."""
    exporter = start(account(simulators(speed=0.001).url, more=CALLBACK))
    good = signature(URL, KEY)
    old = signature(URL, KEY, age=600)
    statuses = [event(exporter, headers, "v") for headers in ({}, signature(URL, "other-key"), old, good, good)]
    assert statuses == [401, 401, 401, 200, 200]
    assert exporter.total("vod_exporter_events_total") == 1


def test_a_replayed_signature_brings_no_flood_of_events(start: Start, simulators: Simulators) -> None:
    """It could be used for any number of events, which starved discovery."""
    simulator = simulators(speed=0.001)
    exporter = start(account(simulator.url, more=CALLBACK))
    signed = signature(URL, KEY)
    statuses = [event(exporter, signed, f"x{number}") for number in range(MAX_EVENTS + 20)]
    assert statuses == [200] * MAX_EVENTS + [401] * 20
    assert exporter.value('vod_exporter_rejected_requests_total{path="/callback/{name}",reason="401"}') == 20
    wait_until(lambda: simulator.quota.calls.get("ListTranscodeTask"))


def test_a_form_of_another_site_cannot_reload(start: Start) -> None:
    exporter = start(account(NOWHERE), "--web.enable-lifecycle")
    form = {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    answers = [
        requests.post(f"{exporter.url}/-/reload", headers=headers, timeout=30)
        for headers in (form, form | {"Sec-Fetch-Site": "cross-site"}, {})
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 200]
    assert exporter.log.count("configuration reloaded") == 1
