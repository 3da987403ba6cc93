"""What the store has not been given: everything it needs, nothing it need not know."""

from __future__ import annotations

from exporter.model import Job
from exporter.snapshot import Total, TotalsView
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import Changes, Memory
from exporter.tracking.unsaved import Marks, Unsaved

NOW = 1_700_000_000.0


def marks(of: Marks) -> tuple[list[str], list[str]]:
    return list(of.changed), list(of.dropped)


def test_what_comes_and_goes_before_a_save_leaves_no_mark() -> None:
    one = Marks()
    one.add("a")
    one.change("a")
    one.drop("a")

    assert marks(one) == ([], [])
    assert not one


def test_what_was_saved_and_goes_is_dropped_even_if_it_comes_and_goes_again() -> None:
    one = Marks()
    one.add("a")
    one.clear()
    one.drop("a")
    dropped = marks(one)
    one.add("a")
    back = marks(one)
    one.drop("a")

    assert dropped == ([], ["a"])
    assert back == (["a"], [])
    assert marks(one) == ([], ["a"])


def test_a_change_of_what_was_loaded_is_a_change_and_its_end_a_drop() -> None:
    one = Marks()
    one.change("a")
    changed = marks(one)
    one.drop("a")

    assert changed == (["a"], [])
    assert marks(one) == ([], ["a"])


def test_changes_are_everything_as_it_is_now_and_none_where_there_is_nothing() -> None:
    unsaved = Unsaved()
    task = TrackedTask(id="t", source="tasks", since=NOW)
    job = TrackedJob(job=Job("a"), task_id="t", refreshed=NOW)
    totals = TotalsView({(Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")): 1.0})
    nothing = unsaved.changes({}, {}, TotalsView(), now=NOW)
    unsaved.tasks.add("t")
    unsaved.jobs.add("a")
    unsaved.tasks.drop("gone")
    unsaved.jobs.drop("gone too")
    unsaved.remember("gone", Memory(NOW, finished=True))
    task.finished_at = NOW
    changes = unsaved.changes({"t": task}, {"a": job}, totals, now=NOW)
    unsaved.clear()

    assert nothing is None
    assert changes == Changes(
        now=NOW,
        tasks=[task.record()],
        jobs=[job.record()],
        dropped_tasks=("gone",),
        dropped_jobs=("gone too",),
        totals=totals,
        remembered={"gone": Memory(NOW, finished=True)},
    )
    assert unsaved.changes({}, {}, TotalsView(), now=NOW) is None


def test_totals_alone_are_a_change() -> None:
    totals = TotalsView({(Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")): 1.0})

    assert Unsaved().changes({}, {}, totals, now=NOW) == Changes(now=NOW, totals=totals, tasks=[], jobs=[])


def test_a_memory_is_known_until_it_is_saved_or_past() -> None:
    unsaved = Unsaved()
    unsaved.remember("t", Memory(NOW + 10, finished=False))
    before = unsaved.remembered("t")
    unsaved.changes({}, {}, TotalsView(), now=NOW + 11)

    assert before == Memory(NOW + 10, finished=False)
    assert unsaved.remembered("t") is None
