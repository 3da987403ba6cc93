"""When a task stops being tracked, and how long the state remembers it."""

from __future__ import annotations

import pytest

from exporter.model import EndedJob, Job, Task
from exporter.tracking.departures import MEMORY_MARGIN_SECONDS, REMEMBER_GIVEN_UP_SECONDS, Departures
from exporter.tracking.ledger import Ledger
from exporter.tracking.names import Names
from exporter.tracking.records import JobRecord, TaskRecord, TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.store import Memory, MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import NOW, Clock
from tests.tracking.conftest import (
    DAY,
    HOUR,
    RETENTION,
    ask_jobs,
    ask_task,
    discover,
    done,
    job_statuses,
    next_work,
    pass_retention,
    running,
    success,
    track,
    tracked_ids,
)

LIMITS = Limits(retention=RETENTION, give_up_after=7 * DAY, lookback=DAY)


class Left:
    """A task that may leave: `Departures` for one roster, with the reasons for which tasks were dropped."""

    def __init__(self, task: TaskRecord, *jobs: JobRecord, started: float = NOW) -> None:
        self.roster = Roster([task], jobs)
        self.names = Names()
        self.reasons: list[str] = []
        self.departures = Departures(self.roster, self.names, LIMITS, started=started, dropped=self.reasons.append)

    @property
    def task(self) -> TrackedTask:
        return self.roster.tasks["t"]

    @property
    def memory(self) -> Memory | None:
        return self.roster.memory("t")

    def tracked_at(self, now: float) -> bool:
        self.departures.expire(now)
        return "t" in self.roster.tasks


def finished_at(at: float) -> TaskRecord:
    return TaskRecord(id="t", source="discovery", since=NOW, task=done("t"), finished_at=at)


def unfinished(task: Task | None = None) -> TaskRecord:
    return TaskRecord(id="t", source="discovery", since=NOW, task=task)


def test_a_finished_task_leaves_after_the_retention_and_is_remembered_as_finished() -> None:
    left = Left(finished_at(NOW))

    assert left.tracked_at(NOW + 900.0)
    assert not left.tracked_at(NOW + 901.0)
    assert left.memory == Memory(NOW + 901.0 + DAY + MEMORY_MARGIN_SECONDS, finished=True)
    assert left.reasons == []


def test_a_counted_task_is_remembered_for_the_lookback_and_two_days() -> None:
    assert Left(finished_at(NOW)).departures.memory == 24 * HOUR + 49 * HOUR


def test_a_named_task_stays_finished_or_not() -> None:
    for task in (finished_at(NOW), unfinished(running("t"))):
        left = Left(task)
        left.task.answered = True
        left.names.name("key", ["t"])

        assert left.tracked_at(NOW + 365 * DAY)


def test_an_unfinished_task_is_given_up_after_its_time_and_remembered_for_a_year() -> None:
    left = Left(unfinished(running("t")))
    left.task.answered = True

    assert left.tracked_at(NOW + 7 * DAY)
    assert not left.tracked_at(NOW + 7 * DAY + 1)
    assert left.memory == Memory(NOW + 7 * DAY + 1 + REMEMBER_GIVEN_UP_SECONDS, finished=False)
    assert left.reasons == ["given_up"]


def test_a_task_is_given_up_only_after_this_process_asked_about_it() -> None:
    """After a month without an exporter, VOD is asked about the task before it is given up."""
    left = Left(unfinished(running("t")), started=NOW + 30 * DAY)
    waits = left.tracked_at(NOW + 30 * DAY)
    left.task.answered = True

    assert waits
    assert not left.tracked_at(NOW + 30 * DAY)


def test_a_task_that_vod_never_describes_is_given_up_too() -> None:
    left = Left(unfinished(), started=NOW + 30 * DAY)

    assert left.tracked_at(NOW + 37 * DAY)
    assert not left.tracked_at(NOW + 37 * DAY + 1)


def test_after_the_clock_was_set_back_a_task_stays_for_one_more_retention() -> None:
    left = Left(finished_at(NOW + DAY))

    assert left.tracked_at(NOW)
    assert left.tracked_at(NOW + 900.0)
    assert not left.tracked_at(NOW + 901.0)


def test_a_task_that_vod_never_knew_is_not_remembered() -> None:
    """A task can be registered before VOD knows it. Discovery may find it later."""
    left = Left(unfinished())
    left.departures.give_up(left.task, "not_found", NOW)

    assert (left.memory, left.reasons) == (None, ["not_found"])


@pytest.mark.parametrize(("task", "reason"), [(None, "deleted"), (running("t"), "not_found")])
def test_any_other_task_that_was_given_up_is_remembered(task: Task | None, reason: str) -> None:
    left = Left(unfinished(task))
    left.departures.give_up(left.task, reason, NOW)

    assert left.memory == Memory(NOW + REMEMBER_GIVEN_UP_SECONDS, finished=False)


