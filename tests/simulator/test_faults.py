"""Faults hit the calls they are meant for, as often as asked, and are refused where they make no sense."""

from __future__ import annotations

import pytest

from exporter.simulator.faults import KINDS, Fault, Faults


def _hits(faults: Faults, action: str, calls: int, **parameters: str) -> int:
    return sum(faults.pick(action, parameters) is not None for _ in range(calls))


def test_faults_without_sense_are_refused() -> None:
    for value, message in [
        ([], "a fault is a JSON object"),
        ({}, "a fault is a JSON object"),
        ({"kind": "explode"}, "kind of a fault is 'explode'; it must be one of delay, "),
        ({"kind": []}, "kind of a fault is"),
        ({"kind": "delay", "action": "Get"}, "action of a fault is 'Get'; it must be null or one of GetTranscodeTask"),
        ({"kind": "delay", "action": {}}, "action of a fault is"),
        ({"kind": "delay", "ids": "one"}, "ids of a fault is 'one'; it must be a list of texts"),
        ({"kind": "delay", "ids": [1]}, "ids of a fault"),
        ({"kind": "delay", "share": 1.5}, "share of a fault is 1.5; it must be a number from 0 to 1"),
        ({"kind": "delay", "share": True}, "share of a fault"),
        ({"kind": "delay", "count": 0}, "count of a fault is 0; it must be a whole number, 1 or more"),
        ({"kind": "delay", "seconds": -1}, "seconds of a fault"),
        ({"kind": "delay", "seconds": float("nan")}, "seconds of a fault"),
        ({"kind": "status", "status": "503"}, "status of a fault"),
        ({"kind": "status", "status": 1000}, "status of a fault is 1000; it must be a final HTTP status"),
        ({"kind": "malformed", "body": 7}, "body of a fault"),
        ({"kind": "malformed", "variant": "odd"}, "variant of a fault"),
        ({"kind": "replace"}, "fields of a fault"),
        ({"kind": "delay", "fields": {}}, "fields of a fault"),
        ({"kind": "redirect", "location": "/\r\nx: y"}, "location of a fault"),
        ({"kind": "code", "retry_after": "1\n"}, "retry_after of a fault"),
        ({"kind": "delay", "second": 1}, "second of a fault is 1; it must be a parameter among kind, action, "),
    ]:
        with pytest.raises(ValueError, match=message):
            Fault.parse(value)


def test_every_kind_needs_no_more_than_its_name() -> None:
    for kind in sorted(set(KINDS) - {"replace"}):
        assert Fault.parse({"kind": kind}).kind == kind


def test_a_fault_of_ids_is_met_by_calls_about_one_of_them() -> None:
    faults = Faults(seed=1)
    faults.add(Fault.parse({"kind": "code", "code": "Forbidden", "ids": ["t1", "j1"]}))
    asked = [{"TranscodeTaskId": "t1"}, {"JobIds": "j0,j1"}, {"TranscodeTaskId": "t10"}, {"JobIds": "j0"}, {}]
    assert [faults.pick("GetTranscodeTask", parameters) is not None for parameters in asked] == [
        *(True, True, False, False, False)
    ]


def test_action_share_and_count() -> None:
    faults = Faults(seed=1)
    faults.add(Fault(kind="delay", action="GetTranscodeTask", count=3))
    assert _hits(faults, "GetVideoList", 10) == 0
    assert _hits(faults, "GetTranscodeTask", 10) == 3
    assert [listed["met"] for listed in faults.listed()] == [3]
    faults.clear()
    faults.add(Fault(kind="delay", share=0.3))
    assert 240 < _hits(faults, "GetVideoList", 1000) < 360
    faults.clear()
    assert _hits(faults, "GetVideoList", 10) == 0
    assert faults.listed() == []


def test_a_share_hits_the_same_calls_for_the_same_seed() -> None:
    def pattern(seed: int) -> list[bool]:
        faults = Faults(seed=seed)
        faults.add(Fault(kind="delay", share=0.5))
        return [faults.pick("GetVideoList", {}) is not None for _ in range(50)]

    assert pattern(1) == pattern(1) != pattern(2)


def test_the_first_fault_that_hits_is_the_only_one() -> None:
    faults = Faults(seed=1)
    faults.add(Fault(kind="reset", count=1))
    faults.add(Fault(kind="delay"))
    picked = [faults.pick("GetVideoList", {}) for _ in range(2)]
    assert [fault.kind if fault else None for fault in picked] == ["reset", "delay"]


def test_faults_of_one_form_of_a_call_leave_the_others_alone() -> None:
    faults = Faults(seed=1)
    faults.add(Fault(kind="refuse-job-ids"))
    assert _hits(faults, "GetTranscodeTask", 1, TranscodeTaskId="t") == 0
    assert _hits(faults, "GetTranscodeTask", 1, JobIds="j") == 1
    faults.clear()
    faults.add(Fault(kind="repeat-page", action="GetVideoList"))
    assert _hits(faults, "GetVideoList", 1) == 0
    assert _hits(faults, "ListTranscodeTask", 1, PageNo="2") == 0
    assert _hits(faults, "GetVideoList", 1, PageNo="2") == 1
