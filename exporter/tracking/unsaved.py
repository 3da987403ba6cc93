"""What the store has not been given yet."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.snapshot import TotalsView
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import Changes


class Unsaved:
    """Ids of what has changed in one ledger since the store took its changes."""

    def __init__(self) -> None:
        self._tasks: set[str] = set()
        self._jobs: set[str] = set()
        self._dropped_tasks: set[str] = set()
        self._dropped_jobs: set[str] = set()
        self._remembered: dict[str, float] = {}

    def task(self, task_id: str) -> None:
        self._tasks.add(task_id)
        self._dropped_tasks.discard(task_id)

    def forget_task(self, task_id: str) -> None:
        """The task came and went, and the store needs not know."""
        self._tasks.discard(task_id)

    def job(self, job_id: str) -> None:
        self._jobs.add(job_id)
        self._dropped_jobs.discard(job_id)

    def dropped_task(self, task_id: str, *, remembered_until: float) -> None:
        self._tasks.discard(task_id)
        self._dropped_tasks.add(task_id)
        self._remembered[task_id] = remembered_until

    def dropped_job(self, job_id: str) -> None:
        self._jobs.discard(job_id)
        self._dropped_jobs.add(job_id)

    def changes(
        self, tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob], totals: TotalsView, *, now: float
    ) -> Changes | None:
        """Everything at once, as it is now; None where nothing has changed."""
        anything = self._tasks or self._jobs or self._dropped_tasks or self._dropped_jobs
        if not (anything or totals.counters or totals.histograms):
            return None
        return Changes(
            now=now,
            tasks=[tasks[task_id].record() for task_id in self._tasks],
            jobs=[jobs[job_id].record() for job_id in self._jobs],
            dropped_tasks=tuple(self._dropped_tasks),
            dropped_jobs=tuple(self._dropped_jobs),
            totals=totals,
            remembered=dict(self._remembered),
        )

    def clear(self) -> None:
        """The store has taken the changes."""
        for part in (self._tasks, self._jobs, self._dropped_tasks, self._dropped_jobs, self._remembered):
            part.clear()

    def remembers(self, task_id: str) -> bool:
        """The task is to be remembered, and the store does not know yet."""
        return task_id in self._remembered
