"""The tracked tasks and jobs of one account: what was seen of them, what there is left to ask, what to show.

Whatever the service says, and in whatever order it arrives: a job that was seen finished stays as it finished, a job
belongs to the task that named it first, every id is there once, and a finished task is left alone. So each finish is
counted once; the store takes it in one transaction with the totals that it adds to, before these are shown.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import LedgerView
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import MemoryStore, Store
from exporter.tracking.totals import Buckets, Totals
from exporter.tracking.unsaved import Unsaved
from exporter.tracking.view import Limits, view

_log = logging.getLogger(__name__)

REMEMBER_SECONDS = 25 * 3600.0  # the lookback of sources, and a margin
REMEMBER_GIVEN_UP_SECONDS = 366 * 86400.0  # lists hold what is unfinished for a year
_CONFIRMATIONS = 2  # answers in a row that a task does not exist, before it is believed
_SETTLE_SECONDS = 600.0  # for the jobs of a task that ended to say that they ended too
_PENDING_SECONDS = 3600.0
_MAX_PENDING = 10_000


@dataclass(frozen=True, slots=True)
class Work:
    """What there is left to ask, each part in the order in which to ask it: what was asked longest ago comes first.

    `new_tasks` were never asked about; `whole_tasks` have no unfinished job that could be asked about in their place;
    `jobs` are the ids of unfinished jobs with the ids of their tasks, `hinted_jobs` those of which an event told.
    """

    hinted_jobs: tuple[tuple[str, str], ...] = ()
    new_tasks: tuple[str, ...] = ()
    whole_tasks: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()


def _ignore(reason: str) -> None: ...


class Ledger:
    """Safe to use from several threads.

    `clock` gives Unix seconds; `dropped` hears why a task is given up before it was seen finished. Loads what the
    store has of the account, and raises `StateError` where it cannot.
    """

    def __init__(
        self,
        account: str = "",
        limits: Limits | None = None,
        *,
        store: Store | None = None,
        buckets: Buckets | None = None,
        clock: Callable[[], float] = time.time,
        dropped: Callable[[str], None] = _ignore,
    ) -> None:
        self._account = account
        self._limits = limits or Limits()
        self._store = store or MemoryStore()
        self._clock = clock
        self._tell_dropped = dropped
        self._lock = threading.RLock()
        self._named: dict[str, frozenset[str]] = {}
        self._gone: set[str] = set()
        self._pending: dict[str, tuple[float, float]] = {}
        self._unsaved = Unsaved()
        self._durable = True
        self._refresh = 0

        stored = self._store.load(account, now=clock())
        self._born = math.floor(stored.born)  # the service tells whole seconds
        self._totals = Totals(buckets, counters=stored.totals.counters, histograms=stored.totals.histograms)
        self._tasks = {record.id: TrackedTask.of(record) for record in stored.tasks}
        self._jobs = {record.job.id: TrackedJob.of(record) for record in stored.jobs if record.task_id in self._tasks}
        for job_id, job in self._jobs.items():
            self._tasks[job.task_id].job_ids.append(job_id)

    # What is tracked

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> None:
        """Track these tasks, and show them for as long as they are named under `key`."""
        with self._lock:
            ids = tuple(task_ids)
            self._named[key] = frozenset(ids)
            new = self._new(ids)
            counted = self._remembered(new)
            for task_id in new:
                self._track(task_id, source, silent=task_id in counted)

    def discover(self, task_ids: Iterable[str], *, source: str) -> None:
        """Track these tasks until they are finished, but for those that were before."""
        with self._lock:
            new = self._new(task_ids)
            counted = self._remembered(new)
            for task_id in new:
                if task_id not in counted:
                    self._track(task_id, source)

    def register(self, task_ids: Sequence[str], *, source: str) -> dict[str, bool]:
        """Track these tasks, and have the store take them before this returns. For each whether it is tracked now.

        Those that were finished or given up before are not. Raises `StateError`, and tracks nothing, where the store
        does not take them.
        """
        with self._lock:
            before = self._tasks.keys() & set(task_ids)
            self.discover(task_ids, source=source)
            try:
                self._save()
            except StateError:
                for task_id in set(task_ids) & self._tasks.keys() - before:
                    del self._tasks[task_id]
                    self._unsaved.forget_task(task_id)
                raise
            return {task_id: task_id in self._tasks for task_id in task_ids}

    def delete(self, task_id: str) -> bool:
        """Track the task no longer, whatever source names it. False where it is not tracked."""
        with self._lock:
            if task_id not in self._tasks:
                return False
            self._gone.add(task_id)
            self._give_up(self._tasks[task_id], "deleted")
            self._save()
            return True

    def tasks(self) -> list[tuple[str, str, Task | None]]:
        """Id, source and last sight of every tracked task, in the order in which they came to be tracked."""
        with self._lock:
            return [(one.id, one.source, one.task) for one in self._tasks.values()]

    # What there is to ask

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
            new = tuple(task.id for task in due if task.asked_in == 0 and task.task is None)
            whole = tuple(task.id for task in due if task.asked_in > 0 or task.task is not None)
            jobs = [
                one
                for one in self._jobs.values()
                if one.finished_at is None and one.asked_in < self._refresh and not one.missing
            ]
            jobs.sort(key=lambda one: one.asked_in)
            hinted = tuple((one.job.id, one.task_id) for one in jobs if one.hinted)
            return Work(hinted, new, whole, tuple((one.job.id, one.task_id) for one in jobs if not one.hinted))

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

    # What is seen

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
            before = tracked.task
            self._note_missing(tracked, {job.id for job in seen.jobs})
            for job in seen.jobs:
                if job.id:
                    self._observe_job(job, tracked, now)
            if before is None or not before.finished or seen.finished:
                if before is None or seen.status != before.status:
                    self._unsaved.task(task_id)
                tracked.task = replace(seen, id=task_id, jobs=())
            self._finish_if_over(tracked, now, first=before is None)

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
                        self._unsaved.task(task.id)
                    self._finish_if_over(task, now, first=False)
            for job_id in wanted & self._jobs.keys():
                tracked = self._jobs[job_id]
                if tracked.finished_at is None:
                    tracked.missing = True
                    self._tasks[tracked.task_id].stale = True

    def observe_event(self, job_id: str, *, processing: float | None) -> bool:
        """An event told that the job has ended, and maybe how many seconds it took. False where the job is not known.

        The job is asked about before all others: what an event says of it is but a hint. Its time is believed, once;
        that of a job not known yet is kept for an hour.
        """
        with self._lock:
            tracked = self._jobs.get(job_id)
            if tracked is None:
                if processing is not None and len(self._pending) < _MAX_PENDING:
                    self._pending[job_id] = (processing, self._clock())
                return False
            tracked.hinted = tracked.finished_at is None
            if processing is not None:
                self._count_processing(tracked, processing)
            return True

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
            self._give_up(tracked, "not_found")
            return True

    # What is shown

    def view(self) -> LedgerView:
        """What there is to show now, after the store was given what has changed.

        What has been finished for longer than the retention is dropped here, and what has been unfinished for too long
        is given up.
        """
        with self._lock:
            now = self._clock()
            self._expire(now)
            try:
                self._save()
            except StateError as error:
                if self._durable:
                    _log.error("state not kept", extra={"account": self._account, "error": str(error)})
                self._durable = False
            seen = view(self._tasks, self._jobs, definitions=self._totals.definitions, limits=self._limits, now=now)
            return replace(seen, totals=self._totals.view(), durable=self._durable)

    def _save(self) -> None:
        changes = self._unsaved.changes(self._tasks, self._jobs, self._totals.changes(), now=self._clock())
        if changes is not None:
            self._store.save(self._account, changes)
            self._unsaved.clear()
            self._totals.saved()
            if not self._durable:
                _log.warning("state is kept again", extra={"account": self._account})
            self._durable = True

    def _new(self, task_ids: Iterable[str]) -> list[str]:
        return [one for one in dict.fromkeys(task_ids) if one not in self._tasks and one not in self._gone]

    def _remembered(self, task_ids: Collection[str]) -> Collection[str]:
        """Those that were counted or given up before. A store that cannot be read remembers nothing."""
        if not task_ids:
            return ()
        unsaved = {task_id for task_id in task_ids if self._unsaved.remembers(task_id)}
        try:
            return unsaved | self._store.remembered(self._account, task_ids)
        except StateError as error:
            _log.error("state cannot be read", extra={"account": self._account, "error": str(error)})
            return task_ids  # rather counted never than twice

    def _track(self, task_id: str, source: str, *, silent: bool = False) -> None:
        self._tasks[task_id] = TrackedTask(id=task_id, source=source, since=self._clock(), silent=silent)
        self._unsaved.task(task_id)

    def _note_asked(self, job_ids: Iterable[str], refresh: int) -> None:
        for job_id in job_ids:
            if job_id in self._jobs:
                tracked = self._jobs[job_id]
                tracked.asked_in = max(tracked.asked_in, refresh)
                tracked.hinted = False

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
                self._unsaved.dropped_job(job_id)
            else:
                self._jobs[job_id].missing = tracked.stale = True

    def _observe_job(self, seen: Job, task: TrackedTask, now: float) -> None:
        tracked = self._jobs.get(seen.id)
        first = tracked is None
        if tracked is None:
            tracked = TrackedJob(job=seen, task_id=task.id, refreshed=now, asked_in=self._refresh)
            self._jobs[seen.id] = tracked
            task.job_ids.append(seen.id)
            self._unsaved.job(seen.id)
        elif tracked.finished_at is None or seen.status == tracked.job.status:
            if seen.status != tracked.job.status:
                self._unsaved.job(seen.id)
            tracked.job = seen
        tracked.refreshed = now
        tracked.missing = False
        if seen.finished and tracked.finished_at is None:
            tracked.finished_at = now
            if task.silent or (first and self._is_history(seen.completed, seen.created)):
                tracked.output_counted = tracked.processing_counted = True
            else:
                self._totals.finished_job(seen)
        self._count_output(tracked)
        if seen.id in self._pending:
            processing, _ = self._pending.pop(seen.id)
            self._count_processing(tracked, processing)

    def _count_output(self, tracked: TrackedJob) -> None:
        """Mostly with the finish; later where the output is told later."""
        job = tracked.job
        if tracked.finished_at is None or tracked.output_counted or job.status != "TranscodeSuccess":
            return
        if job.output is not None:
            self._totals.finished_output(job, job.output)
            tracked.output_counted = True
            self._unsaved.job(job.id)

    def _count_processing(self, tracked: TrackedJob, seconds: float) -> None:
        if not tracked.processing_counted and not self._tasks[tracked.task_id].silent:
            tracked.processing_counted = True
            self._totals.processed_job(tracked.job, seconds)
            self._unsaved.job(tracked.job.id)

    def _is_history(self, completed: float | None, created: float | None) -> bool:
        """Over before this account's state began: without the state, each start would count it anew."""
        when = completed if completed is not None else created
        return when is not None and when < self._born

    def _finish_if_over(self, tracked: TrackedTask, now: float, *, first: bool) -> None:
        task = tracked.task
        if tracked.finished_at is not None or task is None or not task.finished:
            return
        if tracked.final_since is None:
            tracked.final_since = now
        jobs = [self._jobs[job_id] for job_id in tracked.job_ids]
        # A status that is new to us may be final too: its job would be asked about for ever.
        settled = abs(now - tracked.final_since) > _SETTLE_SECONDS
        if not settled and any(one.finished_at is None for one in jobs):
            return
        tracked.finished_at = now
        self._unsaved.task(tracked.id)
        for one in jobs:
            if one.finished_at is None:
                one.finished_at = now
                self._unsaved.job(one.job.id)
        if not (tracked.silent or (first and self._is_history(task.completed, task.created))):
            self._totals.finished_task(task)

    def _expire(self, now: float) -> None:
        named = frozenset().union(*self._named.values())
        for task in list(self._tasks.values()):
            if task.id in named:
                continue
            if task.finished_at is not None:
                if now - task.finished_at > self._limits.retention:
                    self._drop(task, remember=REMEMBER_SECONDS)
            elif now - task.since > self._limits.give_up_after:
                self._give_up(task, "given_up")
        for job_id in [one for one, (_, at) in self._pending.items() if not 0 <= now - at < _PENDING_SECONDS]:
            del self._pending[job_id]

    def _give_up(self, task: TrackedTask, reason: str) -> None:
        if task.finished_at is None:
            self._tell_dropped(reason)
        self._drop(task, remember=REMEMBER_GIVEN_UP_SECONDS)

    def _drop(self, task: TrackedTask, *, remember: float) -> None:
        del self._tasks[task.id]
        self._unsaved.dropped_task(task.id, remembered_until=self._clock() + remember)
        for job_id in task.job_ids:
            del self._jobs[job_id]
            self._unsaved.dropped_job(job_id)
