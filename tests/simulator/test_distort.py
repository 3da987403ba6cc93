"""Distorted answers, as a client sees them."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests

from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator

Call = Callable[..., requests.Response]


def _task(simulator: Simulator) -> dict[str, str]:
    return {"TranscodeTaskId": next(task.id for task in simulator.world.tasks if task.jobs)}


def test_status_is_answered_with_retry_after(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="status", retry_after=7))
    answer = call(simulator, "GetTranscodeTask", _task(simulator))
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (503, "7", "")


def test_code_comes_with_its_usual_status_or_the_one_asked_for(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="code", code="InvalidSecurityToken.Expired", message="expired", count=1))
    simulator.faults.add(Fault(kind="code", code="Throttling.User", status=429, retry_after=1.5))
    expired = call(simulator, "GetTranscodeTask", _task(simulator))
    assert (expired.status_code, expired.json()["Code"]) == (403, "InvalidSecurityToken.Expired")
    assert expired.json()["Message"] == "expired"
    assert {"RequestId", "HostId", "Code", "Message", "Recommend"} == expired.json().keys()
    throttled = call(simulator, "GetTranscodeTask", _task(simulator))
    assert (throttled.status_code, throttled.json()["Code"]) == (429, "Throttling.User")
    assert throttled.headers["Retry-After"] == "1.5"


def test_malformed_body_comes_as_given(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="malformed", body='{"TranscodeTask": '))
    assert call(simulator, "GetTranscodeTask", _task(simulator)).text == '{"TranscodeTask": '
    simulator.faults.clear()
    simulator.faults.add(Fault(kind="malformed", body=""))
    assert call(simulator, "GetTranscodeTask", _task(simulator)).content == b""


def test_each_variant_makes_another_malformed_body(simulator: Simulator, call: Call) -> None:
    def body(variant: str) -> str:
        simulator.faults.clear()
        simulator.faults.add(Fault(kind="malformed", variant=variant))
        return call(simulator, "GetTranscodeTask", _task(simulator)).text

    assert isinstance(json.loads(body("types"))["TranscodeTask"], str)
    assert body("nesting").startswith("[" * 1000)
    with pytest.raises(RecursionError):
        json.loads(body("nesting"))
    assert "9" * 5000 in body("digits")
    with pytest.raises(ValueError, match="4300"):
        json.loads(body("digits"))
    job: Any = json.loads(body("nan"))["TranscodeTask"]["TranscodeJobInfoList"][0]
    assert math.isnan(job["OutputFile"]["Filesize"])


def test_html_is_a_page_in_place_of_the_answer(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="html", status=502))
    answer = call(simulator, "GetTranscodeTask", _task(simulator))
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert "<html>" in answer.text


def test_huge_has_the_size_asked_for(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="huge", size=3_000_000))
    answer = call(simulator, "GetTranscodeTask", _task(simulator))
    assert len(answer.content) == 3_000_000
    assert answer.json().keys() == {"RequestId"}


def test_gzip_bomb_is_small_on_the_wire(simulator: Simulator, headers: Callable[..., dict[str, str]]) -> None:
    simulator.faults.add(Fault(kind="gzip-bomb", size=5_000_000))
    parameters = _task(simulator)
    signed = headers(simulator, "GetTranscodeTask", parameters)
    with requests.post(simulator.url, params=parameters, headers=signed, stream=True, timeout=10) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = answer.raw.read(decode_content=False)
    assert len(packed) < 20_000
    assert len(zlib.decompress(packed, wbits=31)) == 5_000_000


def test_redirect_points_to_another_server(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="redirect"))
    answer = call(simulator, "GetTranscodeTask", _task(simulator))
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://169.254.169.254/latest/meta-data/")


def test_replace_changes_the_named_fields_of_the_true_answer_everywhere(simulator: Simulator, call: Call) -> None:
    true = call(simulator, "GetTranscodeTask", _task(simulator)).json()
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeProgress": None, "TranscodeTaskId": "other\ud800"}))
    answer = call(simulator, "GetTranscodeTask", _task(simulator))
    expected = true["TranscodeTask"]
    expected["TranscodeTaskId"] = "other\ud800"
    for job in expected["TranscodeJobInfoList"]:
        job["TranscodeProgress"] = None
    received = json.loads(answer.content.decode("utf-8", "surrogatepass"))
    assert received["TranscodeTask"] == expected


def test_drop_job_ids_leaves_the_rest_of_the_jobs(simulator: Simulator, call: Call) -> None:
    true = call(simulator, "GetTranscodeTask", _task(simulator)).text
    simulator.faults.add(Fault(kind="drop-job-ids"))
    text = call(simulator, "GetTranscodeTask", _task(simulator)).text
    assert "TranscodeJobId" in true
    assert not re.search("TranscodeJobId|TranscodeJobStatus", text)
    assert true.count('"Definition"') == text.count('"Definition"') > 0


def test_refuse_job_ids_refuses_only_calls_by_job_ids(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="refuse-job-ids"))
    job = next(task.jobs[0].id for task in simulator.world.tasks if task.jobs)
    refused = call(simulator, "GetTranscodeTask", {"JobIds": job})
    assert (refused.status_code, refused.json()["Code"]) == (400, "MissingParameter")
    assert "TranscodeTaskId" in refused.json()["Message"]
    assert call(simulator, "GetTranscodeTask", _task(simulator)).status_code == 200


def test_repeat_page_never_ends(simulator: Simulator, call: Call) -> None:
    simulator.faults.add(Fault(kind="repeat-page"))
    pages = [call(simulator, "GetVideoList", {"PageNo": page}).json()["VideoList"] for page in ("1", "2", "999")]
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]["Video"]) == 10
