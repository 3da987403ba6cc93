"""The interface of a store, which keeps the state of all accounts, and the store in memory."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.snapshot import HistogramView, Key, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """What an event says about a job that is not tracked yet: its start, its processing time, and when the event came.

    `started` and `arrived` are Unix seconds, `processing` is seconds.
    """

    started: float | None
    processing: float | None
    arrived: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored state of one account. `state_created` is when the store got its first state, in Unix seconds."""

    state_created: float
    tasks: Collection[TaskRecord] = ()
    jobs: Collection[JobRecord] = ()
    totals: TotalsView = field(default_factory=TotalsView)
    events: Mapping[str, PendingEvent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """A task that is not tracked any more. It was `finished` and counted, or given up.

    The store keeps the memory until `until`, in Unix seconds.
    """

    until: float
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All changes of one ledger since the last save. A store saves all of them or none.

    `totals` are whole values, not differences. `remembered` is by task id, `events` by job id. The store forgets
    memories that ended before `now`, in Unix seconds. `messages` are the numbers of those that led to these changes.
    """

    now: float
    tasks: Collection[TaskRecord] = ()
    jobs: Collection[JobRecord] = ()
    dropped_tasks: Collection[str] = ()
    dropped_jobs: Collection[str] = ()
    totals: TotalsView = field(default_factory=TotalsView)
    remembered: Mapping[str, Memory] = field(default_factory=dict)
    events: Mapping[str, PendingEvent] = field(default_factory=dict)
    dropped_events: Collection[str] = ()
    messages: Collection[int] = ()


class Store(Protocol):
    """Safe to use from several threads. Every method may raise `StateError`, and then has changed nothing."""

    def load(self, account: str, *, now: float) -> Stored:
        """The state of the account. An account without a state gets an empty one, created at `now` (Unix seconds)."""

    def save(self, account: str, changes: Changes) -> None:
        """Save the changes in one transaction."""

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """Which of these tasks are remembered, and for each whether it was finished."""

    def close(self) -> None:
        """Release files and connections. No other call may follow."""


class MemoryStore:
    """Keeps everything until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _Kept] = {}

    def load(self, account: str, *, now: float) -> Stored:
        """See `Store.load`."""
        with self._lock:
            kept = self._accounts.setdefault(account, _Kept(now))
            totals = TotalsView(dict(kept.counters), dict(kept.histograms), held=frozenset(kept.held))
            tasks, jobs = tuple(kept.tasks.values()), tuple(kept.jobs.values())
            return Stored(kept.state_created, tasks, jobs, totals, dict(kept.events))

    def save(self, account: str, changes: Changes) -> None:
        """See `Store.save`."""
        with self._lock:
            kept = self._accounts[account]
            kept.tasks.update({task.id: task for task in changes.tasks})
            kept.jobs.update({job.job.id: job for job in changes.jobs})
            for task_id in changes.dropped_tasks:
                kept.tasks.pop(task_id, None)
            for job_id in changes.dropped_jobs:
                kept.jobs.pop(job_id, None)
            kept.counters.update(changes.totals.counters)
            kept.histograms.update(changes.totals.histograms)
            kept.held -= {*changes.totals.counters, *changes.totals.histograms}
            kept.held |= set(changes.totals.held)
            kept.events.update(changes.events)
            for job_id in changes.dropped_events:
                kept.events.pop(job_id, None)
            kept.remembered.update(changes.remembered)
            over = [task_id for task_id, memory in kept.remembered.items() if memory.until < changes.now]
            for task_id in over:
                del kept.remembered[task_id]

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store.remembered`."""
        with self._lock:
            kept = self._accounts[account].remembered
            return {task_id: kept[task_id].finished for task_id in task_ids if task_id in kept}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class _Kept:
    state_created: float
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    counters: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, HistogramView] = field(default_factory=dict)
    held: set[Key] = field(default_factory=set)
    remembered: dict[str, Memory] = field(default_factory=dict)
    events: dict[str, PendingEvent] = field(default_factory=dict)
