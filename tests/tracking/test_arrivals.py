"""Which tasks are tracked: registered ones that VOD does not know yet, and new ones when there are too many."""

from __future__ import annotations

import pytest

from exporter.errors import StateError
from exporter.model import API, TASKS
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import Clock
from tests.tracking.conftest import (
    DAY,
    HOUR,
    ask_task,
    discover,
    done,
    finished_jobs,
    job_statuses,
    next_work,
    pass_retention,
    running,
    track,
    tracked_ids,
)


def ask_for_ten_minutes(ledger: Ledger, clock: Clock) -> int:
    """How often a task that VOD does not know is asked about, with a refresh each second."""
    asked, until = 0, clock.now + 600
    while clock.now < until:
        if "t" in (work := next_work(ledger)).new_tasks + work.whole_tasks:
            asked += 1
            ledger.asked_task("t")
            assert not ledger.observe_not_found("t")
        clock.now += 1
    return asked


def test_a_registration_is_kept_while_vod_does_not_know_the_task_yet(clock: Clock, dropped: list[str]) -> None:
    """An application registers a task right after it submitted it. The pauses grow, so that this costs few calls."""
    ledger = Ledger(clock=clock, dropped=dropped.append)
    ledger.register(["t"], source=API)
    assert ask_for_ten_minutes(ledger, clock) <= 15
    assert dropped == []
    ask_task(ledger, running("t", "a"))
    assert job_statuses(ledger) == {"a": "Transcoding"}


def test_a_registration_that_vod_does_not_know_after_ten_minutes_is_dropped(clock: Clock, dropped: list[str]) -> None:
    """Also if the exporter was restarted in between."""
    store = MemoryStore()
    Ledger(store=store, clock=clock, dropped=dropped.append).register(["t"], source=API)
    clock.now += 300
    ledger = Ledger(store=store, clock=clock, dropped=dropped.append)
    assert not any(ledger.observe_not_found("t") for _ in range(5))
    clock.now += 300
    assert [ledger.observe_not_found("t") for _ in range(2)] == [False, True]
    assert dropped == ["not_found"]


def test_only_registrations_that_vod_never_described_are_waited_for(clock: Clock) -> None:
    ledger = Ledger(clock=clock)
    ledger.register(["t"], source=API)
    ledger.discover(["u"], source="discovery")
    ask_task(ledger, running("t", "a"))
    assert [ledger.observe_not_found(task_id) for task_id in "tt"] == [False, True]
    assert [ledger.observe_not_found(task_id) for task_id in "uu"] == [False, True]


def test_a_registered_task_that_vod_lists_is_asked_about_at_once(ledger: Ledger) -> None:
    ledger.register(["t"], source=API)
    ledger.asked_task("t")
    ledger.observe_not_found("t")
    before = next_work(ledger)
    ledger.listed(["unknown", "t"])

    assert (before, next_work(ledger)) == (Work(), Work(whole_tasks=("t",)))


def test_a_clock_that_is_set_back_does_not_delay_a_registered_task(clock: Clock) -> None:
    ledger = Ledger(clock=clock)
    ledger.register(["t"], source=API)
    ledger.asked_task("t")
    ledger.observe_not_found("t")
    assert next_work(ledger) == Work()
    clock.now -= 86_400
    assert next_work(ledger) == Work(whole_tasks=("t",))


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
def test_a_registration_of_a_task_that_is_tracked_already_is_kept_too(clock: Clock, *, restarts: bool) -> None:
    """It was dropped after two answers if the configuration named it first."""
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    ledger.name("configuration", ["t"], source=TASKS)
    assert not ledger.observe_not_found("t")
    clock.now += HOUR
    ledger.register(["t"], source=API)
    if restarts:
        ledger = Ledger(store=store, clock=clock)
        ledger.name("configuration", ["t"], source=TASKS)

    assert ask_for_ten_minutes(ledger, clock) <= 15
    assert {ledger.observe_not_found("t") for _ in range(2)} >= {True}
    assert ledger.view().tracked_tasks == {}


def test_a_repeated_registration_is_kept_from_then_on(clock: Clock) -> None:
    ledger = Ledger(clock=clock)
    ledger.register(["t"], source=API)
    clock.now += 599
    ledger.register(["t"], source=API)

    assert ask_for_ten_minutes(ledger, clock) <= 15


def test_a_registration_does_not_change_the_source_of_a_task(ledger: Ledger) -> None:
    ledger.name("configuration", ["t"], source=TASKS)
    ledger.register(["t"], source=API)

    assert ledger.view().tracked_tasks == {TASKS: 1}


@pytest.fixture
def two_tasks_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.tracking.arrivals.MAX_TASKS", 2)


@pytest.mark.usefixtures("two_tasks_fit")
def test_at_the_limit_of_tasks_a_new_one_waits_until_another_leaves(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(limits=Limits(retention=900.0), clock=clock, dropped=dropped.append)
    discover(ledger, running("t", "a"), running("u", "b"))
    ledger.name("key", ["v"], source="tasks")
    ledger.name("key", ["v"], source="tasks")
    with pytest.raises(StateError, match="tracked already"):
        ledger.register(["v"], source="api")
    reasons = list(dropped)
    ledger.name("key", [], source="tasks")
    ask_task(ledger, done("t", "a"))
    pass_retention(ledger, clock)

    assert reasons == ["too_many"]
    assert ledger.register(["v"], source="api") == {"v": True}


@pytest.mark.usefixtures("two_tasks_fit")
def test_a_finished_task_gives_way_to_a_new_one_and_is_not_counted_again(clock: Clock, dropped: list[str]) -> None:
    """Seen: with a long retention, 100,000 finished tasks that were only shown kept new ones out."""
    ledger = Ledger(limits=Limits(retention=DAY), clock=clock, dropped=dropped.append)
    for task_id in "tuvw":
        discover(ledger, done(task_id, f"{task_id} job"))
        clock.now += 1
    found = tracked_ids(ledger)
    registered = ledger.register(["x"], source="api")
    discover(ledger, done("t", "t job"))

    assert found == ["v", "w"]
    assert (registered, tracked_ids(ledger)) == ({"x": True}, ["w", "x"])
    assert finished_jobs(ledger.view()) == 4
    assert dropped == []


@pytest.mark.usefixtures("two_tasks_fit")
def test_a_registration_that_is_refused_removes_no_finished_task(clock: Clock) -> None:
    ledger = Ledger(limits=Limits(retention=DAY), clock=clock)
    discover(ledger, done("t", "a"), done("u", "b"))
    with pytest.raises(StateError, match="tracked already"):
        ledger.register(["v", "w", "x"], source="api")

    assert tracked_ids(ledger) == ["t", "u"]


@pytest.mark.usefixtures("two_tasks_fit")
def test_a_finished_task_that_a_source_names_gives_way_to_none(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(limits=Limits(retention=DAY), clock=clock, dropped=dropped.append)
    ledger.name("key", ["t", "u"], source="tasks")
    track(ledger, done("t", "a"), done("u", "b"))
    ledger.discover(["v"], source="discovery")

    assert (tracked_ids(ledger), dropped) == (["t", "u"], ["too_many"])
