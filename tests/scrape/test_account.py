"""One account: readers share snapshots, a store that hangs delays no reader, and `close` closes the ledger."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import cast

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    StateError,
)
from exporter.model import Job, Task
from exporter.scrape.usage import BilledUsage
from exporter.snapshot import LedgerView
from exporter.tracking.store import MemoryStore
from tests.conftest import snapshot_of, wait_until
from tests.scrape.conftest import DOWN, FakeVod, Made, running


def test_readers_share_a_view_that_nobody_has_begun_to_take(release: threading.Event) -> None:
    made = Made(FakeVod(running("t", "a")))
    views = 0
    view = made.ledger.view

    def slow() -> LedgerView:
        nonlocal views
        views += 1
        release.wait(20)
        return view()

    made.ledger.view = slow  # type: ignore[method-assign]
    first = made.account.start_view()
    wait_until(lambda: views == 1)
    second = made.account.start_view()
    time.sleep(0.1)  # its thread is there and waits; without its turn it would have begun
    others = [made.account.start_view() for _ in range(30)]
    release.set()
    seen = [future.result(20) for future in (first, second, *others)]

    assert {id(future) for future in others} == {id(second)}
    assert second is not first  # the first one started before they came, so it may be too old
    assert views == 2
    assert {view.tracked_tasks["tasks"] for view in seen} == {1}


def test_a_view_that_is_not_ready_in_time_is_the_last_one_with_the_present_health(release: threading.Event) -> None:
    """A slow store says nothing about the account, and a late view nothing about the store."""
    made = Made(FakeVod(running("t", "a")))
    made.refresh()
    before = made.account.finish_snapshot(made.account.start_view(), Deadline.after(20))
    view = made.ledger.view
    made.ledger.view = lambda: release.wait(20) and view()  # type: ignore[method-assign, return-value, assignment]
    made.vod.tasks["t"] = made.vod.jobs = DOWN
    made.refresh()
    late = made.account.finish_snapshot(made.account.start_view(), Deadline.after(0.05))

    assert (before.up, late.up) == (True, False)
    assert (before.view.durable, late.view.durable) == (True, True)
    assert late.view.jobs == before.view.jobs != ()
    assert late.view.taken == before.view.taken


def test_very_many_new_jobs_are_saved_before_the_end_of_a_scrape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: to save 100,000 jobs took longer than the rest of the scrape, which then showed none of them."""
    monkeypatch.setattr("exporter.scrape.account._MANY_UNSAVED", 2)
    made = Made(FakeVod(running("t", "a")))
    made.refresh()
    made.account.save_early()
    few = made.ledger.unsaved_jobs
    made.ledger.observe_task("t", running("t", "a", "b"))
    made.account.save_early()
    wait_until(lambda: made.ledger.last_view().jobs)

    assert (few, made.ledger.unsaved_jobs) == (1, 0)
    assert [job.job.id for job in made.ledger.last_view().jobs] == ["a", "b"]


def test_while_the_store_hangs_a_scrape_gets_the_last_view_without_waiting() -> None:
    made = Made(FakeVod(running("t", "a")))
    made.refresh()
    snapshot_of(made.account)

    def hangs() -> LedgerView:
        raise StateError("the disk does not answer")

    made.ledger.view = hangs  # type: ignore[method-assign]
    snapshot = made.account.finish_snapshot(made.account.start_view(), Deadline.after(20))

    assert [job.job.id for job in snapshot.view.jobs] == ["a"]


def test_the_first_snapshot_has_what_the_store_has(release: threading.Event) -> None:
    """Seen: with 100,000 jobs, the first scrape after a start was empty."""
    store = MemoryStore()
    finished = Task("t", "video", "CompleteAllSucc", jobs=(Job("a", "HD", "TranscodeSuccess", 1.0),))
    first = Made(FakeVod(finished), store=store)
    first.refresh()
    snapshot_of(first.account)
    made = Made(FakeVod(), store=store)
    made.ledger.view = lambda: release.wait(20)  # type: ignore[method-assign, return-value, assignment]
    snapshot = made.account.finish_snapshot(made.account.start_view(), Deadline.after(0.0))

    assert [job.job.id for job in snapshot.view.jobs] == ["a"]
    assert snapshot.view.durable is True
    assert sum(snapshot.view.totals.counters.values()) > 0


def test_after_a_bug_in_a_view_the_last_view_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    made = Made(FakeVod(running("t", "a")))
    made.ledger.view = lambda: 1 / 0  # type: ignore[method-assign, return-value, assignment]
    snapshot = made.account.finish_snapshot(made.account.start_view(), Deadline.after(20))

    assert snapshot.name == "prod"
    assert caplog.messages == ["bug in a snapshot"]


def test_where_no_thread_can_start_the_last_view_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Made(FakeVod(running("t", "a")))
    monkeypatch.setattr(made.account._threads, "submit", refuse)
    snapshot = made.account.finish_snapshot(made.account.start_view(), Deadline.after(20))

    assert snapshot.name == "prod"


def refuse(_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_the_ledger_is_closed_even_if_the_client_cannot_be() -> None:
    made = Made(FakeVod(running("t", "a")))

    def fail() -> None:
        raise OSError("no")

    made.vod.close = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        made.account.close()

    assert made.refresh() == []  # or the account would spend the budget of its successor
    with pytest.raises(StateError):
        made.account.register(["u"])
    assert [task_id for task_id, *_ in made.account.tracked()] == ["t"]


def test_closing_an_account_ends_the_calls_for_its_usage() -> None:
    made = Made(FakeVod(running("t", "a")))
    closed: list[bool] = []
    made.account._usage = cast(BilledUsage, SimpleNamespace(close=lambda: closed.append(True)))
    made.account.close()

    assert closed == [True]


def test_an_account_is_down_when_a_request_has_waited_for_most_of_the_scrape(release: threading.Event) -> None:
    made = Made(FakeVod(running("t")))
    since = time.monotonic()
    made.vod.before = lambda _: release.wait(30)
    made.account.refresh()
    wait_until(lambda: made.vod.asked)
    made.account.late(since)
    unknown = made.up  # as long as nothing was sent, nothing is known
    made.vod.waiting_since = since
    made.account.late(since)

    assert (unknown, made.up) == (None, False)
    assert "deadline" in snapshot_of(made.account).last_error


def test_a_request_that_was_just_sent_does_not_make_the_account_down(release: threading.Event) -> None:
    made = Made(FakeVod(running("t")))
    made.vod.before = lambda _: release.wait(30)
    made.account.refresh()
    now = time.monotonic()
    made.vod.waiting_since = now
    made.account.late(now - 9)

    assert made.up is None


def test_a_late_scrape_judges_the_account_by_the_answers_so_far(
    release: threading.Event,
) -> None:
    vod = FakeVod(running("t", "a"), running("u"))
    made = Made(vod, concurrency=2)
    vod.before = lambda what: release.wait(30) if what == "task u" else None
    vod.tasks["t"] = DOWN
    made.account.refresh()
    wait_until(lambda: snapshot_of(made.account).last_error)
    before = made.up
    made.account.late(time.monotonic())

    assert (before, made.up) == (None, False)
