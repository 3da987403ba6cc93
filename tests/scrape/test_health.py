"""How reading an account goes: what is told of it, and what is logged."""

from __future__ import annotations

import logging

import pytest

from exporter.errors import (
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
    VodError,
)
from exporter.scrape.health import Health, State

DOWN = ConnectionFailed("no connection", code="connect")
DENIED = CredentialsError("denied", code="Forbidden")
GONE = NotFoundError("gone", code="NoSuchResource")
ODD = MalformedResponse("the response has no task", code="no_task")
HTML = MalformedResponse("HTML", code="html")
REFUSED = RequestRejected("not taken", code="InvalidParameter")


def test_nothing_is_known_before_anything_was_asked() -> None:
    assert Health("prod").state == State(up=None, last_success=None, last_error="", last_error_at=None)


def test_the_last_success_and_the_last_error_are_told_with_their_times() -> None:
    times = iter((0.0, 1.0, 2.0, 3.0))
    health = Health("prod", clock=lambda: next(times))
    health.called(action="get", error=None)
    health.called(action="get", error=DOWN)
    health.called(action="get", error=None)

    assert health.state == State(True, last_success=3.0, last_error="no connection", last_error_at=2.0)


def test_in_a_long_first_refresh_an_answer_says_up_and_afterwards_only_a_judgement_does() -> None:
    health = Health("prod")
    health.called(action="get", error=DOWN)
    before = health.state.up
    health.called(action="get", error=None)
    during = health.state.up
    health.start_refresh()
    health.called(action="get", error=DOWN)
    health.judge()
    health.called(action="get", error=None)

    assert (before, during, health.state.up) == (None, True, False)


@pytest.mark.parametrize(
    ("told", "up"),
    [
        ([], None),
        ([("get", None)], True),
        ([("get", DOWN)], False),
        ([("get", DOWN), ("get", None)], True),
        ([("get", None), ("list", DOWN)], False),
        ([("get", GONE)], True),
        ([("get", DENIED), ("get", None)], False),
        ([("", DOWN), ("get", None)], False),
        ([("get", ODD)], True),
        ([("get", REFUSED)], True),
        ([("GetVideoList", REFUSED)], False),
        ([("get", HTML)], False),
    ],
    ids=[
        *("nothing", "answer", "failure", "one-failure", "an-operation-fails", "gone", "denied", "no-operation"),
        *("an-odd-task", "an-id-refused", "a-list-refused", "html"),
    ],
)
def test_an_account_is_up_where_each_operation_was_answered_and_none_denied(
    told: list[tuple[str, VodError | None]], up: bool | None
) -> None:
    health = Health("prod")
    for action, error in told:
        health.called(action=action, error=error)
    health.judge()

    assert health.state.up is up


@pytest.mark.parametrize(("answered", "up"), [(False, False), (True, True)])
def test_requests_that_hang_say_down_unless_others_were_answered(answered: bool, up: bool) -> None:
    health = Health("prod")
    if answered:
        health.called(action="get", error=None)
    health.judge(waiting=2.0)

    assert health.state.up is up
    assert ("deadline" in health.state.last_error) is not answered


def test_a_service_that_is_but_slower_than_a_scrape_is_not_down() -> None:
    """It was as slow before, and what it told is shown."""
    health = Health("prod")
    health.called(action="get", error=None, seconds=0.6)
    health.judge()
    health.start_refresh()
    health.judge(waiting=1.5)
    slow = health.state.up
    health.judge(waiting=2.0)

    assert (slow, health.state.up) == (True, False)


def test_down_is_forgotten_where_nothing_is_asked_any_more() -> None:
    """Or an alert would never end: the task that failed is tracked no longer."""
    now = 1000.0
    health = Health("prod", clock=lambda: now)
    health.called(action="get", error=DOWN)
    told = []
    for seconds in (0.0, 599.0, 2.0):
        now += seconds
        health.judge()
        health.start_refresh()
        told.append(health.state.up)

    assert told == [False, False, None]


def test_a_new_refresh_is_judged_for_itself() -> None:
    health = Health("prod")
    health.called(action="list", error=DOWN)
    health.judge()
    health.start_refresh()
    health.judge()
    unchanged = health.state.up
    health.called(action="get", error=None)
    health.judge()

    assert (unchanged, health.state.up) == (False, True)


def test_down_and_up_again_are_each_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    health = Health("prod")
    for error in (None, DOWN, DOWN, None, None):
        health.start_refresh()
        health.called(action="get", error=error)
        health.judge()

    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("WARNING", "account down"),
        ("INFO", "account up again"),
    ]
    assert vars(caplog.records[0])["error"] == "no connection"


def test_an_account_that_is_down_from_the_start_is_logged_with_its_error(caplog: pytest.LogCaptureFixture) -> None:
    health = Health("prod")
    health.judge(waiting=2.0)

    assert [one.message for one in caplog.records] == ["account down"]
    assert "deadline" in vars(caplog.records[0])["error"]
