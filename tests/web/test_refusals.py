"""Refused requests: which lines the log has about them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from exporter.metrics.telemetry import Telemetry
from exporter.web.refusals import MAX_KINDS, REPEAT_SECONDS, Refusals
from tests.conftest import Clock

EVENT = {"route": "/callback/{name}", "path": "/callback/prod", "status": 401, "client": "192.0.2.7", "reason": "old"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(clock: Clock, caplog: pytest.LogCaptureFixture) -> Refusals:
    caplog.set_level(logging.INFO)
    return Refusals(Telemetry(), clock=clock)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """The reason of each line, and the number of requests that it is about."""
    lines = [vars(record) for record in caplog.records]
    caplog.clear()
    return [(line["reason"], line.get("requests", 1)) for line in lines]


def note(refusals: Refusals, times: int = 1, **changes: Any) -> None:
    for _ in range(times):
        refusals.note(**{**EVENT, **changes})


def test_the_first_refusal_is_logged_at_once(refusals: Refusals, caplog: pytest.LogCaptureFixture) -> None:
    note(refusals)
    (line,) = caplog.records
    fields = {key: vars(line)[key] for key in ("client", "path", "status", "reason")}
    assert fields == {"client": "192.0.2.7", "path": "/callback/prod", "status": 401, "reason": "old"}
    assert line.levelno == logging.INFO


def test_further_refusals_are_one_line_a_minute_with_their_number(
    refusals: Refusals, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    note(refusals, 1000)
    assert logged(caplog) == [("old", 1)]
    clock.now += REPEAT_SECONDS
    note(refusals, 5)
    assert logged(caplog) == [("old", 999)]
    clock.now += REPEAT_SECONDS
    note(refusals, reason="other")
    assert logged(caplog) == [("old", 5), ("other", 1)]


def test_a_refusal_after_a_quiet_minute_is_logged_at_once(
    refusals: Refusals, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    note(refusals)
    clock.now += REPEAT_SECONDS
    note(refusals)
    assert logged(caplog) == [("old", 1), ("old", 1)]


@pytest.mark.parametrize("change", [{"client": "192.0.2.8"}, {"reason": "x"}, {"status": 403}, {"route": "/metrics"}])
def test_each_kind_of_refusal_is_logged(
    refusals: Refusals, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    note(refusals)
    note(refusals, **change)
    assert len(logged(caplog)) == 2


def test_a_client_that_invents_refusals_cannot_fill_the_log(
    refusals: Refusals, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3 * MAX_KINDS):
        note(refusals, reason=f"no account has the name {number}", path=f"/{number}" + "\n" * 1000)
    assert len(caplog.records) == MAX_KINDS
    assert all(len(line) < 200 and "\n" not in line for line in (vars(record)["path"] for record in caplog.records))


def test_every_refusal_is_counted(clock: Clock) -> None:
    telemetry = Telemetry()
    note(Refusals(telemetry, clock=clock), 3)
    labels = {"path": "/callback/{name}", "reason": "401"}
    assert telemetry.registry.get_sample_value("vod_exporter_rejected_requests_total", labels) == 3


def test_refused_events_and_api_requests_of_ten_minutes_are_counted_by_reason(refusals: Refusals, clock: Clock) -> None:
    note(refusals, 2)
    clock.now += 300
    note(refusals, 3, route="/api/v1/tasks", reason="wrong token")
    note(refusals, 1, route="/metrics", status=401, reason="not a program")
    note(refusals, 1, status=503, reason="busy")
    assert refusals.unauthorized() == {"old": 2, "wrong token": 3}
    clock.now += 301
    assert refusals.unauthorized() == {"wrong token": 3}
