"""Health: when an account is up, down or unknown, and when that is logged."""

from __future__ import annotations

import logging

import pytest

from exporter.errors import (
    AccountRefused,
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    PermissionDenied,
    RequestRejected,
    VodError,
)
from exporter.scrape.health import Health, State

DOWN = ConnectionFailed("no connection", code="connect")
DENIED = PermissionDenied("denied", code="Forbidden")
SUSPENDED = AccountRefused("pay the bill", code="OperationDenied.Suspended")
UNSUPPORTED = AccountRefused("not supported", code="UnsupportedOperation")
KEYS = CredentialsError("no such key", code="InvalidAccessKeyId.NotFound")
GONE = NotFoundError("gone", code="NoSuchResource")
MALFORMED = MalformedResponse("the response has no task", code="no_task")
HTML = MalformedResponse("HTML", code="html")
REFUSED = RequestRejected("not taken", code="InvalidParameter")


def test_nothing_is_known_before_anything_was_asked() -> None:
    assert Health("prod").state == State(up=None, last_success=None, last_error="", last_error_at=None)


def test_the_last_success_and_the_last_error_have_their_times() -> None:
    times = iter((0.0, 1.0, 2.0, 3.0))
    health = Health("prod", clock=lambda: next(times))
    health.called(action="get", error=None)
    health.called(action="get", error=DOWN)
    health.called(action="get", error=None)

    assert health.state == State(True, last_success=3.0, last_error="no connection", last_error_at=2.0)


def test_the_state_says_whether_the_last_error_is_about_credentials() -> None:
    health = Health("prod")
    for error, refused in ((DOWN, False), (KEYS, True), (SUSPENDED, False), (DENIED, True)):
        health.called(action="get", error=error)
        assert health.state.refused == refused


def test_the_first_answer_means_up_and_after_that_only_a_judgement_changes_it() -> None:
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
    ("called", "up"),
    [
        ([], None),
        ([("get", None)], True),
        ([("get", DOWN)], False),
        ([("get", DOWN), ("get", None)], True),
        ([("get", None), ("list", DOWN)], False),
        ([("get", GONE)], True),
        ([("get", DENIED), ("get", None)], True),
        ([("get", DENIED)], False),
        ([("get", KEYS), ("get", None)], False),
        ([("get", SUSPENDED)], False),
        ([("get", GONE), ("list", SUSPENDED)], False),
        ([("", DOWN), ("get", None)], False),
        ([("get", MALFORMED)], True),
        ([("get", REFUSED)], True),
        ([("GetVideoList", REFUSED)], False),
        ([("get", HTML)], False),
        ([("GetTranscodeSummary", DENIED), ("get", None)], True),
        ([("GetTranscodeSummary", REFUSED), ("get", None)], True),
        ([("GetTranscodeSummary", DENIED)], None),
        ([("GetTranscodeSummary", KEYS), ("get", None)], False),
        ([("GetTranscodeSummary", DOWN), ("get", None)], False),
        ([("GetTranscodeSummary", SUSPENDED), ("get", None)], False),
    ],
    ids=[
        *("nothing", "answer", "failure", "one-failure", "an-operation-fails", "gone", "forbidden-id"),
        *("forbidden", "keys", "suspended", "one-operation-suspended", "no-operation"),
        *("a-malformed-task", "an-id-refused", "a-list-refused", "html"),
        *("no-permission-for-summaries", "no-summaries", "nothing-else", "keys-refused", "no-connection-for-summaries"),
        "suspended-for-summaries",
    ],
)
def test_an_account_is_up_where_each_operation_was_answered_and_none_denied(
    called: list[tuple[str, VodError | None]], up: bool | None
) -> None:
    health = Health("prod")
    for action, error in called:
        health.called(action=action, error=error)
    health.judge()

    assert health.state.up is up


@pytest.mark.parametrize(("answered", "up"), [(False, False), (True, True)])
def test_hanging_requests_mean_down_unless_others_were_answered(answered: bool, up: bool) -> None:
    health = Health("prod")
    if answered:
        health.called(action="get", error=None)
    health.judge(waiting=2.0)

    assert health.state.up is up
    assert ("deadline" in health.state.last_error) is not answered


def test_a_service_that_is_only_slower_than_a_scrape_is_not_down() -> None:
    """It was as slow in the last refresh, and its answers are shown."""
    health = Health("prod")
    health.called(action="get", error=None, seconds=0.6)
    health.judge()
    health.start_refresh()
    health.judge(waiting=1.5)
    slow = health.state.up
    health.judge(waiting=2.0)

    assert (slow, health.state.up) == (True, False)


def test_an_account_that_was_down_is_unknown_after_ten_minutes_without_calls() -> None:
    """Otherwise an alert would never end when the task that failed is not tracked any more."""
    now = 1000.0
    health = Health("prod", clock=lambda: now)
    health.called(action="get", error=DOWN)
    states = []
    for seconds in (0.0, 599.0, 2.0):
        now += seconds
        health.judge()
        health.start_refresh()
        states.append(health.state.up)

    assert states == [False, False, None]


def test_an_operation_fails_until_it_is_called_with_success() -> None:
    """Not every refresh calls every operation: `up` would change between 0 and 1, and no alert would fire."""
    health, up = Health("prod"), []
    for calls in ([("get", None), ("list", DOWN)], [("get", None)], [], [("get", None)], [("list", None)]):
        health.start_refresh()
        for action, error in calls:
            health.called(action=action, error=error)
        health.judge()
        up.append(health.state.up)

    assert up == [False, False, False, False, True]


def test_an_operation_that_failed_and_is_then_refused_fails_no_more() -> None:
    """It is not called for an hour, so it could not show that it works again."""
    health, up = Health("prod"), []
    for error in (SUSPENDED, UNSUPPORTED):
        health.start_refresh()
        health.called(action="GetTranscodeSummary", error=error)
        health.called(action="get", error=None)
        health.judge()
        up.append(health.state.up)

    assert up == [False, True]


def test_a_failure_is_forgotten_after_ten_minutes_without_a_call_of_the_operation() -> None:
    now = 1000.0
    health, up = Health("prod", clock=lambda: now), []
    health.called(action="list", error=DOWN)
    for seconds in (0.0, 599.0, 2.0):
        now += seconds
        health.called(action="get", error=None)
        health.judge()
        health.start_refresh()
        up.append(health.state.up)

    assert up == [False, False, True]


def test_another_cause_of_an_outage_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    health = Health("prod")
    for error in (DOWN, DOWN, SUSPENDED, SUSPENDED, DOWN, SUSPENDED):
        health.start_refresh()
        health.called(action="get", error=error)
        health.judge()

    assert [(record.message, vars(record)["error"]) for record in caplog.records] == [
        ("account down", "no connection"),
        ("account down for another reason", "pay the bill"),
    ]


def test_a_cause_that_comes_back_later_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    health = Health("prod", clock=lambda: now)
    for error in (DOWN, SUSPENDED, DOWN):
        now += 601
        health.start_refresh()
        health.called(action="get", error=error)
        health.judge()

    assert [vars(record)["error"] for record in caplog.records] == ["no connection", "pay the bill", "no connection"]


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


def test_the_account_is_down_since_the_first_refresh_that_failed() -> None:
    now = 1000.0
    health, since = Health("prod", clock=lambda: now), []
    for error in (None, DOWN, DOWN, None, DOWN):
        now += 10
        health.start_refresh()
        health.called(action="get", error=error)
        health.judge()
        since.append(health.state.down_since)

    assert since == [None, 1020.0, 1020.0, None, 1050.0]