def test_a_finished_task_that_was_deleted_is_remembered_as_finished_and_not_reported() -> None:
    left = Left(finished_at(NOW))
    left.departures.give_up(left.task, "deleted", NOW)

    assert left.memory == Memory(NOW + REMEMBER_GIVEN_UP_SECONDS, finished=True)
    assert left.reasons == []


# Through the ledger


def test_a_finished_task_is_not_shown_after_the_retention(ledger: Ledger, clock: Clock) -> None:
    track(ledger, done("t", "a"), running("u", "b"))
    ledger.name("key", [], source="tasks")
    clock.now += 899
    within = ledger.view().tracked_tasks
    clock.now += 2

    assert within == {"tasks": 2}
    assert ledger.view().tracked_tasks == {"tasks": 1}
    assert next_work(ledger) == Work(jobs=(("b", "u"),), overdue_tasks=("u",))


def test_a_finished_task_stays_as_long_as_it_is_named(ledger: Ledger, clock: Clock) -> None:
    track(ledger, done("t", "a"))
    ledger.name("other key", ["t"], source="videos")
    ledger.name("key", [], source="tasks")
    clock.now += 48 * HOUR
    named = set(job_statuses(ledger))
    ledger.name("other key", [], source="videos")

    assert named == {"a"}
    assert job_statuses(ledger) == {}


def test_an_unfinished_task_is_tracked_to_its_end_when_nothing_names_it(ledger: Ledger, clock: Clock) -> None:
    """The list of a video can drop the task before its finish was counted."""
    track(ledger, running("t", "a"))
    ledger.name("key", [], source="tasks")
    clock.now += 48 * HOUR
    ledger.view()

    assert next_work(ledger) == Work(jobs=(("a", "t"),), overdue_tasks=("t",))


def test_a_finished_task_that_left_is_not_discovered_again(ledger: Ledger, clock: Clock) -> None:
    discover(ledger, done("t", "a"))
    pass_retention(ledger, clock)
    ledger.discover(["t", "t", "u"], source="discovery")

    assert tracked_ids(ledger) == ["u"]


def test_a_task_that_was_given_up_is_not_discovered_again(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(limits=Limits(give_up_after=HOUR), clock=clock, dropped=dropped.append)
    discover(ledger, running("t", "a"))
    track(ledger, running("named", "b"))
    clock.now += HOUR
    ledger.view()
    before = list(dropped)
    clock.now += 1
    ledger.view()
    ledger.discover(["t"], source="discovery")

    assert (before, dropped) == ([], ["given_up"])
    assert tracked_ids(ledger) == ["named"]
    ledger.name("key", ["t"], source="tasks")
    assert tracked_ids(ledger) == ["named", "t"]


def test_an_answer_that_comes_after_its_task_was_given_up_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    discover(ledger, running("t", "a"))
    clock.now += 8 * 24 * HOUR
    before = ledger.view()
    ask_task(ledger, done("t", "a"))
    ask_jobs(ledger, ["a"], success("a"))

    assert before.tracked_tasks == {}
    assert ledger.view() == before
    assert ledger.observe_not_found("t") is False
    assert ledger.observe_event(EndedJob("a")) is False


def test_a_task_is_asked_about_after_a_long_stop_before_it_is_given_up(clock: Clock, dropped: list[str]) -> None:
    """The account may have been out of the configuration for a month."""
    store = MemoryStore()
    first = Ledger(store=store, clock=clock)
    discover(first, running("t", "a"), running("u", "b"))
    first.view()
    clock.now += 30 * 24 * HOUR
    second = Ledger(store=store, clock=clock, dropped=dropped.append)
    second.view()
    waiting = next_work(second)
    ask_task(second, done("t", "a"))
    ask_jobs(second, ["b"], Job("b", "HD", "Transcoding"))
    second.view()

    assert waiting.jobs == (("a", "t"), ("b", "u"))
    assert dropped == ["given_up"]
    assert tracked_ids(second) == ["t"]


def test_only_a_deletion_of_an_unfinished_task_is_reported_as_dropped(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(clock=clock, dropped=dropped.append)
    track(ledger, running("t", "a"), done("u", "b"))
    for task_id in ("t", "u", "t"):
        ledger.delete(task_id)

    assert dropped == ["deleted"]


def test_a_task_registered_before_vod_knows_it_can_still_be_discovered(
    ledger: Ledger, clock: Clock, dropped: list[str]
) -> None:
    ledger.register(["t"], source="api")
    clock.now += 600
    ledger.observe_not_found("t")
    assert ledger.observe_not_found("t") is True
    ledger.view()
    ledger.discover(["t"], source="discovery")
    assert ledger.work().new_tasks == ("t",)
