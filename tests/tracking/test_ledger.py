"""The ledger: what it asks for, its limits, restarts and steps of the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.model import Job, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import Clock, growth
from tests.tracking.conftest import (
    HOUR,
    ask_jobs,
    ask_task,
    done,
    job_statuses,
    next_work,
    running,
    success,
    track,
)


def test_each_unfinished_task_is_asked_whole_every_ten_minutes(ledger: Ledger, clock: Clock) -> None:
    """VOD may end a task without the end of its jobs, such as after a deletion of its video."""
    track(ledger, running("t", "a"), running("u", "b"))
    clock.now += 599
    before = next_work(ledger)
    clock.now += 1
    after = next_work(ledger)
    ask_task(ledger, running("t", "a"))

    assert before.overdue_tasks == ()
    assert after.overdue_tasks == ("t", "u")
    assert set(after.jobs) == {("a", "t"), ("b", "u")}
    assert next_work(ledger).overdue_tasks == ("u",)


def test_a_view_has_the_totals_of_an_hour_ago(ledger: Ledger, clock: Clock) -> None:
    """Also for the first hour after a start: then it has those of the start."""
    key = (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess"))
    clock.now += 60
    track(ledger, done("t", "a"))
    first = ledger.view()
    clock.now += HOUR
    track(ledger, done("u", "b"))
    second = ledger.view()

    assert (first.totals.counters[key], first.hour_ago.totals.counters.get(key, 0)) == (1, 0)
    assert (second.totals.counters[key], second.hour_ago.totals.counters.get(key, 0)) == (2, 1)
    assert second.day_ago.totals.counters.get(key, 0) == 0


def test_a_task_is_dropped_when_it_is_not_found_twice_in_a_row(ledger: Ledger) -> None:
    ledger.name("key", ["t", "u"], source="tasks")
    track(ledger, running("t", "a"), running("u", "b"))
    answers = [ledger.observe_not_found("t")]
    ask_task(ledger, running("t", "a"))
    answers += [ledger.observe_not_found("t"), ledger.observe_not_found("t"), ledger.observe_not_found("t")]
    ledger.name("key", ["t", "u"], source="tasks")

    assert answers == [False, False, True, False]
    assert next_work(ledger) == Work(jobs=(("b", "u"),))
    assert set(job_statuses(ledger)) == {"b"}


@pytest.mark.parametrize("step", [-HOUR, 24 * HOUR])
def test_a_step_of_the_clock_loses_no_task_and_makes_old_data_stale(ledger: Ledger, clock: Clock, step: float) -> None:
    """The age of older data is unknown after a step, so they are not shown as current."""
    track(ledger, done("t", "a"), running("u", "b"))
    clock.now += step
    stepped = ledger.view()
    ask_jobs(ledger, ["b"], Job("b", "HD", "Transcoding"))

    assert stepped.stale_jobs == 1
    assert job_statuses(ledger)["b"] == "Transcoding"
    assert ledger.view().stale_jobs == 0
    assert next_work(ledger) == Work(jobs=(("b", "u"),), overdue_tasks=("u",))


def test_definitions_counted_by_name_are_bounded(ledger: Ledger) -> None:
    jobs = tuple(Job(f"j{number}", f"D{number}", "Transcoding") for number in range(500))
    track(ledger, Task("t", "video", "Processing", jobs=jobs))

    counts = ledger.view().job_counts
    assert len({definition for definition, _ in counts}) <= 51
    assert sum(counts.values()) == 500
    assert counts["other", "Transcoding"] == 461


@pytest.mark.no_cover
@pytest.mark.slow
def test_time_to_plan_and_view_grows_no_faster_than_the_jobs(clock: Clock) -> None:
    """A scan of all jobs for each job would take sixteen times as long for four times the jobs."""

    def reading(tasks: int) -> Callable[[], None]:
        ledger = Ledger(limits=Limits(retention=900.0), clock=clock)
        track_many(ledger, tasks=tasks, unfinished=tasks // 10)

        def read() -> None:
            work, view = next_work(ledger), ledger.view()
            assert len(work.jobs) == tasks // 10 * 4
            assert sum(view.job_counts.values()) == tasks * 4
            assert len(view.jobs) + view.truncated_jobs == tasks * 4

        return read

    assert growth(reading(1_500), reading(6_000), rounds=5) < 10


def track_many(ledger: Ledger, *, tasks: int, unfinished: int) -> None:
    ids = [f"t{number}" for number in range(tasks)]
    ledger.name("key", ids, source="tasks")
    for number, task_id in enumerate(ids):
        make = running if number < unfinished else done
        ledger.observe_task(task_id, make(task_id, *(f"{task_id}-{job}" for job in range(4))))


def test_tasks_are_listed_in_the_order_of_their_arrival_after_a_restart_too(clock: Clock) -> None:
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    for task_id in ("c", "a", "b"):
        ledger.discover([task_id], source="discovery")
        clock.now += 1
    ledger.view()

    expected = [("c", "discovery", None), ("a", "discovery", None), ("b", "discovery", None)]
    assert ledger.tasks() == expected
    assert Ledger(store=store, clock=clock).tasks() == expected


def test_after_a_restart_only_unfinished_tasks_are_asked_about(clock: Clock) -> None:
    store = MemoryStore()
    first = Ledger(store=store, clock=clock)
    track(first, running("t", "a", "b"), done("u", "c"), running("v"))
    first.name("key", ["t", "u", "v", "w"], source="tasks")
    ask_jobs(first, ["a"], success("a"))
    shown = first.view()
    second = Ledger(store=store, clock=clock)

    assert shown.totals.counters[Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")] == 2
    assert next_work(second) == Work(new_tasks=("w",), whole_tasks=("v",), jobs=(("b", "t"),))
    assert second.view() == shown
