"""The view counts every tracked job and task, and shows a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import DEFINITIONS, JOB_STATUSES, TASK_STATUSES, Job, Task
from exporter.snapshot import LedgerView, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.roster import Roster
from exporter.tracking.view import Limits, view

NOW = 1_700_000_000.0


def tracked(
    job_id: str, status: str = "Transcoding", *, task_id: str = "t", definition: str = "HD", age: float = 0.0
) -> JobRecord:
    job = Job(job_id, definition, status, progress=0.5, created=NOW - 1000 - age)
    over = NOW - age if job.finished else None
    return JobRecord(job=job, task_id=task_id, refreshed=NOW - age, finished_at=over)


def tracked_task(task: Task, *, age: float = 0.0, finished: bool = False) -> TaskRecord:
    at = NOW - age
    return TaskRecord(
        id=task.id, source="tasks", since=at, task=task, refreshed=at, finished_at=at if finished else None
    )


def show(
    *jobs: JobRecord, now: float = NOW, limits: Limits | None = None, empty: Iterable[TaskRecord] = ()
) -> LedgerView:
    task_ids = dict.fromkeys(job.task_id for job in jobs)
    tasks = [*empty, *(tracked_task(Task(task_id, "video", "Processing")) for task_id in task_ids)]
    return view(Roster(tasks, jobs), definitions=DEFINITIONS, limits=limits or Limits(), now=now)


def ids(shown: LedgerView) -> list[str]:
    return [one.job.id for one in shown.jobs]


def test_counts_are_zero_filled() -> None:
    shown = show()

    assert set(shown.task_counts) == {*TASK_STATUSES, "unknown"}
    assert set(shown.job_counts) == {(one, status) for one in DEFINITIONS for status in (*JOB_STATUSES, "unknown")}
    assert sum(shown.task_counts.values()) == sum(shown.job_counts.values()) == 0


def test_unknown_statuses_and_definitions_are_counted() -> None:
    shown = show(
        tracked("a", "Unlisted"),
        tracked("b", "", definition="XL"),
        tracked("c", definition=""),
        tracked("d", definition="4K"),
    )

    assert {key: count for key, count in shown.job_counts.items() if count} == {
        ("HD", "unknown"): 1,
        ("other", "unknown"): 1,
        ("unknown", "Transcoding"): 1,
        ("4K", "Transcoding"): 1,
    }


def test_series_are_bounded_and_unfinished_jobs_come_first() -> None:
    jobs = [
        tracked("old", "TranscodeSuccess", age=50),
        tracked("new", "TranscodeFail", age=5),
        tracked("a"),
        tracked("older", "TranscodeSuccess", age=99),
        tracked("b"),
    ]

    shown = show(*jobs, limits=Limits(max_jobs=3))
    assert ids(shown) == ["a", "b", "new"]
    assert shown.truncated_jobs == 2
    assert sum(shown.job_counts.values()) == 5
    assert ids(show(*jobs, limits=Limits(max_jobs=1))) == ["a"]


def test_a_job_not_refreshed_for_long_has_no_series_and_is_counted_as_stale() -> None:
    shown = show(tracked("a", age=301), tracked("b", age=299), tracked("c", "TranscodeSuccess", age=301))

    assert ids(shown) == ["b", "c"]
    assert (shown.stale_jobs, shown.truncated_jobs) == (1, 0)
    assert shown.oldest_refresh == NOW - 301


def test_a_clock_set_back_does_not_make_old_data_new() -> None:
    assert show(tracked("a"), now=NOW - 3600).stale_jobs == 1
    assert show(tracked("a"), now=NOW - 1).stale_jobs == 0


def test_without_per_job_series_everything_is_still_counted() -> None:
    shown = show(tracked("a"), tracked("b", "TranscodeSuccess"), limits=Limits(per_job=False))

    assert (shown.jobs, shown.tasks, shown.truncated_jobs) == ((), (), 0)
    assert sum(shown.job_counts.values()) == 2


def test_a_task_is_shown_with_its_jobs_and_the_mean_of_their_progress() -> None:
    shown = show(tracked("a"), tracked("b", task_id="u"))

    assert [(one.task.id, one.progress) for one in shown.tasks] == [("t", 0.5), ("u", 0.5)]
    assert [(one.job.id, one.task_id, one.video_id) for one in shown.jobs] == [("a", "t", "video"), ("b", "u", "video")]


def test_a_task_without_jobs_is_shown_unless_stale_or_never_seen() -> None:
    bad = tracked_task(Task("bad", status="CompleteAllFail"), age=999, finished=True)
    started = tracked_task(Task("started", status="Processing"))
    stale = tracked_task(Task("stale", status="Processing"), age=999)
    new = TaskRecord(id="new", source="videos", since=NOW)

    shown = show(empty=[bad, started, stale, new])
    assert [one.task.id for one in shown.tasks] == ["bad", "started"]
    assert shown.tracked_tasks == {"tasks": 3, "videos": 1}


def test_tasks_of_shown_jobs_are_not_cut_for_tasks_without_jobs() -> None:
    empty = [tracked_task(Task(f"e{number}")) for number in range(5)]

    shown = show(tracked("a"), limits=Limits(max_jobs=2), empty=empty)
    assert [one.task.id for one in shown.tasks] == ["t", "e0"]


def test_the_oldest_unfinished_job_includes_stale_jobs() -> None:
    jobs = [tracked("a"), tracked("b", age=900), tracked("c", definition="LD"), tracked("d", "TranscodeFail", age=950)]

    assert show(*jobs).oldest_unfinished == {"HD": NOW - 1900, "LD": NOW - 1000}


@given(
    st.lists(
        st.tuples(
            st.sampled_from((*JOB_STATUSES, "Unlisted", "")),
            st.sampled_from(("HD", "XL", "")),
            st.floats(-4000, 90_000),
        ),
        max_size=30,
    ),
    st.integers(1, 10),
)
def test_every_job_is_counted_once_and_is_shown_stale_or_truncated(
    kinds: list[tuple[str, str, float]], max_jobs: int
) -> None:
    jobs = [tracked(f"j{n}", status, definition=name, age=age) for n, (status, name, age) in enumerate(kinds)]

    shown = show(*jobs, limits=Limits(max_jobs=max_jobs))
    assert len(shown.jobs) + shown.stale_jobs + shown.truncated_jobs == len(jobs) == sum(shown.job_counts.values())
    assert len(set(ids(shown))) == len(shown.jobs) <= max_jobs


def test_only_the_jobs_that_finished_last_keep_their_texts() -> None:
    """The page shows no other. Their texts would take most of the memory."""
    records = [tracked(name, "TranscodeFail", age=age) for name, age in (("a", 2), ("b", 1), ("c", 3))]
    records = [replace(one, job=replace(one.job, error_message="why", input_url="http://h/in")) for one in records]
    task = tracked_task(Task("t", "video", "Processing"))
    for limits, kept in ((Limits(max_jobs=2), ["a", "b"]), (Limits(per_job=False), [])):
        roster = Roster([task], records)
        view(roster, definitions=DEFINITIONS, limits=limits, now=NOW)
        changes = roster.take(TotalsView(), now=NOW)

        assert [name for name, job in roster.jobs.items() if job.job.error_message and job.job.input_url] == kept
        assert changes is not None
        assert sorted([*kept, *(one.job.id for one in changes.jobs if not one.job.error_message)]) == ["a", "b", "c"]


def test_a_job_without_texts_does_not_get_them_again() -> None:
    roster = Roster([tracked_task(Task("t", "video", "Processing"))], [tracked("a", "TranscodeFail")])
    view(roster, definitions=DEFINITIONS, limits=Limits(per_job=False), now=NOW)
    job = roster.jobs["a"]
    before = job.job
    job.describe(replace(before, error_message="why"))

    assert job.job is before


def test_what_was_shown_of_a_job_does_not_keep_its_texts() -> None:
    record = tracked("a", "TranscodeFail")
    roster = Roster([tracked_task(Task("t", "video", "Processing"))], [record])
    for limits in (Limits(), Limits(per_job=False)):
        view(roster, definitions=DEFINITIONS, limits=limits, now=NOW)

    assert roster.jobs["a"].shown is None
