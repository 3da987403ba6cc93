"""What each finished task, job and output adds to the totals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from exporter import causes
from exporter.model import OTHER, UNKNOWN, Job, Output, Task, job_status, task_status
from exporter.snapshot import Total
from exporter.tracking.totals import DEFAULT, HIGH, LOW, TRIGGERS, Totals

# https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-submittranscodejobs: 1 to 10, a larger
# number is a higher priority.
_DEFAULT_PRIORITY = 6
_FAR = 2.0  # a bitrate is suspicious if it is more than twice or less than half of size * 8 / playing time
_TRUNCATED = 0.8  # an output shorter than this share of the longest output of its task is suspicious


def finished_job(totals: Totals, job: Job) -> None:
    """Count a finished job when it is first seen finished."""
    definition, status = totals.definition(job), job_status(job.status)
    totals.count(Total.JOBS_FINISHED, (definition, status))
    if status == "TranscodeFail":
        totals.count(Total.JOB_FAILURES, (definition, totals.error_code(job)), of=job.id)
    seconds = _between(job.created, job.completed)
    if seconds is not None and status != UNKNOWN:
        totals.observe(Total.JOB_DURATION, (definition, status), seconds, of=job.id)


def finished_output(totals: Totals, job: Job, output: Output, *, billed: str) -> None:
    """Count the output of a successful job when it is first seen. `billed` is its specification."""
    labels = (totals.definition(job),)
    if output.bitrate is not None:
        totals.observe(Total.OUTPUT_BITRATE, labels, output.bitrate)
    if output.size is not None:
        totals.observe(Total.OUTPUT_SIZE, labels, output.size)
    if output.duration is not None:
        totals.count(Total.OUTPUT_DURATION, labels, output.duration)
        totals.count(Total.BILLED, (billed,), output.duration)
    seconds = _between(job.created, job.completed)
    if seconds is not None and output.duration:
        totals.observe(Total.JOB_REALTIME_RATIO, labels, seconds / output.duration, of=job.id)
    reason = _suspicion(output)
    if reason:
        totals.count(Total.SUSPICIOUS_OUTPUTS, (*labels, reason), of=job.id)


def _suspicion(output: Output) -> str:
    """Why the output alone is suspicious; `""` if it is not."""
    if output.size == 0:
        return "no_bytes"
    if output.size and output.bitrate and output.duration:
        ratio = output.bitrate * output.duration / (output.size * 8)
        if not 1 / _FAR <= ratio <= _FAR:
            return "bitrate"
    return ""


def processed_job(totals: Totals, job: Job, seconds: float) -> None:
    """Count the seconds from the start of a job to its finish, which an event reported."""
    totals.observe(Total.JOB_PROCESSING, (totals.definition(job),), seconds, of=job.id)


def queued_job(totals: Totals, job: Job, seconds: float) -> None:
    """Count the seconds from the creation of a job to its start, which an event reported."""
    totals.observe(Total.JOB_QUEUE, (totals.definition(job),), seconds, of=job.id)


def finished_task(totals: Totals, task: Task, jobs: Sequence[Job]) -> None:
    """Count a finished task when it is first seen finished. `jobs` is VOD's last description of its jobs."""
    trigger = task.trigger if task.trigger in TRIGGERS else OTHER if task.trigger else UNKNOWN
    status = task_status(task.status)
    totals.count(Total.TASKS_FINISHED, (status, trigger))
    if status == "CompleteAllFail":
        codes = [job.error_code for job in jobs if job.status == "TranscodeFail"]
        # VOD called the whole task failed, but none of its jobs: the cause is unknown.
        cause = causes.of_task(codes) if codes or not jobs else UNKNOWN
        totals.count(Total.TASK_FAILURES, (cause,), of=task.id)
    seconds = _between(task.created, task.completed)
    if seconds is not None:
        totals.observe(Total.TASK_DURATION, (_priority(jobs),), seconds, of=task.id)
    succeeded = [job for job in jobs if job.status == "TranscodeSuccess"]
    first = min((job.completed for job in succeeded if job.completed is not None), default=None)
    seconds = _between(task.created, first)
    if seconds is not None:
        totals.observe(Total.TASK_FIRST_OUTPUT, (), seconds, of=task.id)
    _count_truncated(totals, succeeded)


def _count_truncated(totals: Totals, jobs: Sequence[Job]) -> None:
    lengths = {job.id: job.output.duration for job in jobs if job.output and job.output.duration is not None}
    longest = max(lengths.values(), default=0.0)
    for job in jobs:
        if lengths.get(job.id, math.inf) < _TRUNCATED * longest:
            totals.count(Total.SUSPICIOUS_OUTPUTS, (totals.definition(job), "truncated"), of=job.id)


def _priority(jobs: Sequence[Job]) -> str:
    """The class of the highest priority of the jobs. A task without a known priority has the default."""
    priorities = [int(job.priority) for job in jobs if job.priority.isascii() and job.priority.isdigit()]
    priority = max(priorities, default=_DEFAULT_PRIORITY)
    return DEFAULT if priority == _DEFAULT_PRIORITY else LOW if priority < _DEFAULT_PRIORITY else HIGH


def _between(created: float | None, completed: float | None) -> float | None:
    """Seconds from creation to completion; None if they are not known, or in the wrong order."""
    if created is None or completed is None or completed < created:
        return None
    return completed - created
