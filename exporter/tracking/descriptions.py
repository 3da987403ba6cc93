"""What VOD says about tracked tasks and jobs: updates their records, and counts what has finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from exporter.model import UNKNOWN, Job, Task, job_status
from exporter.tracking.finishes import Finishes
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.totals import Totals

_NO_ROOM_SECONDS = 60.0  # before a task whose jobs do not fit is asked about again
_MAX_CLAIMS = 10  # of other tasks for one job


class Descriptions:
    """Applies the answers of VOD to the records. Each method takes the number of the last call, and Unix seconds.

    The definitions of the tracked jobs are counted by name from the start. `left_out` is called with the id of a task
    whose jobs do not fit. Not safe to use from several threads.
    """

    def __init__(self, roster: Roster, totals: Totals, finishes: Finishes, *, left_out: Callable[[str], None]) -> None:
        self._roster = roster
        self._report_left_out = left_out
        self._totals = totals
        self._finishes = finishes
        definitions: dict[str, Job] = {}
        for job in roster.jobs.values():
            definitions.setdefault(job.job.definition, job.job)
        for seen in definitions.values():
            totals.definition(seen)

    def of_task(self, task: TrackedTask, seen: Task, *, call: int, now: float) -> None:
        """VOD described the whole unfinished task.

        An unfinished job is removed from the task if neither this answer nor the previous answer about it has it. If
        the new jobs of the answer do not fit, none is tracked, and the task cannot finish: it is asked about later.
        """
        task.not_found = 0
        task.answered = True
        task.refreshed = now
        before = task.task
        if before is None:
            self._finishes.task_seen_first(task, seen, now)
        self._roster.note_missing(task, {job.id for job in seen.jobs})
        # The known jobs come first, because they stay if they belong to other tasks that have to make room.
        known = self._roster.jobs.keys() & {job.id for job in seen.jobs}
        new = [job for job in seen.jobs if job.id and job.id not in known]
        for job in seen.jobs:
            if job.id in known:
                self._of_job(job, task, call=call, now=now)
        fits = not new or self._roster.make_room(len(new), task)
        for job in new if fits else ():
            self._of_job(job, task, call=call, now=now)
        if not fits:
            task.task = replace(seen, id=task.id, jobs=(), status="Partial" if seen.finished else seen.status)
            task.stale, task.ask_after = True, now + _NO_ROOM_SECONDS
            self._report_left_out(task.id)
        elif before is None or not before.finished or seen.finished:
            task.task = replace(seen, id=task.id, jobs=())
        self._finishes.settle(task, now)

    def of_jobs(self, asked: Sequence[str], seen: Iterable[Job], *, call: int, now: float) -> None:
        """VOD described the jobs `seen` when asked about the ids `asked`.

        If the answer lacks a job, or a job gets an undocumented status, the exporter asks for the whole task.
        """
        wanted = set(asked) & self._roster.jobs.keys()
        before = {job_id: self._roster.jobs[job_id].job.status for job_id in wanted}
        for job in seen:
            if job.id in wanted:
                wanted.discard(job.id)
                task = self._roster.tasks[self._roster.jobs[job.id].task_id]
                task.answered = True
                self._of_job(job, task, call=call, now=now)
                if job_status(job.status) == UNKNOWN and self._roster.jobs[job.id].finished_at is None:
                    # The job may have ended: only the status of the task shows that.
                    task.stale = task.stale or before[job.id] != job.status
                if job.finished and task.task is not None and task.task.status == "Processing":
                    # VOD has this status now, but the exporter asks about the task again only after its last job.
                    task.task = replace(task.task, status="Partial")
                self._finishes.settle(task, now)
        for missing in (self._roster.jobs[job_id] for job_id in wanted):
            if missing.finished_at is None:
                missing.missing = True
                self._roster.tasks[missing.task_id].stale = True

    def _of_job(self, seen: Job, task: TrackedTask, *, call: int, now: float) -> None:
        self._totals.definition(seen)
        job = self._roster.jobs.get(seen.id)
        first = job is None
        if job is None:
            job = self._roster.add_job(seen, task, refreshed=now, asked=call)
        elif job.task_id != task.id and task.id not in job.claimed_by:
            self._claim(job, task)
        if first or job.progress_since is None or seen.progress != job.job.progress:
            job.progress_since = now
        job.describe(seen)
        job.refreshed = now
        job.missing = False
        self._finishes.job_seen(job, now, first=first)

    def _claim(self, job: TrackedJob, task: TrackedTask) -> None:
        """Another task names the job too. Only tracked tasks can inherit it, and a few are enough."""
        others = tuple(task_id for task_id in job.claimed_by if task_id in self._roster.tasks)
        if len(others) < _MAX_CLAIMS:
            job.claimed_by = (*others, task.id)
