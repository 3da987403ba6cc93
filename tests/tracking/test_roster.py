"""The roster: tasks and jobs in one collection, which knows the changes that the store does not have yet."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

from exporter.model import Job
from exporter.snapshot import Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord, TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.store import Changes, Memory, PendingEvent

NOW = 1_700_000_000.0
TOTALS = TotalsView({(Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")): 1.0})
FINISHED = Memory(NOW + 10, finished=True)


def roster_of(*task_ids: str) -> Roster:
    """A roster of these tasks without unsaved changes."""
    roster = Roster(TaskRecord(id=task_id, source="tasks", since=NOW) for task_id in task_ids)
    assert changes(roster) is None
    return roster


def changes(roster: Roster, *, now: float = NOW) -> Changes | None:
    return roster.take(TotalsView(), now=now)


def add_job(roster: Roster, job_id: str, task: TrackedTask) -> None:
    roster.add_job(Job(job_id, "HD", "Transcoding"), task, refreshed=NOW, asked=1)


def test_changes_hold_all_present_values_and_are_none_after_a_save() -> None:
    roster = roster_of("gone", "t")
    roster.remove_task(roster.tasks["gone"], FINISHED)
    roster.add_task("u", source="api", since=NOW, already_counted=True)
    add_job(roster, "a", roster.tasks["t"])
    roster.tasks["t"].finished_at = NOW
    taken = roster.take(TOTALS, now=NOW)

    assert taken == Changes(
        now=NOW,
        tasks=[
            TaskRecord(id="u", source="api", since=NOW, already_counted=True),
            TaskRecord(id="t", source="tasks", since=NOW, finished_at=NOW),
        ],
        jobs=[JobRecord(job=Job("a", "HD", "Transcoding"), task_id="t", refreshed=NOW)],
        dropped_tasks=("gone",),
        dropped_jobs=(),
        totals=TOTALS,
        remembered={"gone": FINISHED},
    )
    assert changes(roster) is None


def test_totals_alone_are_a_change() -> None:
    assert Roster().take(TOTALS, now=NOW) == Changes(now=NOW, totals=TOTALS, tasks=[], jobs=[])


def test_records_handed_to_the_store_do_not_change_later() -> None:
    roster = roster_of("t")
    roster.tasks["t"].finished_at = NOW
    taken = changes(roster)
    roster.tasks["t"].finished_at = NOW + 1

    assert taken is not None
    assert [task.finished_at for task in taken.tasks] == [NOW]


def test_a_memory_is_known_until_it_is_saved_or_past() -> None:
    roster = roster_of("t", "u")
    roster.remove_task(roster.tasks["t"], FINISHED)
    before = roster.memory("t")
    changes(roster, now=NOW + 11)
    past = roster.memory("t")
    roster.remove_task(roster.tasks["u"], FINISHED)
    changes(roster)

    assert (before, past) == (FINISHED, None)
    assert roster.memory("u") is None


def test_jobs_are_loaded_with_their_tasks_and_left_out_without_them() -> None:
    roster = Roster(
        [TaskRecord(id="late", source="tasks", since=NOW + 1), TaskRecord(id="early", source="tasks", since=NOW)],
        [JobRecord(job=Job(job_id), task_id=task_id, refreshed=NOW) for job_id, task_id in (("a", "late"), ("b", "x"))],
    )

    assert list(roster.tasks) == ["early", "late"]
    assert list(roster.jobs) == ["a"]
    assert [job.job.id for job in roster.jobs_of(roster.tasks["late"])] == ["a"]


@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
@pytest.mark.parametrize("heir_finished", [False, True], ids=["unfinished heir", "finished heir"])
def test_a_job_goes_to_another_task_that_named_it_and_can_ask_about_it(*, finished: bool, heir_finished: bool) -> None:
    roster = roster_of("t", "u")
    add_job(roster, "a", roster.tasks["t"])
    job = roster.jobs["a"]
    job.claimed_by = ("t", "gone", "u")
    job.finished_at = NOW if finished else None
    roster.tasks["u"].finished_at = NOW if heir_finished else None
    changes(roster)
    roster.remove_task(roster.tasks["t"], FINISHED)
    left = changes(roster)

    assert left is not None
    if heir_finished and not finished:
        assert (dict(roster.jobs), roster.tasks["u"].job_ids) == ({}, [])
        assert left.dropped_jobs == ("a",)
    else:
        assert (roster.jobs["a"].task_id, roster.tasks["u"].job_ids) == ("u", ["a"])
        assert [record.task_id for record in left.jobs] == ["u"]


def test_an_unfinished_job_is_removed_when_two_answers_leave_it_out() -> None:
    roster = roster_of("t")
    task = roster.tasks["t"]
    for job_id in "ab":
        add_job(roster, job_id, task)
    roster.jobs["b"].finished_at = NOW
    roster.note_missing(task, {"b"})
    once = list(roster.jobs), task.stale
    roster.note_missing(task, set())

    assert once == (["a", "b"], True)
    assert list(roster.jobs) == task.job_ids == ["b"]
    assert task.stale is False


def test_progress_of_unfinished_jobs_is_saved_on_request_alone() -> None:
    roster = roster_of("t")
    for job_id in "ab":
        add_job(roster, job_id, roster.tasks["t"])
    roster.jobs["b"].finished_at = NOW
    changes(roster)
    roster.jobs["a"].describe(Job("a", "HD", "Transcoding", 0.9))
    before = changes(roster)
    roster.note_progress()
    after = changes(roster)

    assert before is None
    assert after is not None
    assert [record.job.progress for record in after.jobs] == [0.9]


def test_changes_that_were_not_saved_are_taken_again_with_those_made_since() -> None:
    roster = roster_of("gone", "t")
    roster.remove_task(roster.tasks["gone"], FINISHED)
    roster.add_task("u", source="api", since=NOW, already_counted=True)
    add_job(roster, "a", roster.tasks["t"])
    roster.add_event("b", PendingEvent(1.0, 2.0, NOW))
    first = roster.take(TOTALS, now=NOW)
    roster.tasks["t"].finished_at = NOW
    roster.restore()
    again = roster.take(TOTALS, now=NOW)

    assert first is not None
    assert again == replace(first, tasks=[*first.tasks, roster.tasks["t"].record()])
    assert changes(roster) is None


def test_an_event_is_saved_again_when_it_changes_and_dropped_when_it_is_used() -> None:
    roster = roster_of()
    started, ended = PendingEvent(1.0, None, NOW), PendingEvent(1.0, 2.0, NOW)
    roster.add_event("a", started)
    taken = [changes(roster)]
    roster.add_event("a", ended)
    taken.append(changes(roster))
    assert roster.drop_event("a") == ended
    taken.append(changes(roster))

    assert [(saved.events, saved.dropped_events) for saved in taken if saved is not None] == [
        ({"a": started}, ()),
        ({"a": ended}, ()),
        ({}, ("a",)),
    ]


def test_an_event_that_is_used_before_it_is_saved_causes_no_save() -> None:
    roster = roster_of()
    roster.add_event("a", PendingEvent(1.0, 2.0, NOW))
    roster.drop_event("a")
    assert changes(roster) is None


def test_a_roster_that_nobody_uses_is_freed_at_once() -> None:
    """With 300,000 jobs Python would need a second to find it among all objects."""
    roster = roster_of("t")
    add_job(roster, "a", roster.tasks["t"])
    roster.update()
    left = weakref.ref(roster)
    gc.disable()
    try:
        del roster
        assert left() is None
    finally:
        gc.enable()
