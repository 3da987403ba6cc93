"""What the store has not been given yet."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.snapshot import TotalsView
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import Changes, Memory


class Unsaved:
    """Ids of what has changed in one ledger since the store took its changes, and what is to be remembered."""

    def __init__(self) -> None:
        self.tasks = Marks()
        self.jobs = Marks()
        self._remembered: dict[str, Memory] = {}

    def remember(self, task_id: str, memory: Memory) -> None:
        self._remembered[task_id] = memory

    def remembered(self, task_id: str) -> Memory | None:
        """What is to be remembered of the task, and the store does not know yet."""
        return self._remembered.get(task_id)

    def changes(
        self, tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob], totals: TotalsView, *, now: float
    ) -> Changes | None:
        """Everything at once, as it is now; None where nothing has changed."""
        self._remembered = {task_id: memory for task_id, memory in self._remembered.items() if memory.until >= now}
        if not (self.tasks or self.jobs or self._remembered or totals.counters or totals.histograms):
            return None
        return Changes(
            now=now,
            tasks=[tasks[task_id].record() for task_id in self.tasks.changed],
            jobs=[jobs[job_id].record() for job_id in self.jobs.changed],
            dropped_tasks=tuple(self.tasks.dropped),
            dropped_jobs=tuple(self.jobs.dropped),
            totals=totals,
            remembered=dict(self._remembered),
        )

    def clear(self) -> None:
        """The store has taken the changes."""
        self.tasks.clear()
        self.jobs.clear()
        self._remembered.clear()


class Marks:
    """Ids of one kind, in order. What comes and goes before the store hears of it leaves no mark."""

    __slots__ = ("_new", "changed", "dropped")

    def __init__(self) -> None:
        self.changed: dict[str, None] = {}
        self.dropped: dict[str, None] = {}
        self._new: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.changed or self.dropped)

    def add(self, one: str) -> None:
        """It was not there before."""
        if one in self.dropped:
            del self.dropped[one]
        else:
            self._new.add(one)
        self.changed[one] = None

    def change(self, one: str) -> None:
        self.changed[one] = None

    def drop(self, one: str) -> None:
        self.changed.pop(one, None)
        if one in self._new:
            self._new.discard(one)
        else:
            self.dropped[one] = None

    def clear(self) -> None:
        self.changed.clear()
        self.dropped.clear()
        self._new.clear()
