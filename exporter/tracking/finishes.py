"""Decides when a job or task is finished, and adds it to the totals once, even if VOD reports it several times."""

from __future__ import annotations

import math
from collections.abc import Mapping

from exporter.model import UNKNOWN, EndedJob, Job, Task, job_status
from exporter.specification import specification
from exporter.tracking import figures
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.store import PendingEvent
from exporter.tracking.totals import Totals

_PENDING_SECONDS = 3600.0
_MAX_PENDING = 10_000
_MAX_QUEUE_SECONDS = 30 * 86400.0  # a longer wait is caused by a wrong clock, and would distort the sum
# How long a finished task waits for the end of its unfinished jobs, in seconds and in answers. Both have to pass: the
# time alone is not enough, because the clock of the machine may be set forward.
_SETTLE_SECONDS = 600.0
_SETTLE_ANSWERS = 5


class Finishes:
    """Counts the finished tasks and jobs of one account.

    `state_created` is when the state of the account was created, in Unix seconds. `memory` is how long the state keeps
    the id of a counted task, in seconds. `templates` has the specifications of outputs by template, for those that do
    not follow from the output.

    Tasks and jobs that ended before the state was created are shown, but not counted. Otherwise each start without a
    state would count them again. Tasks that ended more than `memory` ago are not counted either.
    """

    def __init__(
        self,
        roster: Roster,
        totals: Totals,
        *,
        state_created: float,
        memory: float,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        self._roster = roster
        self._totals = totals
        self._state_created = math.floor(state_created)  # VOD reports whole seconds
        self._memory = memory
        self._templates = templates or {}

    def task_seen_first(self, task: TrackedTask, seen: Task, now: float) -> None:
        """VOD describes the task for the first time. If it is already finished, it may have been counted long ago."""
        if seen.finished and _before(seen.completed, seen.created, max(self._state_created, now - self._memory)):
            task.already_counted = True

    def job_seen(self, job: TrackedJob, now: float, *, first: bool) -> None:
        """VOD described the job. `first` means that it was not tracked before. Counts only what was not counted yet."""
        seen, task = job.job, self._roster.tasks[job.task_id]
        if seen.finished and job.finished_at is None:
            job.finished_at = now
            if task.already_counted or (first and _before(seen.completed, seen.created, self._state_created)):
                job.output_counted = job.processing_counted = job.queue_counted = True
            else:
                figures.finished_job(self._totals, seen)
        # VOD may report the output later than the finish.
        if job.finished_at is not None and seen.status == "TranscodeSuccess" and not job.output_counted:
            self._count_output(job, seen)
        if self._roster.events and (pending := self._roster.drop_event(seen.id)):
            self._count_times(job, started=pending.started, processing=pending.processing)

    def _count_output(self, job: TrackedJob, seen: Job) -> None:
        if seen.output is not None:
            job.output_counted = True
            billed = self._templates.get(seen.template_id) or specification(seen.output)
            figures.finished_output(self._totals, seen, seen.output, billed=billed)

    def settle(self, task: TrackedTask, now: float) -> None:
        """Finish the task, and count it, if its status is final and its jobs are finished.

        A job with a status that VOD does not document has ended if its task has, and counts as `unknown`. For jobs with
        a documented unfinished status, the task waits for 10 minutes and 5 answers. After that they are treated as
        finished, but not counted.
        """
        if task.finished_at is not None or task.task is None or not task.task.finished:
            return
        if task.final_since is None:
            task.final_since = now
        task.final_seen += 1
        settled = abs(now - task.final_since) > _SETTLE_SECONDS and task.final_seen > _SETTLE_ANSWERS
        unfinished = [job for job in self._roster.jobs_of(task) if job.finished_at is None]
        if not settled and any(job_status(job.job.status) != UNKNOWN for job in unfinished):
            return
        for job in unfinished:
            self._end(job, task, now)
        task.finished_at = now
        if not task.already_counted:
            figures.finished_task(self._totals, task.task, [job.job for job in self._roster.jobs_of(task)])

    def _end(self, job: TrackedJob, task: TrackedTask, now: float) -> None:
        """VOD has not reported the end of the job, but that of its task."""
        job.finished_at = now
        counted = task.already_counted or _before(job.job.completed, job.job.created, self._state_created)
        if job_status(job.job.status) == UNKNOWN and not counted:
            figures.finished_job(self._totals, job.job)

    def _count_times(self, job: TrackedJob, *, started: float | None, processing: float | None) -> None:
        if self._roster.tasks[job.task_id].already_counted:
            return
        if processing is not None and not job.processing_counted:
            job.processing_counted = True
            figures.processed_job(self._totals, job.job, processing)
        if started is not None and not job.queue_counted and job.job.created is not None:
            job.queue_counted = True
            if 0 <= started - job.job.created <= _MAX_QUEUE_SECONDS:
                figures.queued_job(self._totals, job.job, started - job.job.created)

    def event(self, ended: EndedJob, now: float) -> None:
        """An event reported the times of a job.

        The times of a job that is not tracked are kept for an hour, in case the job is found.
        """
        job = self._roster.jobs.get(ended.id)
        if job is not None:
            self._count_times(job, started=ended.started, processing=ended.processing)
        elif len(self._roster.events) < _MAX_PENDING:
            self._roster.add_event(ended.id, PendingEvent(ended.started, ended.processing, now))

    def expire(self, now: float) -> None:
        """Forget the times of events that have waited for an hour."""
        for job_id, event in list(self._roster.events.items()):
            if not 0 <= now - event.arrived < _PENDING_SECONDS:
                self._roster.drop_event(job_id)


def _before(completed: float | None, created: float | None, limit: float) -> bool:
    """Whether the task or job ended before `limit`. If the end is unknown, the creation time is used."""
    when = completed if completed is not None else created
    return when is not None and when < limit
