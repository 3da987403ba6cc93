"""What VOD has billed: asked once an hour, beside the refresh, and no failure of it is one of the account."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import cast

import pytest

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent
from exporter.scrape.threads import Threads
from exporter.scrape.usage import HOUR, BilledUsage
from exporter.vod.client import Client
from exporter.vod.replies import Usage, UsageReply
from tests.conftest import wait_until
from tests.scrape.conftest import DENIED, DOWN, Counted

NOW = 1_700_000_000.0  # 22:13:20, so the window ends at 20:00:00
END = 1_699_992_000.0
START = END - 24 * HOUR


class FakeBill:
    """Answers with `rows`, or raises `error`."""

    def __init__(self) -> None:
        self.rows: list[Usage] = []
        self.malformed: tuple[str, ...] = ()
        self.error: Exception | None = None
        self.asked: list[tuple[str, float, float]] = []
        self.closed = False
        self.before: Callable[[], object] = lambda: None

    def usage(self, region: str, deadline: Deadline, *, start: float, end: float) -> UsageReply:  # noqa: ARG002 - as the client's
        self.asked.append((region, start, end))
        self.before()
        if self.error is not None:
            raise self.error
        return UsageReply(tuple(self.rows), self.malformed)

    def close(self) -> None:
        self.closed = True


class Made:
    """The usage of one account over a fake client, at a time that the test sets."""

    def __init__(self) -> None:
        self.now = NOW
        self.vod = FakeBill()
        self.counted = Counted()
        client = cast(Client, self.vod)
        self.usage = BilledUsage("prod", "cn-shanghai", client, self.counted, Threads("usage"), clock=lambda: self.now)

    def refresh(self) -> int:
        """Refresh, wait for the answer, and return the number of calls."""
        before = len(self.vod.asked)
        self.usage.refresh()
        wait_until(lambda: not self.usage._asking)
        return len(self.vod.asked) - before


@pytest.fixture
def made() -> Made:
    return Made()


def test_the_window_is_the_last_24_hours_that_vod_has_closed(made: Made) -> None:
    made.refresh()
    assert made.vod.asked == [("cn-shanghai", START, END)]


def test_the_hours_of_the_window_are_added_up_by_specification(made: Made) -> None:
    made.vod.rows = [
        Usage(START - HOUR, "H264.HD", 1.0),
        Usage(START, "H264.HD", 10.0),
        Usage(END - HOUR, "H264.HD", 100.0),
        Usage(END, "H264.HD", 1000.0),
        Usage(START, "Audio", 5.0),
        Usage(START, "Hologram", 2.0),
        Usage(START, "Smell", 3.0),
    ]
    assert made.usage.seconds == {}
    made.refresh()
    assert made.usage.seconds == {"H264.HD": 110.0, "Audio": 5.0, "other": 5.0}


def test_vod_is_asked_once_for_each_hour_that_closes(made: Made) -> None:
    calls = {}
    for minute in range(0, 180, 5):
        made.now = END + 2 * HOUR + minute * 60
        if made.refresh():
            calls[minute] = made.vod.asked[-1][2]
    assert calls == {0: END, 60: END + HOUR, 120: END + 2 * HOUR}


def test_after_a_failure_it_is_asked_again_ten_minutes_later(made: Made) -> None:
    made.vod.error = DOWN
    assert made.refresh() == 1
    made.now += 599
    assert made.refresh() == 0
    made.now += 2
    made.vod.error = None
    assert made.refresh() == 1


def test_a_clock_that_is_set_back_does_not_stop_the_calls(made: Made) -> None:
    made.refresh()
    made.now -= 3 * HOUR
    assert made.refresh() == 1


def test_the_last_answer_is_shown_for_an_hour_while_vod_fails(made: Made) -> None:
    made.vod.rows = [Usage(START, "Audio", 5.0)]
    made.refresh()
    made.vod.error = DENIED
    made.now = END + 3 * HOUR
    made.refresh()
    assert made.usage.seconds == {"Audio": 5.0}
    made.now = END + 4 * HOUR
    assert made.usage.seconds == {}


def test_a_failure_is_logged_once_until_it_changes_or_ends(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "exporter.scrape.usage")
    for error in (DENIED, DENIED, DOWN, None, None, DENIED):
        made.vod.error = error
        made.now += HOUR
        assert made.refresh() == 1
    found = [(record.message, getattr(record, "error", "")) for record in caplog.records]
    assert found == [
        ("usage not read", str(DENIED)),
        ("usage not read", str(DOWN)),
        ("usage read again", ""),
        ("usage not read", str(DENIED)),
    ]


def test_a_closed_account_logs_nothing(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.vod.error = BudgetSpent("closed", code="budget")
    made.refresh()
    made.usage.close()
    assert made.vod.closed
    assert caplog.records == []


def test_a_bug_does_not_stop_the_next_attempt(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    made.vod.error = ZeroDivisionError()
    made.refresh()
    made.vod.error = None
    made.now += 601
    assert made.refresh() == 1
    assert [record.message for record in caplog.records] == ["bug in the usage"]


def test_malformed_fields_are_counted(made: Made) -> None:
    made.vod.malformed = ("Value",)
    made.refresh()
    assert made.counted.fields == ["Value"]


def test_a_call_that_hangs_is_not_made_twice_and_delays_nobody(made: Made, release: threading.Event) -> None:
    made.vod.before = lambda: release.wait(20)
    made.usage.refresh()
    wait_until(lambda: made.vod.asked != [])
    made.now += HOUR
    made.usage.refresh()
    assert made.usage.seconds == {}
    release.set()
    wait_until(lambda: not made.usage._asking)
    assert len(made.vod.asked) == 1


def test_without_a_thread_the_next_scrape_tries_again(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(made.usage._threads, "submit", full)
        made.usage.refresh()
    assert made.refresh() == 1
