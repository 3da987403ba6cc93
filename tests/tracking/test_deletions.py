"""Tasks that applications register and delete."""

from __future__ import annotations

import pytest

from exporter.errors import StateError
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from tests.conftest import Clock
from tests.tracking.conftest import (
    discover,
    done,
    pass_retention,
    running,
    track,
)


def test_a_deleted_task_is_not_tracked_while_it_is_named_or_found(ledger: Ledger) -> None:
    track(ledger, running("t", "a"))
    answers = [ledger.delete("t"), ledger.delete("t"), ledger.delete("never heard of")]
    ledger.name("key", ["t"], source="tasks")
    ledger.discover(["t"], source="discovery")

    assert answers == [True, False, False]
    assert ledger.tasks() == []


def test_a_closed_ledger_refuses_registrations_and_deletions(clock: Clock) -> None:
    """A reload has replaced it, so the change would be lost."""
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    ledger.register(["t"], source="api")
    ledger.close()
    calls = (
        lambda: ledger.delete("t"),
        lambda: ledger.delete("unknown"),
        lambda: ledger.register(["t"], source="api"),
        lambda: ledger.register(["u"], source="api"),
    )
    for call in calls:
        with pytest.raises(StateError, match="try again"):
            call()

    assert ledger.tasks() == Ledger(store=store, clock=clock).tasks() == [("t", "api", None)]


def test_a_deleted_task_comes_back_when_another_key_names_it_or_it_is_registered(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "b"))
    for task_id in "tu":
        ledger.delete(task_id)
    registered = ledger.register(["t"], source="api")
    ledger.name("other", ["u"], source="files")

    assert registered == {"t": True}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "api"), ("u", "files")]


def test_a_registration_is_saved_before_it_returns(clock: Clock) -> None:
    store = MemoryStore()
    answer = Ledger(store=store, clock=clock).register(["t", "u", "t"], source="api")

    assert answer == {"t": True, "u": True}
    assert Ledger(store=store, clock=clock).tasks() == [("t", "api", None), ("u", "api", None)]


def test_registering_a_tracked_task_changes_nothing_and_a_finished_one_is_refused(ledger: Ledger, clock: Clock) -> None:
    track(ledger, running("t", "a"))
    discover(ledger, done("u", "b"))
    within = ledger.register(["t", "u"], source="api")
    pass_retention(ledger, clock)

    assert within == {"t": True, "u": True}
    assert ledger.register(["t", "u"], source="api") == {"t": True, "u": False}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "tasks")]
