"""Counts the tracked tasks and jobs of one account, by following their changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from typing import TypeVar

from exporter.model import Job
from exporter.tracking.records import TrackedJob, TrackedTask

_SPARE = 64  # entries of a heap beyond twice the number of unfinished jobs, before those of other jobs are removed

_Key = TypeVar("_Key")


class Census:
    """Counts `tasks` by VOD's status, `jobs` by VOD's definition and status, and `sources`: the tasks by source.

    Each record has the description that was counted. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self.tasks: Counter[str] = Counter()
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.sources: Counter[str] = Counter()
        # By definition: when unfinished jobs were created, and their ids. Entries of jobs that have ended stay a while.
        self._created: dict[str, list[tuple[float, str]]] = {}

    def task(self, task: TrackedTask) -> None:
        """The task is described for the first time, or anew."""
        before, task.counted = task.counted, task.task
        if before is not None:
            _take(self.tasks, before.status)
        if task.task is not None:
            self.tasks[task.task.status] += 1

    def drop_task(self, task: TrackedTask) -> None:
        """The task is not tracked any more."""
        if task.counted is not None:
            _take(self.tasks, task.counted.status)
        _take(self.sources, task.source)

    def job(self, job: TrackedJob) -> None:
        """The job is described for the first time, or anew."""
        before = job.counted
        now = job.counted = job.job
        is_new = before is None or _creation(before) != _creation(now)
        if before is not None:
            _take(self.jobs, (before.definition, before.status))
        self.jobs[now.definition, now.status] += 1
        if is_new and job.finished_at is None and now.created is not None:
            heappush(self._created.setdefault(now.definition, []), (now.created, now.id))

    def drop_job(self, job: TrackedJob) -> None:
        """The job is not tracked any more."""
        if job.counted is not None:
            _take(self.jobs, (job.counted.definition, job.counted.status))

    def oldest(self, unfinished: Mapping[str, TrackedJob]) -> dict[str, float]:
        """The earliest creation by VOD's definition, in Unix seconds. These have to be all unfinished jobs."""
        for definition, created in list(self._created.items()):
            if len(created) > 2 * len(unfinished) + _SPARE:
                created[:] = [entry for entry in created if _is_of(entry, definition, unfinished)]
                heapify(created)
            while created and not _is_of(created[0], definition, unfinished):
                heappop(created)
            if not created:
                del self._created[definition]
        return {definition: created[0][0] for definition, created in self._created.items()}


def _is_of(entry: tuple[float, str], definition: str, unfinished: Mapping[str, TrackedJob]) -> bool:
    """Whether the entry is true of an unfinished job."""
    created, job_id = entry
    job = unfinished.get(job_id)
    return job is not None and _creation(job.job) == (definition, created)


def _creation(job: Job) -> tuple[str, float | None]:
    return job.definition, job.created


def _take(counter: Counter[_Key], key: _Key) -> None:
    """Count one less. A count of 0 is removed, because VOD may use any number of keys."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
