"""The roster follows changes: what it says is what a look at all tasks and jobs says, and it looks at few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import UNKNOWN, EndedJob, Job, Task, job_status
from exporter.snapshot import LedgerView
from exporter.tracking import records
from exporter.tracking.ledger import Ledger
from exporter.tracking.queue import ASK_WHOLE_SECONDS
from exporter.tracking.records import JobRecord, TaskRecord, TrackedTask
from exporter.tracking.store import Changes, MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import NOW, Clock, examples

LIMITS = Limits(max_jobs=4, retention=100.0, max_staleness=50.0, give_up_after=1000.0)
TASKS = ("t", "u", "v")
IDS = st.sampled_from(TASKS)
TASK_STATUSES = st.sampled_from(("Processing", "CompleteAllSucc"))
STATUSES = ("Transcoding", "TranscodeSuccess", "TranscodeFail", "Odd")
JOBS = st.lists(
    st.builds(
        Job,
        st.sampled_from("abcdefg"),
        st.sampled_from(("HD", "SD")),
        st.sampled_from(STATUSES),
        created=st.sampled_from((None, NOW - 9, NOW - 5)),
    ),
    max_size=4,
    unique_by=lambda job: job.id,
)


def observe(ledger: Ledger, task_id: str, status: str, jobs: list[Job], *, asked: bool) -> None:
    ledger.observe_task(task_id, Task(task_id, f"of {task_id}", status, jobs=tuple(jobs)))
    if asked:
        ledger.asked_task(task_id)


def observe_jobs(ledger: Ledger, jobs: list[Job]) -> None:
    ledger.observe_jobs("abcdefg", jobs)
    ledger.asked_jobs([job.id for job in jobs])


def not_found(ledger: Ledger, task_id: str) -> None:
    ledger.observe_not_found(task_id)
    ledger.asked_task(task_id)


STEPS = st.one_of(
    st.builds(partial, st.just(observe), task_id=IDS, status=TASK_STATUSES, jobs=JOBS, asked=st.booleans()),
    st.builds(partial, st.just(observe_jobs), jobs=JOBS),
    st.builds(partial, st.just(not_found), task_id=IDS),
    st.builds(lambda task_id: lambda ledger: ledger.listed([task_id]), IDS),
    st.builds(lambda job_id: lambda ledger: ledger.observe_event(EndedJob(job_id)), st.sampled_from("abcdefg")),
    st.builds(lambda ids: lambda ledger: ledger.name("key", ids, source="tasks"), st.sets(IDS)),
    st.builds(lambda task_id: lambda ledger: ledger.register([task_id], source="api"), IDS),
    st.builds(lambda task_id: lambda ledger: ledger.delete(task_id), IDS),
    st.just(Ledger.start_refresh),
    st.just(Ledger.view),
)
SECONDS = st.sampled_from((0.0, 1.0, 40.0, 60.0, 101.0, 700.0, -30.0, -500.0))


@examples(3)
@given(st.lists(st.tuples(SECONDS, STEPS), max_size=40))
def test_what_is_shown_and_due_is_what_a_look_at_everything_says(
    steps: list[tuple[float, Callable[[Ledger], object]]],
) -> None:
    """Whatever happens in between, and also if the clock is set back."""
    clock = Clock()
    ledger = Ledger(limits=LIMITS, clock=clock)
    ledger.name("key", TASKS, source="tasks")
    for seconds, step in steps:
        clock.now += seconds
        step(ledger)
    work = ledger.work()
    assert_is_due(ledger, work, clock.now)
    assert_is_shown(ledger, ledger.view(), clock.now)


def assert_is_shown(ledger: Ledger, view: LedgerView, now: float) -> None:
    roster = ledger._roster
    unfinished = [job for job in roster.jobs.values() if job.finished_at is None]
    fresh = [job for job in unfinished if abs(now - job.refreshed) <= LIMITS.max_staleness]
    finished = [job for job in roster.jobs.values() if job.finished_at is not None]
    latest = sorted((job.finished_at or 0.0 for job in finished), reverse=True)
    count = min(len(fresh), LIMITS.max_jobs)
    counts = {key: number for key, number in view.job_counts.items() if number}
    oldest: dict[str, float] = {}
    for job in unfinished:
        if job.job.created is not None:
            oldest[job.job.definition] = min(job.job.created, oldest.get(job.job.definition, job.job.created))

    assert counts == Counter((job.job.definition, job_status(job.job.status)) for job in roster.jobs.values())
    assert sum(view.task_counts.values()) == sum(task.task is not None for task in roster.tasks.values())
    assert view.tracked_tasks == Counter(task.source for task in roster.tasks.values())
    assert view.oldest_unfinished == oldest
    assert view.oldest_refresh == min((job.refreshed for job in unfinished), default=None)
    assert view.stale_jobs == len(unfinished) - len(fresh)
    assert len(view.jobs) == min(len(fresh) + len(finished), LIMITS.max_jobs)
    assert {job.job.id for job in view.jobs[:count]} <= {job.job.id for job in fresh}
    ends = [roster.jobs[job.job.id].finished_at for job in view.jobs[count:]]
    assert ends == latest[: len(ends)]
    for shown in view.jobs:
        job = roster.jobs[shown.job.id]
        task = roster.tasks[job.task_id].task
        assert (shown.job, shown.task_id) == (job.job, job.task_id)
        assert (shown.video_id, shown.progress_since) == (task.video_id if task is not None else "", job.progress_since)
    assert {task.task.id for task in view.tasks} >= {job.task_id for job in view.jobs}


def assert_is_due(ledger: Ledger, work: Work, now: float) -> None:
    roster, before = ledger._roster, ledger._calls_before
    asked = {
        task.id: task
        for task in roster.tasks.values()
        if task.finished_at is None and not 0 < task.ask_after - now <= 600 and task.asked <= before
    }
    whole = {task_id for task_id, task in asked.items() if needs_whole(ledger, task)}
    overdue = {id_ for id_, task in asked.items() if not 0 <= now - task.refreshed < ASK_WHOLE_SECONDS} - whole
    # A whole task that the refresh has asked about describes its jobs.
    described = {task.id for task in roster.tasks.values() if needs_whole(ledger, task) and not task.ask_after}
    jobs = {
        (job.job.id, job.task_id)
        for job in roster.jobs.values()
        if job.finished_at is None and job.asked <= before and job.task_id not in whole | described
    }

    assert {*work.new_tasks, *work.whole_tasks} == whole
    assert set(work.overdue_tasks) >= overdue
    assert {*work.jobs, *work.prioritized_jobs} >= jobs
    assert all(roster.jobs[job_id].prioritized for job_id, _ in work.prioritized_jobs)
    for ids in (work.new_tasks, work.whole_tasks, work.overdue_tasks):
        numbers = [roster.tasks[task_id].asked for task_id in ids]
        assert numbers == sorted(numbers)
    for pairs in (work.jobs, work.prioritized_jobs):
        numbers = [roster.jobs[job_id].asked for job_id, _ in pairs]
        assert numbers == sorted(numbers)


def needs_whole(ledger: Ledger, task: TrackedTask) -> bool:
    jobs = ledger._roster.jobs_of(task)
    return task.finished_at is None and (
        task.stale or not any(job.finished_at is None and job_status(job.job.status) != UNKNOWN for job in jobs)
    )


# -- how much is looked at -------------------------------------------------------------------------------------------

UNFINISHED = 300


def known(count: int) -> Ledger:
    """A ledger that knows so many jobs, four for each task. 300 jobs are unfinished, and 500 are shown."""
    store = MemoryStore()
    store.load("", now=0.0)
    tasks, jobs = [], []
    for number in range(0, count, 4):
        status, finished = ("Processing", None) if number < UNFINISHED else ("CompleteAllSucc", NOW - count + number)
        task = Task(f"t{number}", "v", status)
        tasks.append(TaskRecord(id=task.id, source="tasks", since=NOW, task=task, refreshed=NOW, finished_at=finished))
        for place in range(number, number + 4):
            job = Job(f"j{place}", "HD", "Transcoding" if finished is None else "TranscodeSuccess", 0.5, created=NOW)
            jobs.append(JobRecord(job=job, task_id=task.id, refreshed=NOW, finished_at=finished))
    store.save("", Changes(now=0.0, tasks=tasks, jobs=jobs))
    limits = Limits(max_jobs=500, retention=1e9, max_staleness=1e9, give_up_after=1e9)
    ledger = Ledger(limits=limits, store=store, clock=lambda: NOW + 1)
    ledger.view()
    return ledger


@contextmanager
def looks(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[int]]:
    """The tasks and jobs of which something is read or set meanwhile."""
    touched: set[int] = set()

    def read(record: object, name: str) -> Any:
        touched.add(id(record))
        return object.__getattribute__(record, name)

    with monkeypatch.context() as patch:
        for kind in (records._NotingTask, records._NotingJob):
            patch.setattr(kind, "__getattribute__", read, raising=False)
        yield touched


def nothing(ledger: Ledger) -> None:
    ledger.view()


def plan(ledger: Ledger) -> None:
    ledger.start_refresh()
    ledger.work(most_tasks=20, most_jobs=200)


def answer(ledger: Ledger) -> None:
    """One call about ten jobs: two have progress, and one has ended."""
    ids = [f"j{number}" for number in range(20, 30)]
    ledger.asking(job_ids=ids)
    seen = [Job(id_, "HD", "Transcoding", 0.5, created=NOW) for id_ in ids]
    seen[:3] = [
        Job(ids[0], "HD", "Transcoding", 0.6, created=NOW),
        Job(ids[1], "HD", "Transcoding", 0.7, created=NOW),
        Job(ids[2], "HD", "TranscodeSuccess", 1.0, created=NOW),
    ]
    ledger.observe_jobs(ids, seen)
    ledger.asked_jobs(ids)
    ledger.work(most_tasks=20, most_jobs=200)


def finish(ledger: Ledger) -> None:
    for number in range(40, 60, 4):
        jobs = tuple(Job(f"j{place}", "HD", "TranscodeSuccess", 1.0) for place in range(number, number + 4))
        ledger.observe_task(f"t{number}", Task(f"t{number}", "v", "CompleteAllSucc", jobs=jobs))
    ledger.view()


@pytest.mark.slow
def test_a_scrape_and_a_call_look_at_as_many_records_of_100_000_as_of_1_000(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape with nothing due took 64 ms with 100,000 known jobs, and 178 ms with 300,000."""
    steps: list[Callable[[Ledger], None]] = [nothing, plan, answer, nothing, finish, nothing, nothing]
    counts: list[list[int]] = []
    for size in (1_000, 100_000):
        ledger = known(size)
        counts.append([])
        for step in steps:
            with looks(monkeypatch) as touched:
                step(ledger)
            counts[-1].append(len(touched))

    assert counts[0] == counts[1]
    assert counts[0][0] == counts[0][-1] == 0
    assert counts[0][2] < UNFINISHED
