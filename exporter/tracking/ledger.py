"""The tracked tasks and jobs of one account: what VOD reported, what to ask next, what to show.

The answers of VOD may come late, twice and in any order. A job that was seen finished keeps that status. A job belongs
to the task that named it first. `work` never contains a finished task. So each finish is counted once.
The finish and the changed totals are saved in one transaction, and shown only after that.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from exporter.config import Buckets
from exporter.model import EndedJob, Job, Task
from exporter.snapshot import LedgerView
from exporter.tracking.arrivals import Arrivals
from exporter.tracking.departures import Departures
from exporter.tracking.descriptions import Descriptions
from exporter.tracking.finishes import Finishes
from exporter.tracking.keeper import Keeper
from exporter.tracking.names import Names
from exporter.tracking.past import Past
from exporter.tracking.roster import Roster
from exporter.tracking.store import MemoryStore, Store
from exporter.tracking.totals import Totals
from exporter.tracking.view import Limits, aged, still_true, view
from exporter.tracking.work import Work, work

_log = logging.getLogger(__name__)


def _ignore(reason: str) -> None: ...


class Ledger:
    """Safe to use from several threads.

    Loads the state of the account from the store, and raises `StateError` if the store cannot be read. `clock` gives
    Unix seconds. `dropped` is called with the reason when an unfinished task is dropped. `templates` is as for
    `Finishes`, `hold` as for `Totals`.
    """

    def __init__(
        self,
        account: str = "",
        limits: Limits | None = None,
        *,
        store: Store | None = None,
        buckets: Buckets | None = None,
        templates: Mapping[str, str] | None = None,
        hold: float = 0.0,
        clock: Callable[[], float] = time.time,
        dropped: Callable[[str], None] = _ignore,
    ) -> None:
        self._limits = limits or Limits()
        store = store or MemoryStore()
        self._clock = clock
        self._lock = threading.RLock()
        self._names = Names()
        self._calls = 0  # calls so far; each task and job has the number of the last call about it
        self._calls_before = 0  # calls before the present refresh

        stored = store.load(account, now=clock())
        extra = {"account": account, "tasks": len(stored.tasks), "jobs": len(stored.jobs)}
        _log.debug("state loaded", extra=extra)
        self.has_state = bool(stored.jobs)  # whether the store knew jobs
        self._totals = Totals(buckets, stored=stored.totals, hold=hold, clock=clock)
        self._roster = Roster(stored.tasks, stored.jobs, stored.events)
        self._keeper = Keeper(account, store, self._roster, self._totals, self._lock)
        self._departures = Departures(self._roster, self._names, self._limits, started=clock(), dropped=dropped)
        self._arrivals = Arrivals(
            self._roster, self._names, self._departures, self._keeper, self._lock, clock=clock, dropped=dropped
        )
        self._finishes = Finishes(
            self._roster,
            self._totals,
            state_created=stored.state_created,
            memory=self._departures.memory,
            templates=templates,
        )
        self._descriptions = Descriptions(self._roster, self._totals, self._finishes, left_out=self._arrivals.leave_out)
        self._departures.expire(clock())
        self._past = Past()
        self._shown = LedgerView()  # without totals
        self._shows = (-1, 0)  # the revision of the roster that it shows, and the number of definitions
        self._last = self._view(clock())

    # Which tasks are tracked

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> bool:
        """Track these tasks, and show them as long as `key` names them.

        Returns False if the store cannot say which tasks were counted before. Then call again later.
        """
        return self._arrivals.name(key, task_ids, source=source)

    def discover(self, task_ids: Iterable[str], *, source: str) -> None:
        """Track these tasks until they are finished. Tasks that were finished or given up before are left out."""
        self._arrivals.discover(task_ids, source=source)

    def listed(self, task_ids: Iterable[str]) -> None:
        """VOD lists these tasks, so it knows them. Those that it did not know yet are asked about at once."""
        with self._lock:
            for task_id in task_ids:
                if task := self._roster.tasks.get(task_id):
                    task.ask_after = 0.0

    def register(self, task_ids: Sequence[str], *, source: str) -> dict[str, bool]:
        """Track these tasks, and save them. Returns for each task whether it is tracked.

        Tasks that were finished before are not tracked. Tasks that were given up or deleted are shown again, but not
        counted. Raises `StateError`, and tracks none of them, if the tasks cannot be saved or are too many.

        VOD may know the tasks late: for ten minutes, answers that a task does not exist are ignored. This also holds
        for tasks that were tracked before.
        """
        return self._arrivals.register(task_ids, source=source)

    def delete(self, task_id: str) -> bool:
        """Stop tracking the task, even if a source names it. Returns False if it is not tracked.

        If the store fails, the deletion is saved later. After `close` raises `StateError`, because it would be lost.
        """
        with self._lock:
            self._keeper.check_open()
            task = self._roster.tasks.get(task_id)
            if task is None:
                return False
            self._departures.give_up(task, "deleted", self._clock())
        self._keeper.try_to_save(self._clock())
        return True

    @contextmanager
    def taking(self, message: int) -> Iterator[None]:
        """What the block changes is saved in the transaction that takes the message. See `Keeper.led_to_changes`."""
        with self._keeper.turn():
            self._keeper.led_to_changes(message)
            yield

    def tasks(self) -> list[tuple[str, str, Task | None]]:
        """The id, source and last description of every tracked task, in the order in which they were first tracked."""
        with self._lock:
            return [(task.id, task.source, task.task) for task in self._roster.tasks.values()]

    # What to ask

    def start_refresh(self) -> None:
        """Start a new refresh: `work` has everything unfinished again. Takes no lock."""
        self._calls_before = self._calls

    def work(self, *, most_tasks: int | None = None, most_jobs: int | None = None) -> Work:
        """Everything unfinished that no call of the present refresh was about, or so much of it."""
        with self._lock:
            now, before = self._clock(), self._calls_before
            return work(self._roster, calls_before=before, now=now, most_tasks=most_tasks, most_jobs=most_jobs)

    @property
    def has_due_tasks(self) -> bool:
        """Whether `work` has whole tasks, as after the end of the last job of a task."""
        with self._lock:
            self._roster.update()
            return len(self._roster.queue.whole_tasks.due) > 0

    def asked_task(self, task_id: str) -> None:
        """A call about the whole task has ended, with or without an answer."""
        with self._lock:
            if task := self._roster.tasks.get(task_id):
                self._calls += 1
                task.asked = self._calls
                self.asked_jobs(task.job_ids)

    def asked_jobs(self, job_ids: Iterable[str]) -> None:
        """A call about these jobs has ended, with or without an answer."""
        with self._lock:
            self._calls += 1
            for job_id in job_ids:
                if job := self._roster.jobs.get(job_id):
                    job.asked = self._calls

    def asking(self, *, task_id: str = "", job_ids: Iterable[str] = ()) -> None:
        """A call is about to be made, so its jobs are not prioritized any more.

        An event during the call prioritizes its job again, because the answer may be older than the event.
        """
        with self._lock:
            task = self._roster.tasks.get(task_id)
            for job_id in (*job_ids, *(task.job_ids if task is not None else ())):
                if job := self._roster.jobs.get(job_id):
                    job.prioritized = False

    # What VOD says

    def observe_task(self, task_id: str, seen: Task) -> None:
        """VOD described the whole task. The caller has checked that the answer is about `task_id`."""
        with self._lock:
            task = self._roster.tasks.get(task_id)
            if task is not None and task.finished_at is None:
                self._calls += 1
                self._descriptions.of_task(task, seen, call=self._calls, now=self._clock())

    def observe_jobs(self, asked: Sequence[str], seen: Iterable[Job]) -> None:
        """VOD described the jobs `seen` when asked about the ids `asked`."""
        with self._lock:
            self._descriptions.of_jobs(asked, seen, call=self._calls, now=self._clock())

    def observe_event(self, *jobs: EndedJob) -> bool:
        """An event reported the end of these jobs. Returns False if one of them is unknown.

        Their times are counted once, and saved in one transaction before this returns; for an unknown job they wait for
        an hour. The event prioritizes the jobs; their status comes from the next answer of VOD. Raises `StateError` if
        the event cannot be saved; then the sender should repeat it.
        """
        timed = [job for job in jobs if job.processing is not None or job.started is not None]
        with self._lock:
            tracked = [job for ended in jobs if (job := self._roster.jobs.get(ended.id)) is not None]
            for job in tracked:
                job.prioritized = job.finished_at is None
            for ended in timed:
                self._finishes.event(ended, self._clock())
        if timed:
            self._keeper.save(self._clock())
        return len(tracked) == len(jobs)

    def observe_not_found(self, task_id: str) -> bool:
        """VOD does not know the task. See `Departures.not_found`. Returns whether it is not tracked any more."""
        with self._lock:
            task = self._roster.tasks.get(task_id)
            return task is not None and self._departures.not_found(task, self._clock())

    def forbid(self, task_id: str) -> bool:
        """VOD forbids to read the task. Stop tracking it, even if a source names it. False if it is not tracked."""
        with self._lock:
            task = self._roster.tasks.get(task_id)
            if task is None or task.finished_at is not None:
                return False
            self._departures.give_up(task, "forbidden", self._clock())
            return True

    # What is shown

    def view(self) -> LedgerView:
        """Save all changes, and return what to show now.

        Drops tasks that finished longer ago than the retention, and gives up tasks that are unfinished for too long.
        Raises `StateError` while the store hangs: see `Keeper.turn`.
        """
        with self._keeper.turn():
            with self._lock:
                now = self._clock()
                self._finishes.expire(now)
                self._departures.expire(now)
                self._totals.show(now)
                shown = self._view(now)  # before `take`, because it drops texts that need no save
                changes = self._keeper.take(now)
            self._keeper.try_to_write(changes)
            self._last = shown
        return replace(shown, durable=self._keeper.durable)

    @property
    def tracked_jobs(self) -> int:
        """How many jobs are tracked, shown or not."""
        return len(self._roster.jobs)

    @property
    def unsaved_jobs(self) -> int:
        """How many jobs the next view has to save."""
        return self._roster.unsaved_jobs

    @property
    def shown_jobs(self) -> int:
        """How many jobs a view may show now."""
        return min(self.tracked_jobs, self._limits.max_jobs) if self._limits.per_job else 0

    def turn(self) -> AbstractContextManager[None]:
        """For a thread that is about to take a view: see `Keeper.turn`."""
        return self._keeper.turn()

    def last_view(self) -> LedgerView:
        """The last view, as far as it is still fresh, for readers that cannot wait for the store.

        What it shows was saved. If the store refused to save it, the view is not durable.
        """
        return replace(aged(self._last, self._limits, self._clock()), durable=self._keeper.durable)

    def _view(self, now: float) -> LedgerView:
        self._roster.update()
        definitions = self._totals.definitions
        if self._shows != (self._roster.revision, len(definitions)) or not still_true(self._shown, self._limits, now):
            self._shown = view(self._roster, definitions=definitions, limits=self._limits, now=now)
            self._shows = self._roster.revision, len(definitions)
        return self._past.compared(replace(self._shown, taken=now, totals=self._totals.view()))

    def close(self) -> None:
        """Save the changes and the progress of unfinished jobs. After that, nothing more is saved."""
        self._keeper.close(self._clock())
