"""What each finished task, job and output adds to the totals."""

from __future__ import annotations

from exporter.model import OTHER, UNKNOWN, Job, Output, Task, job_status, task_status
from exporter.snapshot import Total
from exporter.tracking.totals import TRIGGERS, Totals


def finished_job(totals: Totals, job: Job) -> None:
    """Count a job that was seen finished for the first time."""
    definition, status = totals.definition(job), job_status(job.status)
    totals.count(Total.JOBS_FINISHED, (definition, status))
    if status == "TranscodeFail":
        totals.count(Total.JOB_FAILURES, (definition, totals.error_code(job)), of=job.id)
    seconds = _between(job.created, job.completed)
    if seconds is not None:
        totals.observe(Total.JOB_DURATION, (definition,), seconds, of=job.id)


def finished_output(totals: Totals, job: Job, output: Output, *, billed: str) -> None:
    """Count the output of a job that succeeded, seen for the first time. `billed` is its specification."""
    labels = (totals.definition(job),)
    if output.bitrate is not None:
        totals.observe(Total.OUTPUT_BITRATE, labels, output.bitrate)
    if output.size is not None:
        totals.observe(Total.OUTPUT_SIZE, labels, output.size)
    if output.duration is not None:
        totals.count(Total.OUTPUT_DURATION, labels, output.duration)
        totals.count(Total.BILLED, (billed,), output.duration)


def processed_job(totals: Totals, job: Job, seconds: float) -> None:
    """Count the seconds from the start of a job to its finish, which an event reported."""
    totals.observe(Total.JOB_PROCESSING, (totals.definition(job),), seconds, of=job.id)


def finished_task(totals: Totals, task: Task) -> None:
    """Count a task that was seen finished for the first time."""
    trigger = task.trigger if task.trigger in TRIGGERS else OTHER if task.trigger else UNKNOWN
    totals.count(Total.TASKS_FINISHED, (task_status(task.status), trigger))
    seconds = _between(task.created, task.completed)
    if seconds is not None:
        totals.observe(Total.TASK_DURATION, (), seconds, of=task.id)


def _between(created: float | None, completed: float | None) -> float | None:
    """Seconds from creation to completion; None if they are not known, or in the wrong order."""
    if created is None or completed is None or completed < created:
        return None
    return completed - created
