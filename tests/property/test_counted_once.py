"""Each finish counts once, for any order of answers, discoveries, crashes, full disks and steps of the clock.

Every job has a definition of its own and every task a status and trigger of its own, so that the totals show
how often each was counted.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from exporter.errors import StateError
from exporter.model import EndedJob, Job, Output, Task
from exporter.snapshot import Total, TotalsView
from exporter.tracking import arrivals
from exporter.tracking.departures import MEMORY_MARGIN_SECONDS
from exporter.tracking.ledger import Ledger
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.roster import MAX_JOBS
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import MemoryStore, Store
from exporter.tracking.view import Limits
from tests.conftest import NOW
from tests.tracking.conftest import DAY, HOUR, FailingStore

pytestmark = pytest.mark.slow

STATE_CREATED = NOW
MINUTE = 60.0
LIMITS = Limits(retention=15 * MINUTE, give_up_after=7 * DAY, lookback=DAY)

TASKS = ("t0", "t1", "t2", "t3")
FINAL = {
    "t0": ("CompleteAllSucc", "Auto"),
    "t1": ("CompleteAllFail", "Auto"),
    "t2": ("CompletePartialSucc", "Auto"),
    "t3": ("CompleteAllSucc", "Manual"),
}
SHARED = "shared"  # of the first two tasks
JOBS = {task: (f"{task}a", f"{task}b", *((SHARED,) if task in ("t0", "t1") else ())) for task in TASKS}
JOB_IDS = tuple(dict.fromkeys(job for jobs in JOBS.values() for job in jobs))
JOB_STATUSES = ("Transcoding", "Unlisted", "TranscodeSuccess", "TranscodeFail")
OUTPUT = Output(duration=1.0)

task_ids = st.sampled_from(TASKS)
some_tasks = st.lists(task_ids, unique=True)
described_jobs = st.dictionaries(
    st.sampled_from(JOB_IDS), st.tuples(st.sampled_from(JOB_STATUSES), st.none() | st.just(OUTPUT)), max_size=4
)


@dataclass
class Model:
    """The jobs and tasks that have been counted."""

    jobs: set[str] = field(default_factory=set)
    tasks: set[str] = field(default_factory=set)


class CountedOnce(RuleBasedStateMachine):
    """`self.time` is the true time, `self.off` by how much the exporter's clock differs from it.

    `self.excused` need not be counted: they were given up, or were over for longer than is remembered at first sight.
    """

    def make(self) -> Store:
        return MemoryStore()

    def __init__(self) -> None:
        super().__init__()
        self.time = STATE_CREATED
        self.off = 0.0
        self.ended: dict[str, float] = {}
        self.excused: set[str] = set()
        self.model = Model()
        self.kept = Model()  # the part of the model that the store has
        self.taken: Model | None = None  # the part of the model that is being saved, while VOD answers
        self.shown: dict[str, float] = {}
        self.store = FailingStore(self.make(), saved=self._taken)
        self.ledger = self._open()

    def _clock(self) -> float:
        return self.time + self.off

    def _taken(self) -> None:
        self.kept = deepcopy(self.model if self.taken is None else self.taken)

    def _open(self) -> Ledger:
        return Ledger("prod", LIMITS, store=self.store, clock=self._clock)

    # Time, the disk and crashes

    @initialize()
    def begin(self) -> None:
        self.ledger.start_refresh()

    @rule(seconds=st.sampled_from((1.0, MINUTE, 11 * MINUTE, 16 * MINUTE, HOUR, 20 * HOUR, 3 * DAY)))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds

    @rule(off=st.sampled_from((0.0, 0.0, -HOUR, DAY)))
    def clock_steps(self, off: float) -> None:
        self.off = off

    @rule(reads=st.booleans(), writes=st.booleans())
    def disk_fails_or_recovers(self, *, reads: bool, writes: bool) -> None:
        self.store.reads, self.store.writes = reads, writes

    @rule()
    def crash(self) -> None:
        self.ledger = self._open()
        self.model = deepcopy(self.kept)
        self.ledger.start_refresh()

    # Sources

    @rule(found=some_tasks)
    def discover(self, found: list[str]) -> None:
        """A list has the unfinished tasks, and those that ended within the lookback."""
        since = self._clock() - LIMITS.lookback
        listed = [task_id for task_id in found if self.ended.get(task_id, self.time) >= since]
        self.ledger.discover(listed, source="discovery")

    @rule(key=st.sampled_from("xy"), named=some_tasks)
    def name(self, key: str, named: list[str]) -> None:
        self.ledger.name(key, named, source="tasks")

    @rule(registered=some_tasks)
    def register(self, registered: list[str]) -> None:
        before = self.ledger.tasks()
        try:
            described = self.ledger.register(registered, source="api")
        except StateError:  # none of them is tracked; finished tasks may have given way
            after = self.ledger.tasks()
            assert after == [tracked for tracked in before if tracked in after]
            assert len(after) == len(before) or len(before) + len(registered) > arrivals.MAX_TASKS
        else:
            tracked = {task_id for task_id, *_ in self.ledger.tasks()}
            assert described == {task_id: task_id in tracked for task_id in registered}
            if any(described.values()):
                assert set(described) & tracked <= {one.id for one in self.store.load("prod", now=0.0).tasks}

    @rule(task_id=task_ids)
    def delete(self, task_id: str) -> None:
        with self._giving_up():
            self.ledger.delete(task_id)

    # Answers of VOD

    @rule(task_id=task_ids, over=st.booleans(), jobs=described_jobs)
    def answer_task(self, task_id: str, over: bool, jobs: dict[str, tuple[str, Output | None]]) -> None:
        own = {
            job_id: described
            for job_id, described in jobs.items()
            if job_id in JOBS[task_id] and self._may_name(job_id)
        }
        self._answer(task_id, over=over, jobs=own)

    @rule(jobs=described_jobs, asked=st.lists(st.sampled_from(JOB_IDS), unique=True, max_size=4))
    def answer_jobs(self, jobs: dict[str, tuple[str, Output | None]], asked: list[str]) -> None:
        with self._counting():
            self.ledger.observe_jobs(asked, [self._job(job_id, *described) for job_id, described in jobs.items()])

    @rule(job_id=st.sampled_from(JOB_IDS))
    def event(self, job_id: str) -> None:
        try:
            self.ledger.observe_event(EndedJob(job_id, processing=5.0))
        except StateError:
            assert not self.store.writes

    @rule(task_id=task_ids)
    def not_found(self, task_id: str) -> None:
        with self._giving_up():
            self.ledger.observe_not_found(task_id)

    @rule()
    def ask(self) -> None:
        self.ledger.start_refresh()
        work = self.ledger.work()
        for task_id in (*work.new_tasks, *work.whole_tasks):
            self.ledger.asked_task(task_id)
        self.ledger.asked_jobs([job_id for job_id, _ in work.jobs])

    # Views

    @rule()
    def view(self) -> None:
        with self._giving_up():
            view = self.ledger.view()
        counts = counted(view.totals)
        if view.durable:
            assert self.store.writes or self.model == self.kept
            self._is_in_the_store()
            assert all(counts.get(key, 0.0) >= amount for key, amount in self.shown.items())
            self.shown = counts
        assert {key for key, amount in counts.items() if amount and key in JOB_IDS} == self.model.jobs
        assert {key for key, amount in counts.items() if amount and key in TASKS} == self.model.tasks

    @rule(task_id=task_ids, over=st.booleans(), jobs=described_jobs)
    def answer_during_a_save(self, task_id: str, over: bool, jobs: dict[str, tuple[str, Output | None]]) -> None:
        def answer() -> None:
            self.taken = deepcopy(self.model)
            self.answer_task(task_id, over, jobs)

        self.store.meanwhile = answer
        try:
            with self._giving_up():
                self.ledger.view()
        finally:
            self.store.meanwhile = lambda: None
            self.taken = None

    @invariant()
    def nothing_is_counted_twice(self) -> None:
        assert max(counted(self.ledger._totals.view()).values()) <= 1

    def _is_in_the_store(self) -> None:
        """The store has everything that a new ledger needs to count each finish once."""
        stored, roster = self.store.load("prod", now=self._clock()), self.ledger._roster
        assert essentials(stored.tasks) == essentials(roster.tasks.values())
        assert essentials(stored.jobs) == essentials(roster.jobs.values())
        totals = self.ledger._totals.view()
        assert stored.totals.histograms == {key: view for key, view in totals.histograms.items() if any(view.counts)}
        assert stored.totals.counters == {key: value for key, value in totals.counters.items() if value}

    def teardown(self) -> None:
        """In the end the disk works, and VOD reports that every task has ended."""
        try:
            self.off = 0.0
            self.store.reads = self.store.writes = True
            self.crash()
            waiting = set()
            # The tracked tasks end first, because they may leave no room. All are asked about twice, because their jobs
            # may not fit before those of another task have ended.
            for task_id in (*(tracked for tracked, *_ in self.ledger.tasks()), *TASKS, *TASKS):
                self.ledger.name("end", [task_id], source="tasks")
                waiting |= {task_id} if self._unfinished(task_id) else set()
                jobs: dict[str, tuple[str, Output | None]]
                jobs = {one: ("TranscodeSuccess", OUTPUT) for one in JOBS[task_id] if self._may_name(one)}
                self._answer(task_id, over=True, jobs=jobs)
            self.view()
            counts = counted(self.ledger.view().totals)
            for task_id in set(TASKS) - self.excused:
                assert counts[task_id] == 1
                if task_id in waiting:
                    assert all(counts[one] == 1 for one in JOBS[task_id] if one != SHARED)
            self.nothing_is_counted_twice()
        finally:
            self.store.close()

    # The model

    def _may_name(self, job_id: str) -> bool:
        """A job may belong to two tasks. Once it was counted and has left, it does not turn up in a task again.

        The state remembers the ids of tasks, not those of jobs (docs/tracking.md).
        """
        return job_id != SHARED or job_id in self.ledger._roster.jobs or job_id not in self.model.jobs

    def _unfinished(self, task_id: str) -> bool:
        tracked = self.ledger._roster.tasks.get(task_id)
        return tracked is not None and tracked.finished_at is None and not tracked.already_counted

    def _job(self, job_id: str, status: str, output: Output | None) -> Job:
        final = status in ("TranscodeSuccess", "TranscodeFail")
        completed = self.ended.setdefault(job_id, self.time) if final else None
        return Job(job_id, job_id, status, created=STATE_CREATED, completed=completed, output=output)

    def _answer(self, task_id: str, *, over: bool, jobs: dict[str, tuple[str, Output | None]]) -> None:
        status, trigger = FINAL[task_id] if over else ("Processing", FINAL[task_id][1])
        completed = self.ended.setdefault(task_id, self.time) if over else None
        described = tuple(self._job(job_id, *one) for job_id, one in jobs.items())
        tracked = self.ledger._roster.tasks.get(task_id)
        forgotten = self._clock() - LIMITS.lookback - MEMORY_MARGIN_SECONDS
        if completed is not None and tracked is not None and tracked.task is None and completed < forgotten:
            self.excused.add(task_id)
        with self._counting():
            self.ledger.observe_task(
                task_id, Task(task_id, "v", status, trigger, created=STATE_CREATED, completed=completed, jobs=described)
            )

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        """Add the tasks and jobs that become finished in the block to the model."""
        before = self._finished()
        over = {job_id for job_id, one in self.ledger._roster.jobs.items() if one.finished_at is not None}
        yield
        jobs, tasks = (now - then for now, then in zip(self._finished(), before, strict=True))
        jobs -= over  # such a job was not counted, because its task was before, and now belongs to another task
        assert not jobs & self.model.jobs
        assert not tasks & self.model.tasks
        self.model.jobs |= jobs
        self.model.tasks |= tasks

    def _finished(self) -> tuple[set[str], set[str]]:
        ledger = self.ledger
        already_counted = {one.id for one in ledger._roster.tasks.values() if one.already_counted}
        jobs = {
            one.job.id
            for one in ledger._roster.jobs.values()
            if one.task_id not in already_counted
            # A job in an undocumented status ends with its task.
            and (one.job.finished or (one.job.status == "Unlisted" and one.finished_at is not None))
        }
        return jobs, {
            one.id for one in ledger._roster.tasks.values() if one.finished_at is not None and not one.already_counted
        }

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        before = {task_id for task_id in TASKS if self._unfinished(task_id)}
        yield
        self.excused |= before - self.ledger._roster.tasks.keys()


def essentials(records: Iterable[TaskRecord | JobRecord]) -> dict[str, tuple[object, ...]]:
    """The stored fields by id, without those that VOD reports again after a restart: progress and its time."""
    found: dict[str, tuple[object, ...]] = {}
    for record in records:
        values = {field.name: getattr(record, field.name) for field in fields(type(record)) if field.name in STORED}
        if isinstance(record, TaskRecord):
            found[record.id] = (record.task and record.task.status, *values.items())
        else:
            seen = record.job if record.finished_at is not None else record.job.status
            found[record.job.id] = (seen, *values.items())
    return found


STORED = {field.name for field in (*fields(TaskRecord), *fields(JobRecord))} - {"refreshed", "task", "job"}


def counted(totals: TotalsView) -> dict[str, float]:
    """How often each task, each job, its output (`ID output`) and its processing (`ID processing`) was counted."""
    counts = dict.fromkeys((*TASKS, *JOB_IDS), 0.0)
    for (total, labels), histogram in totals.histograms.items():
        if total == Total.JOB_PROCESSING:
            counts[f"{labels[0]} processing"] = sum(histogram.counts)
    tasks = {labels: task_id for task_id, labels in FINAL.items()}
    for (total, labels), amount in totals.counters.items():
        if total == Total.TASKS_FINISHED and labels in tasks:
            counts[tasks[labels[0], labels[1]]] += amount
        elif total == Total.JOBS_FINISHED and labels[0] in JOB_IDS:
            counts[labels[0]] += amount
        elif total == Total.OUTPUT_DURATION and labels[0] in JOB_IDS:
            counts[f"{labels[0]} output"] = amount
    return counts


class CountedOnceInAFile(CountedOnce):
    """The same on SQLite. A crash opens the file again."""

    def make(self) -> Store:
        self.folder = Path(tempfile.mkdtemp())
        return SqliteStore(self.folder / "state.db")

    def _open(self) -> Ledger:
        self.store.inner.close()
        self.store.inner = SqliteStore(self.folder / "state.db")
        return super()._open()

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            shutil.rmtree(self.folder)


@pytest.mark.no_cover
@pytest.mark.timeout(900)  # the profile `thorough` runs many examples, also on a busy machine
@pytest.mark.parametrize(
    ("machine", "share", "jobs", "tasks"),
    [
        (CountedOnce, 0.4, MAX_JOBS, arrivals.MAX_TASKS),
        (CountedOnce, 0.3, 3, arrivals.MAX_TASKS),
        (CountedOnce, 0.2, MAX_JOBS, 2),
        (CountedOnceInAFile, 0.2, 4, 3),
    ],
    ids=["memory", "few jobs fit", "few tasks fit", "file"],
)
def test_each_finish_counts_once(
    machine: type[CountedOnce], share: float, jobs: int, tasks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file gets a fifth of the examples, because each commit to the disk is slow. So many jobs and tasks fit."""
    monkeypatch.setattr("exporter.tracking.roster.MAX_JOBS", jobs)
    monkeypatch.setattr("exporter.tracking.arrivals.MAX_TASKS", tasks)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=round(share * settings().max_examples),
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
