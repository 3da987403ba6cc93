"""Decides which tasks the exporter starts to track: named, discovered and registered ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from exporter.errors import StateError
from exporter.tracking.departures import Departures
from exporter.tracking.keeper import Keeper
from exporter.tracking.names import Names
from exporter.tracking.roster import Roster

MAX_TASKS = 100_000  # tracked at a time; `roster.MAX_JOBS` bounds their jobs


class Arrivals:
    """Safe to use from several threads: `lock` guards the roster and the names, as for `Keeper`.

    `clock` gives Unix seconds. `dropped` is called with the reason for each task that is left out, because there are
    too many tasks or jobs.
    """

    def __init__(
        self,
        roster: Roster,
        names: Names,
        departures: Departures,
        keeper: Keeper,
        lock: threading.RLock,
        *,
        clock: Callable[[], float],
        dropped: Callable[[str], None],
    ) -> None:
        self._roster = roster
        self._names = names
        self._departures = departures
        self._keeper = keeper
        self._lock = lock
        self._clock = clock
        self._report_dropped = dropped
        self._left_out: set[str] = set()

    def name(self, key: str, task_ids: Iterable[str], *, source: str) -> bool:
        """See `Ledger.name`."""
        ids = tuple(dict.fromkeys(task_ids))
        with self._lock:
            self._names.name(key, ids)
            new = [task_id for task_id in self._untracked(ids) if self._names.allowed(task_id)]
        return self._find(new, source, named=True)

    def discover(self, task_ids: Iterable[str], *, source: str) -> None:
        """See `Ledger.discover`."""
        with self._lock:
            new = self._untracked(task_ids)
        self._find(new, source, named=False)

    def register(self, task_ids: Sequence[str], *, source: str) -> dict[str, bool]:
        """See `Ledger.register`."""
        with self._keeper.turn():
            with self._lock:
                new = self._untracked(task_ids)
            known = self._keeper.recall(new)
            with self._lock:
                wanted = [task_id for task_id in new if not known[task_id]]
                if not self._departures.have_room(len(wanted), most=MAX_TASKS):
                    tracked = len(self._roster.tasks)
                    raise StateError(f"{tracked:,} tasks are tracked already; the limit is {MAX_TASKS:,}")
                self._make_room(len(wanted))
                for task_id in wanted:
                    self._track(task_id, source, already_counted=known[task_id] is False)
                for task_id in self._roster.tasks.keys() & set(task_ids):
                    task = self._roster.tasks[task_id]
                    if task.task is None:  # else VOD knows it
                        task.registered = self._clock()
                changes = self._keeper.take(self._clock())
            try:
                self._keeper.write(changes)
            except StateError:
                self._untrack(new)
                raise
            with self._lock:
                self._names.allow(new)
                return {task_id: task_id in self._roster.tasks for task_id in task_ids}

    def leave_out(self, task_id: str) -> None:
        """The task or its jobs do not fit. The same task is reported once. The caller holds the lock."""
        if task_id not in self._left_out:
            if len(self._left_out) >= MAX_TASKS:
                self._left_out.clear()
            self._left_out.add(task_id)
            self._report_dropped("too_many")

    def _untracked(self, task_ids: Iterable[str]) -> list[str]:
        return [task_id for task_id in dict.fromkeys(task_ids) if task_id not in self._roster.tasks]

    def _find(self, new: Sequence[str], source: str, *, named: bool) -> bool:
        """Track new tasks. Those that were counted before are tracked only if a source names them.

        Returns False, and tracks none of them, if the store cannot say which were counted.
        """
        if not new:
            return True
        try:
            with self._keeper.turn():
                known = self._keeper.recall(new)
                with self._lock:
                    wanted = [one for one in new if known[one] is None or (named and self._names.allowed(one))]
                    self._make_room(len(wanted))
                    for task_id in wanted:
                        self._track(task_id, source, already_counted=known[task_id] is not None)
        except StateError as error:
            self._keeper.not_recalled(error)
            return False
        return True

    def _make_room(self, count: int) -> None:
        self._departures.make_room(count, most=MAX_TASKS, now=self._clock())

    def _track(self, task_id: str, source: str, *, already_counted: bool = False) -> None:
        if task_id in self._roster.tasks:  # since the store was asked about it
            return
        if len(self._roster.tasks) >= MAX_TASKS:
            self.leave_out(task_id)
            return
        self._left_out.discard(task_id)
        self._roster.add_task(task_id, source=source, since=self._clock(), already_counted=already_counted)

    def _untrack(self, task_ids: Iterable[str]) -> None:
        """Stop tracking tasks that could not be saved. A task stays if VOD has described it meanwhile."""
        with self._lock:
            for task_id in task_ids:
                task = self._roster.tasks.get(task_id)
                if task is not None and task.task is None:
                    self._roster.remove_task(task)
