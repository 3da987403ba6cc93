"""The service can be called without its HTTP server."""

from __future__ import annotations

import inspect
import json

import pytest

from exporter.simulator.access import Request
from exporter.simulator.service import Options, Service


def test_options_name_every_keyword_argument_of_the_service() -> None:
    assert list(Options.__annotations__) == list(inspect.signature(Service).parameters)


def test_unknown_operation_is_refused_and_not_counted() -> None:
    service = Service()
    answer, fault = service.call(Request("POST", "/", {}, {"x-acs-action": "DropEverything"}))
    assert (answer.status, json.loads(answer.body)["Code"], fault) == (404, "InvalidAction.NotFound", None)
    assert json.loads(service.truth(only_counts=True).body)["calls"] == {}


def test_clock_stops_and_starts() -> None:
    service = Service()
    assert json.loads(service.set_clock(b'{"frozen": true}').body)["frozen"]
    assert not json.loads(service.set_clock(b'{"frozen": false}').body)["frozen"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"frozen": 1}', b'{"frozen": true, "speed": 2}'])
def test_malformed_clock_leaves_the_clock_running(body: bytes) -> None:
    service = Service()
    with pytest.raises(ValueError, match=r".+"):
        service.set_clock(body)
    assert not service.clock.frozen


def test_added_fault_is_shown_until_all_are_cleared() -> None:
    service = Service()
    assert b"delay" in service.add_fault(b'{"kind": "delay", "seconds": 2}').body
    assert b"delay" in service.show_faults().body
    assert b"delay" not in service.clear_faults().body
