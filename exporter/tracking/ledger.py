"""The tracked tasks and jobs of one account: what was seen of them, what there is left to ask, what to show.

Whatever the service says, and in whatever order it arrives: a job that was seen finished stays as it finished, a job
belongs to the task that named it first, every id is there once, and a finished task is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from exporter.model import DEFINITIONS, Job, Task
from exporter.snapshot import LedgerView
from exporter.tracking.view import Limits, TrackedJob, TrackedTask, view

_MAX_DEFINITIONS = 50  # counted by name, the rest as `other`; the service documents ten
_CONFIRMATIONS = 2  # answers in a row that a task does not exist, before it is believed
_SETTLE_SECONDS = 600.0  # for the jobs of a task that ended to say that they ended too


@dataclass(frozen=True, slots=True)
class Work:
    """What there is left to ask, each part in the order in which to ask it: what was asked longest ago comes first.

    `new_tasks` were never asked about; `whole_tasks` have no unfinished job that could be asked about in their place;
    `jobs` are the ids of unfinished jobs with the ids of their tasks.
    """

    new_tasks: tuple[str, ...] = ()
    whole_tasks: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()


class Ledger:
    """Safe to use from several threads. `clock` gives Unix seconds."""

    def __init__(self, limits: Limits | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._limits = limits or Limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._named: dict[str, frozenset[str]] = {}
        self._gone: set[str] = set()
        self._tasks: dict[str, TrackedTask] = {}
        self._jobs: dict[str, TrackedJob] = {}
        self._definitions = dict.fromkeys(DEFINITIONS)  # a set that keeps its order
        self._refresh = 0

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> None:
        """Track these tasks, and show them for as long as they are named under `key`."""
        with self._lock:
            ids = tuple(task_ids)
            self._named[key] = frozenset(ids)
            for task_id in ids:
                if task_id not in self._tasks and task_id not in self._gone:
                    self._tasks[task_id] = TrackedTask(task_id, source)

    def begin_refresh(self) -> int:
        """From now on `work` holds everything unfinished again, but what this refresh asks. Its number."""
        with self._lock:
            self._refresh += 1
            return self._refresh

    def work(self) -> Work:
        """What the present refresh has not asked yet."""
        with self._lock:
            due = [task for task in self._tasks.values() if task.asked_in < self._refresh and self._needs_whole(task)]
            due.sort(key=lambda task: task.asked_in)
            new = tuple(task.id for task in due if task.asked_in == 0)
            jobs = sorted(
                (
                    tracked
                    for tracked in self._jobs.values()
                    if tracked.finished_at is None and tracked.asked_in < self._refresh and not tracked.missing
                ),
                key=lambda tracked: tracked.asked_in,
            )
            whole = tuple(task.id for task in due[len(new) :])
            return Work(new, whole, tuple((one.job.id, one.task_id) for one in jobs))

    def asked_task(self, task_id: str, *, refresh: int) -> None:
        """A call about the whole task was made in this refresh, whatever came of it.

        It may come late, while the next refresh is under way; that one has not asked.
        """
        with self._lock:
            if task_id in self._tasks:
                tracked = self._tasks[task_id]
                tracked.asked_in = max(tracked.asked_in, refresh)
                self._note_asked(tracked.job_ids, refresh)

    def asked_jobs(self, job_ids: Iterable[str], *, refresh: int) -> None:
        """A call about these jobs was made in this refresh, whatever came of it."""
        with self._lock:
            self._note_asked(job_ids, refresh)

    def observe_task(self, task_id: str, seen: Task) -> None:
        """The service described the whole task. The caller has seen to it that the answer is about `task_id`.

        An unfinished job that it leaves out is forgotten when it does so again, or when the job's own id was not known.
        """
        with self._lock:
            tracked = self._tasks.get(task_id)
            if tracked is None or tracked.finished_at is not None:
                return
            now = self._clock()
            tracked.not_found = 0
            tracked.refreshed = now
            self._note_missing(tracked, {job.id for job in seen.jobs})
            for job in seen.jobs:
                if job.id:
                    self._observe_job(job, tracked, now)
            if tracked.task is None or not tracked.task.finished or seen.finished:
                tracked.task = replace(seen, id=task_id, jobs=())
            self._finish_if_over(tracked, now)

    def observe_jobs(self, asked: Sequence[str], seen: Iterable[Job]) -> None:
        """The service described the jobs `seen` when asked about the ids `asked`.

        A job that it left out is not asked for by its id again before the whole task has told what became of it.
        """
        with self._lock:
            now = self._clock()
            wanted = set(asked)
            for job in seen:
                if job.id in wanted and job.id in self._jobs:
                    wanted.discard(job.id)
                    task = self._tasks[self._jobs[job.id].task_id]
                    self._observe_job(job, task, now)
                    if job.finished and task.task is not None and task.task.status == "Processing":
                        # What the task would say now; it is asked again only after its last job.
                        task.task = replace(task.task, status="Partial")
                    self._finish_if_over(task, now)
            for job_id in wanted & self._jobs.keys():
                tracked = self._jobs[job_id]
                if tracked.finished_at is None:
                    tracked.missing = True
                    self._tasks[tracked.task_id].stale = True

    def observe_not_found(self, task_id: str) -> bool:
        """The service does not know the task. True once that is confirmed, and the task is tracked no longer."""
        with self._lock:
            tracked = self._tasks.get(task_id)
            if tracked is None or tracked.finished_at is not None:
                return False
            tracked.not_found += 1
            if tracked.not_found < _CONFIRMATIONS:
                return False
            self._gone.add(task_id)
            self._drop(tracked)
            return True

    def view(self) -> LedgerView:
        """What there is to show now. What has been finished for longer than the retention is forgotten here."""
        with self._lock:
            now = self._clock()
            self._expire(now)
            return view(self._tasks, self._jobs, definitions=self._definitions, limits=self._limits, now=now)

    def _note_asked(self, job_ids: Iterable[str], refresh: int) -> None:
        for job_id in job_ids:
            if job_id in self._jobs:
                tracked = self._jobs[job_id]
                tracked.asked_in = max(tracked.asked_in, refresh)

    def _needs_whole(self, tracked: TrackedTask) -> bool:
        if tracked.finished_at is not None:
            return False
        jobs = (self._jobs[job_id] for job_id in tracked.job_ids)
        return tracked.stale or not any(job.finished_at is None and not job.missing for job in jobs)

    def _note_missing(self, tracked: TrackedTask, told: Collection[str]) -> None:
        tracked.stale = False
        for job_id in [one for one in tracked.job_ids if one not in told and self._jobs[one].finished_at is None]:
            if self._jobs[job_id].missing:
                tracked.job_ids.remove(job_id)
                del self._jobs[job_id]
            else:
                self._jobs[job_id].missing = tracked.stale = True

    def _observe_job(self, seen: Job, task: TrackedTask, now: float) -> None:
        tracked = self._jobs.get(seen.id)
        if tracked is None:
            tracked = self._jobs[seen.id] = TrackedJob(seen, task.id, refreshed=now, asked_in=self._refresh)
            task.job_ids.append(seen.id)
        elif tracked.finished_at is None or seen.status == tracked.job.status:
            tracked.job = seen
        tracked.refreshed = now
        tracked.missing = False
        if seen.definition and len(self._definitions) < _MAX_DEFINITIONS:
            self._definitions[seen.definition] = None
        if seen.finished and tracked.finished_at is None:
            tracked.finished_at = now

    def _finish_if_over(self, tracked: TrackedTask, now: float) -> None:
        if tracked.finished_at is not None or tracked.task is None or not tracked.task.finished:
            return
        if tracked.final_since is None:
            tracked.final_since = now
        jobs = [self._jobs[job_id] for job_id in tracked.job_ids]
        # A status that is new to us may be final too: its job would be asked about for ever.
        settled = abs(now - tracked.final_since) > _SETTLE_SECONDS
        if settled or all(one.finished_at is not None for one in jobs):
            tracked.finished_at = now
            for one in jobs:
                one.finished_at = one.finished_at or now

    def _expire(self, now: float) -> None:
        named = frozenset().union(*self._named.values())
        for task in list(self._tasks.values()):
            finished_for = 0.0 if task.finished_at is None else now - task.finished_at
            if finished_for > self._limits.retention and task.id not in named:
                self._drop(task)

    def _drop(self, task: TrackedTask) -> None:
        del self._tasks[task.id]
        for job_id in task.job_ids:
            del self._jobs[job_id]
