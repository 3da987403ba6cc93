"""What of a finish is counted, and when: once, whatever is told of it, how often and how late."""

from __future__ import annotations

import math

from exporter.model import Job, Task
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.totals import Totals
from exporter.tracking.unsaved import Unsaved

_PENDING_SECONDS = 3600.0
_MAX_PENDING = 10_000


class Finishes:
    """`born` is when the state of the account began, in Unix seconds; `memory` how many seconds it remembers for.

    What was over before is shown and adds to no total: without a state each start would count it anew, and past its
    memory an old task that is named again.
    """

    def __init__(self, totals: Totals, unsaved: Unsaved, *, born: float, memory: float) -> None:
        self._totals = totals
        self._unsaved = unsaved
        self._born = math.floor(born)  # the service tells whole seconds
        self._memory = memory
        self._pending: dict[str, tuple[float, float]] = {}

    def task_seen_first(self, task: TrackedTask, seen: Task, now: float) -> None:
        """A task that is over at first sight may be one that was counted long ago."""
        if seen.finished and _before(seen.completed, seen.created, max(self._born, now - self._memory)):
            task.silent = True

    def task(self, task: TrackedTask, seen: Task) -> None:
        """The task is finished, and was not before."""
        if not task.silent:
            self._totals.finished_task(seen)

    def job(self, job: TrackedJob, task: TrackedTask, *, first: bool) -> None:
        """The job is finished, and was not before; `first` where it was not even known."""
        if task.silent or (first and _before(job.job.completed, job.job.created, self._born)):
            job.output_counted = job.processing_counted = True
        else:
            self._totals.finished_job(job.job)

    def details(self, job: TrackedJob, task: TrackedTask) -> None:
        """The job was seen. Its output is mostly told with its finish, else later; so is its time, by events."""
        seen = job.job
        if job.finished_at is not None and seen.status == "TranscodeSuccess" and not job.output_counted:
            self._output(job, seen)
        if self._pending and seen.id in self._pending:
            seconds, _ = self._pending.pop(seen.id)
            self.processing(job, task, seconds)

    def processing(self, job: TrackedJob, task: TrackedTask, seconds: float) -> None:
        """An event told how long the job took."""
        if not (job.processing_counted or task.silent):
            job.processing_counted = True
            self._totals.processed_job(job.job, seconds)
            self._unsaved.jobs.change(job.job.id)

    def processing_of_unknown(self, job_id: str, seconds: float, now: float) -> None:
        """An event told how long a job took that is not tracked: kept for an hour, in which it may be found."""
        if len(self._pending) < _MAX_PENDING:
            self._pending[job_id] = (seconds, now)

    def expire(self, now: float) -> None:
        for job_id in [one for one, (_, at) in self._pending.items() if not 0 <= now - at < _PENDING_SECONDS]:
            del self._pending[job_id]

    def _output(self, job: TrackedJob, seen: Job) -> None:
        if seen.output is not None:
            job.output_counted = True
            self._totals.finished_output(seen, seen.output)
            self._unsaved.jobs.change(seen.id)


def _before(completed: float | None, created: float | None, limit: float) -> bool:
    when = completed if completed is not None else created
    return when is not None and when < limit
