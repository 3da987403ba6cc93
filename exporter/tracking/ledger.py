"""The tracked tasks and jobs of one account: what was seen of them, what there is left to ask, what to show.

Whatever the service says, and in whatever order it arrives: a job that was seen finished stays as it finished, a job
belongs to the task that named it first, every id is there once, and a finished task is left alone. So each finish is
counted once; the store takes it in one transaction with the totals that it adds to, before these are shown.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import LedgerView
from exporter.tracking.finishes import Finishes
from exporter.tracking.keeper import Keeper
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import Memory, MemoryStore, Store
from exporter.tracking.totals import Buckets, Totals
from exporter.tracking.unsaved import Unsaved
from exporter.tracking.view import Limits, view
from exporter.tracking.work import Work, work

__all__ = ["Ledger", "Work"]

MEMORY_MARGIN_SECONDS = 49 * 3600.0  # a clock that was a day ahead forgets a day early; lists lag
REMEMBER_GIVEN_UP_SECONDS = 366 * 86400.0  # lists hold what is unfinished for a year
MAX_TASKS = 100_000  # tracked at a time: some 400,000 jobs, and half a gigabyte
_CONFIRMATIONS = 2  # answers in a row that a task does not exist, before it is believed
_SETTLE_SECONDS = 600.0  # and answers, for the jobs of a task that ended to say that they ended too
_SETTLE_ANSWERS = 5


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
        self._limits = limits or Limits()
        store = store or MemoryStore()
        self._clock = clock
        self._tell_dropped = dropped
        self._lock = threading.RLock()
        self._named: dict[str, frozenset[str]] = {}
        self._refused: set[str] = set()  # past the bound
        self._gone: set[str] = set()  # dropped though named: not tracked again before it is named anew
        self._unsaved = Unsaved()
        self._asked = 0  # counts the calls; tasks and jobs remember the last one about them
        self._begun = 0  # the last one before the present refresh
        self._started = clock()
        self._memory = self._limits.lookback + MEMORY_MARGIN_SECONDS

        stored = store.load(account, now=clock())
        self._totals = Totals(
            buckets, counters=stored.totals.counters, histograms=stored.totals.histograms, clock=clock
        )
        self._keeper = Keeper(account, store, self._unsaved, self._totals)
        self._finishes = Finishes(self._totals, self._unsaved, born=stored.born, memory=self._memory)
        self._tasks: dict[str, TrackedTask] = {}
        for task in sorted(stored.tasks, key=lambda record: record.since):
            self._tasks[task.id] = TrackedTask.of(task)
        self._jobs: dict[str, TrackedJob] = {}
        for job in stored.jobs:
            if job.task_id in self._tasks:
                self._jobs[job.job.id] = TrackedJob.of(job)
                self._tasks[job.task_id].job_ids.append(job.job.id)
                self._totals.definition(job.job)

    # What is tracked

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> bool:
        """Track these tasks, and show them for as long as they are named under `key`.

        False where the store cannot tell which of them were counted before: name them again.
        """
        with self._lock:
            ids = tuple(dict.fromkeys(task_ids))
            self._gone -= frozenset(ids) - self._named.get(key, frozenset())
            self._named[key] = frozenset(ids)
            new = [task_id for task_id in ids if task_id not in self._tasks and task_id not in self._gone]
            known = self._keeper.try_to_recall(new)
            for task_id, finished in known.items():
                self._track(task_id, source, silent=finished is not None)
            return len(known) == len(new)

    def discover(self, task_ids: Iterable[str], *, source: str) -> None:
        """Track these tasks until they are finished, but for those that were before, or were given up."""
        with self._lock:
            new = [task_id for task_id in dict.fromkeys(task_ids) if task_id not in self._tasks]
            for task_id, finished in self._keeper.try_to_recall(new).items():
                if finished is None:
                    self._track(task_id, source)

    def register(self, task_ids: Sequence[str], *, source: str) -> dict[str, bool]:
        """Track these tasks, and have the store take them before this returns. For each whether it is tracked now.

        Those that were finished before are not; those that were given up or deleted are shown again, and not counted.
        Raises `StateError`, and tracks nothing, where the store does not take them.
        """
        with self._lock:
            new = [task_id for task_id in dict.fromkeys(task_ids) if task_id not in self._tasks]
            if len(self._tasks) + len(new) > MAX_TASKS:
                raise StateError(f"{len(self._tasks):,} tasks are tracked already, and at most {MAX_TASKS:,} are")
            for task_id, finished in self._keeper.recall(new).items():
                if not finished:
                    self._track(task_id, source, silent=finished is False)
            try:
                self._keeper.save(self._tasks, self._jobs, now=self._clock())
            except StateError:
                for task_id in self._tasks.keys() & set(new):
                    del self._tasks[task_id]
                    self._unsaved.tasks.drop(task_id)
                raise
            self._gone.difference_update(new)
            return {task_id: task_id in self._tasks for task_id in task_ids}

    def delete(self, task_id: str) -> bool:
        """Track the task no longer, whatever source names it. False where it is not tracked."""
        with self._lock:
            if task_id not in self._tasks:
                return False
            self._gone.add(task_id)
            self._give_up(self._tasks[task_id], "deleted")
            self._keeper.try_to_save(self._tasks, self._jobs, now=self._clock())
            return True

    def tasks(self) -> list[tuple[str, str, Task | None]]:
        """Id, source and last sight of every tracked task, in the order in which they came to be tracked."""
        with self._lock:
            return [(one.id, one.source, one.task) for one in self._tasks.values()]

    # What there is to ask

    def begin_refresh(self) -> None:
        """From now on `work` holds everything unfinished again. Waits for nobody."""
        self._begun = self._asked

    def work(self) -> Work:
        """What was not asked since the present refresh began."""
        with self._lock:
            return work(self._tasks, self._jobs, begun=self._begun)

    def asked_task(self, task_id: str) -> None:
        """A call about the whole task was made, whatever came of it."""
        with self._lock:
            if tracked := self._tasks.get(task_id):
                self._asked += 1
                tracked.asked = self._asked
                self.asked_jobs(tracked.job_ids)

    def asked_jobs(self, job_ids: Iterable[str]) -> None:
        """A call about these jobs was made, whatever came of it."""
        with self._lock:
            self._asked += 1
            for job_id in job_ids:
                if tracked := self._jobs.get(job_id):
                    tracked.asked = self._asked

    def asking(self, *, task_id: str = "", job_ids: Iterable[str] = ()) -> None:
        """A call is about to be made. Events that come from now on may tell of more than its answer."""
        with self._lock:
            task = self._tasks.get(task_id)
            for job_id in (*job_ids, *(task.job_ids if task is not None else ())):
                if tracked := self._jobs.get(job_id):
                    tracked.hinted = False

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
            self._asked += 1
            tracked.not_found = 0
            tracked.answered = True
            tracked.refreshed = now
            before = tracked.task
            if before is None:
                self._finishes.task_seen_first(tracked, seen, now)
            self._note_missing(tracked, {job.id for job in seen.jobs})
            for job in seen.jobs:
                if job.id:
                    self._observe_job(job, tracked, now)
            if before is None or not before.finished or seen.finished:
                if before is None or seen.status != before.status:
                    self._unsaved.tasks.change(task_id)
                tracked.task = replace(seen, id=task_id, jobs=())
            self._finish_if_over(tracked, now)

    def observe_jobs(self, asked: Sequence[str], seen: Iterable[Job]) -> None:
        """The service described the jobs `seen` when asked about the ids `asked`.

        A job that it left out is not asked for by its id again before the whole task has told what became of it.
        """
        with self._lock:
            now = self._clock()
            wanted = set(asked) & self._jobs.keys()
            for job in seen:
                if job.id in wanted:
                    wanted.discard(job.id)
                    task = self._tasks[self._jobs[job.id].task_id]
                    task.answered = True
                    self._observe_job(job, task, now)
                    if job.finished and task.task is not None and task.task.status == "Processing":
                        # What the task would say now; it is asked again only after its last job.
                        task.task = replace(task.task, status="Partial")
                        self._unsaved.tasks.change(task.id)
                    self._finish_if_over(task, now)
            for job_id in wanted:
                tracked = self._jobs[job_id]
                if tracked.finished_at is None:
                    tracked.missing = True
                    self._tasks[tracked.task_id].stale = True

    def observe_event(self, job_id: str, *, processing: float | None) -> bool:
        """An event told that the job has ended, and maybe how many seconds it took. False where the job is not known.

        The job is asked about before all others: what an event says of it is but a hint. Its time is believed, once,
        and is in the store before this returns; that of a job not known yet is kept in memory for an hour. Raises
        `StateError` where the store does not take it, and the event should be sent again.
        """
        with self._lock:
            tracked = self._jobs.get(job_id)
            if tracked is None:
                if processing is not None:
                    self._finishes.processing_of_unknown(job_id, processing, self._clock())
                return False
            tracked.hinted = tracked.finished_at is None
            if processing is not None:
                self._finishes.processing(tracked, self._tasks[tracked.task_id], processing)
                self._keeper.save(self._tasks, self._jobs, now=self._clock())
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
            self._keeper.try_to_save(self._tasks, self._jobs, now=self._clock())
            seen = view(self._tasks, self._jobs, definitions=self._totals.definitions, limits=self._limits, now=now)
            return replace(seen, totals=self._totals.view(), durable=self._keeper.durable)

    def close(self) -> None:
        """Have the store take what has changed since the last view, and the progress of what is unfinished."""
        with self._lock:
            for job_id, job in self._jobs.items():
                if job.finished_at is None:
                    self._unsaved.jobs.change(job_id)
            self._keeper.try_to_save(self._tasks, self._jobs, now=self._clock())
            self._keeper.closed = True

    def _track(self, task_id: str, source: str, *, silent: bool = False) -> None:
        if len(self._tasks) >= MAX_TASKS:
            if task_id not in self._refused and len(self._refused) < MAX_TASKS:
                self._refused.add(task_id)
                self._tell_dropped("too_many")
            return
        self._refused.discard(task_id)
        self._tasks[task_id] = TrackedTask(id=task_id, source=source, since=self._clock(), silent=silent)
        self._unsaved.tasks.add(task_id)

    def _note_missing(self, task: TrackedTask, told: Collection[str]) -> None:
        task.stale = False
        for job_id in [one for one in task.job_ids if one not in told and self._jobs[one].finished_at is None]:
            if self._jobs[job_id].missing:
                task.job_ids.remove(job_id)
                self._leave(self._jobs[job_id], task)
            else:
                self._jobs[job_id].missing = task.stale = True

    def _observe_job(self, seen: Job, task: TrackedTask, now: float) -> None:
        self._totals.definition(seen)
        job = self._jobs.get(seen.id)
        first = job is None
        if job is None:
            job = self._jobs[seen.id] = TrackedJob(job=seen, task_id=task.id, refreshed=now, asked=self._asked)
            task.job_ids.append(seen.id)
            self._unsaved.jobs.add(seen.id)
        elif job.task_id != task.id and task.id not in job.claimed_by:
            job.claimed_by += (task.id,)
            self._unsaved.jobs.change(seen.id)
        self._take_over(seen, job)
        job.refreshed = now
        job.missing = False
        if seen.finished and job.finished_at is None:
            job.finished_at = now
            self._finishes.job(job, self._tasks[job.task_id], first=first)
        self._finishes.details(job, self._tasks[job.task_id])

    def _take_over(self, seen: Job, job: TrackedJob) -> None:
        """A finished job stays as it finished, and may still gain detail; of an unfinished one its last sight is kept.

        Only what a restart must not lose is saved: progress comes again.
        """
        if job.finished_at is None:
            if seen.status != job.job.status:
                self._unsaved.jobs.change(seen.id)
            if seen != job.job:  # what does not change is not rendered again
                job.job = seen
        elif seen.status == job.job.status and seen != job.job:
            job.job = replace(seen, output=seen.output or job.job.output)
            self._unsaved.jobs.change(seen.id)

    def _finish_if_over(self, tracked: TrackedTask, now: float) -> None:
        task = tracked.task
        if tracked.finished_at is not None or task is None or not task.finished:
            return
        if tracked.final_since is None:
            tracked.final_since = now
        jobs = [self._jobs[job_id] for job_id in tracked.job_ids]
        # A status that is new to us may be final too: its job would be asked about for ever.
        tracked.final_seen += 1  # as the clock may step, time alone does not tell
        settled = abs(now - tracked.final_since) > _SETTLE_SECONDS and tracked.final_seen > _SETTLE_ANSWERS
        if not settled and any(one.finished_at is None for one in jobs):
            return
        tracked.finished_at = now
        self._unsaved.tasks.change(tracked.id)
        for one in jobs:
            if one.finished_at is None:
                one.finished_at = now
                self._unsaved.jobs.change(one.job.id)
        self._finishes.task(tracked, task)

    def _expire(self, now: float) -> None:
        self._finishes.expire(now)
        named = frozenset().union(*self._named.values())
        self._gone &= named
        for task in [one for one in self._tasks.values() if one.id not in named]:
            if task.finished_at is None:
                if now - task.since > self._limits.give_up_after and self._had_its_chance(task, now):
                    self._give_up(task, "given_up")
            elif task.finished_at > now:  # the clock was set back
                task.finished_at = now
            elif now - task.finished_at > self._limits.retention:
                self._drop(task, Memory(until=now + self._memory, finished=True))

    def _had_its_chance(self, task: TrackedTask, now: float) -> bool:
        """What ended while no process ran, or the service was away, is seen to have ended before it is given up."""
        return task.answered or now - self._started > self._limits.give_up_after

    def _give_up(self, task: TrackedTask, reason: str) -> None:
        finished = task.finished_at is not None
        if not finished:
            self._tell_dropped(reason)
        if task.task is None and reason == "not_found":
            self._drop(task)  # the service may only be late to know it
        else:
            self._drop(task, Memory(until=self._clock() + REMEMBER_GIVEN_UP_SECONDS, finished=finished))

    def _drop(self, task: TrackedTask, memory: Memory | None = None) -> None:
        del self._tasks[task.id]
        self._unsaved.tasks.drop(task.id)
        if memory is not None:
            self._unsaved.remember(task.id, memory)
        for job_id in task.job_ids:
            self._leave(self._jobs[job_id], task)

    def _leave(self, job: TrackedJob, task: TrackedTask) -> None:
        """The job passes on to another task that named it too, so that it is known as counted, or is forgotten."""
        heirs = (self._tasks[one] for one in job.claimed_by if one != task.id and one in self._tasks)
        heir = next((one for one in heirs if one.finished_at is None or job.finished_at is not None), None)
        if heir is not None:
            job.task_id = heir.id
            heir.job_ids.append(job.job.id)
            self._unsaved.jobs.change(job.job.id)
        else:
            del self._jobs[job.job.id]
            self._unsaved.jobs.drop(job.job.id)
