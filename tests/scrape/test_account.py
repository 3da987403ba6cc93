"""One account: readers share snapshots, a store that hangs holds nobody, and closing always closes the ledger."""

from __future__ import annotations

import threading

import pytest

from exporter.deadline import Deadline
from exporter.errors import StateError
from exporter.snapshot import LedgerView
from tests.scrape.conftest import FakeVod, Made, running, until


def test_readers_share_a_snapshot_that_nobody_has_begun_to_take(release: threading.Event) -> None:
    made = Made(FakeVod(running("t", "a")))
    views = 0
    view = made.ledger.view

    def slow() -> LedgerView:
        nonlocal views
        views += 1
        release.wait(20)
        return view()

    made.ledger.view = slow  # type: ignore[method-assign]
    first = made.account.start_snapshot()
    until(lambda: views == 1)
    others = [made.account.start_snapshot() for _ in range(30)]
    release.set()
    snapshots = [future.result(20) for future in (first, *others)]

    assert len({id(future) for future in others}) == 1
    assert others[0] is not first  # the first one may not show what they have come for
    assert views == 2
    assert {snapshot.name for snapshot in snapshots} == {"prod"}


def test_a_snapshot_that_is_not_ready_in_time_is_the_last_one_and_not_durable(release: threading.Event) -> None:
    made = Made(FakeVod(running("t", "a")))
    made.refresh()
    before = made.account.finish_snapshot(made.account.start_snapshot(), Deadline.after(20))
    view = made.ledger.view
    made.ledger.view = lambda: release.wait(20) and view()  # type: ignore[method-assign, return-value, assignment]
    late = made.account.finish_snapshot(made.account.start_snapshot(), Deadline.after(0.05))

    assert (before.view.durable, late.view.durable) == (True, False)
    assert late.view.jobs == before.view.jobs != ()


def test_a_bug_in_a_snapshot_costs_only_its_news(caplog: pytest.LogCaptureFixture) -> None:
    made = Made(FakeVod(running("t", "a")))
    made.ledger.view = lambda: 1 / 0  # type: ignore[method-assign, return-value, assignment]
    snapshot = made.account.finish_snapshot(made.account.start_snapshot(), Deadline.after(20))

    assert (snapshot.name, snapshot.view.durable) == ("prod", False)
    assert caplog.messages == ["bug in a snapshot"]


def test_the_ledger_is_closed_even_if_the_client_cannot_be() -> None:
    made = Made(FakeVod(running("t", "a")))

    def fail() -> None:
        raise OSError("no")

    made.vod.close = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        made.account.close()

    with pytest.raises(StateError):
        made.account.register(["u"])
    assert [task_id for task_id, *_ in made.account.tracked()] == ["t"]
