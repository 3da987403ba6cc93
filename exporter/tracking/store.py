"""Where the ledgers are kept: the seam between what is tracked and what keeps it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from exporter.snapshot import HistogramView, Key, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store has of one account. `born` is when it first heard of it, in Unix seconds."""

    born: float
    tasks: Collection[TaskRecord] = ()
    jobs: Collection[JobRecord] = ()
    totals: TotalsView = field(default_factory=TotalsView)


@dataclass(frozen=True, slots=True)
class Memory:
    """That a task was there: `finished`, and so counted, or given up. Kept until `until`, in Unix seconds."""

    until: float
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What has changed in one ledger; it is taken whole or not at all.

    `totals` are whole values, not differences. `remembered` is by the ids of tasks; memories past `now` are forgotten.
    """

    now: float
    tasks: Collection[TaskRecord] = ()
    jobs: Collection[JobRecord] = ()
    dropped_tasks: Collection[str] = ()
    dropped_jobs: Collection[str] = ()
    totals: TotalsView = field(default_factory=TotalsView)
    remembered: Mapping[str, Memory] = field(default_factory=dict)


class Store(Protocol):
    """Safe to use from several threads. Every method may raise `StateError`, and then has changed nothing."""

    def load(self, account: str, *, now: float) -> Stored:
        """What is kept of the account; makes one born at `now` where there is none."""

    def save(self, account: str, changes: Changes) -> None:
        """One transaction."""

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """Those of the ids that are remembered, and whether they were finished."""

    def close(self) -> None: ...


class MemoryStore:
    """Keeps everything, for as long as it lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _Kept] = {}

    def load(self, account: str, *, now: float) -> Stored:
        with self._lock:
            kept = self._accounts.setdefault(account, _Kept(now))
            totals = TotalsView(dict(kept.counters), dict(kept.histograms))
            return Stored(kept.born, tuple(kept.tasks.values()), tuple(kept.jobs.values()), totals)

    def save(self, account: str, changes: Changes) -> None:
        with self._lock:
            kept = self._accounts[account]
            kept.tasks.update({one.id: one for one in changes.tasks})
            kept.jobs.update({one.job.id: one for one in changes.jobs})
            for task_id in changes.dropped_tasks:
                kept.tasks.pop(task_id, None)
            for job_id in changes.dropped_jobs:
                kept.jobs.pop(job_id, None)
            kept.counters.update(changes.totals.counters)
            kept.histograms.update(changes.totals.histograms)
            kept.remembered.update(changes.remembered)
            for task_id in [one for one, memory in kept.remembered.items() if memory.until < changes.now]:
                del kept.remembered[task_id]

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        with self._lock:
            kept = self._accounts[account].remembered
            return {one: kept[one].finished for one in task_ids if one in kept}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class _Kept:
    born: float
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    jobs: dict[str, JobRecord] = field(default_factory=dict)
    counters: dict[Key, float] = field(default_factory=dict)
    histograms: dict[Key, HistogramView] = field(default_factory=dict)
    remembered: dict[str, Memory] = field(default_factory=dict)
