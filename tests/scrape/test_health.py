"""How reading an account goes: what is told of it, and what is logged."""

from __future__ import annotations

import logging

import pytest

from exporter.errors import ConnectionFailed
from exporter.scrape.health import Health, State

DOWN = ConnectionFailed("no connection", code="connect")


def test_nothing_is_known_before_anything_was_asked() -> None:
    assert Health("prod").state == State(up=None, last_success=None, last_error="", last_error_at=None)


def test_the_last_success_and_the_last_error_are_told_with_their_times() -> None:
    times = iter((1.0, 2.0, 3.0))
    health = Health("prod", clock=lambda: next(times))
    health.success()
    health.failure(DOWN)
    health.success()

    assert health.state == State(True, last_success=3.0, last_error="no connection", last_error_at=2.0)


def test_in_a_long_first_refresh_an_answer_says_up_and_afterwards_only_the_end_of_a_refresh_does() -> None:
    health = Health("prod")
    health.failure(DOWN)
    before = health.state.up
    health.success()
    during = health.state.up
    health.judge(up=False)
    health.success()

    assert (before, during, health.state.up) == (None, True, False)


def test_down_and_up_again_are_each_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health("prod")
    health.judge(up=True)
    health.failure(DOWN)
    for up in (False, False, True, True):
        health.judge(up=up)

    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("WARNING", "account down"),
        ("INFO", "account up again"),
    ]
    assert vars(caplog.records[0])["error"] == "no connection"


def test_an_account_that_is_down_from_the_start_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    Health("prod").judge(up=False)

    assert [one.message for one in caplog.records] == ["account down"]
