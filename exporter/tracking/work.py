"""What there is left to ask about what is tracked, in the order in which to ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.tracking.records import TrackedJob, TrackedTask


@dataclass(frozen=True, slots=True)
class Work:
    """What there is left to ask, each part in the order in which to ask it: what was asked longest ago comes first.

    `new_tasks` were never asked about; `whole_tasks` have no unfinished job that could be asked about in their place;
    `jobs` are the ids of unfinished jobs with the ids of their tasks, `hinted_jobs` those of which an event told.
    """

    hinted_jobs: tuple[tuple[str, str], ...] = ()
    new_tasks: tuple[str, ...] = ()
    whole_tasks: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()


def work(tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob], *, begun: int) -> Work:
    """What no call after the one with the number `begun` was about."""
    due = [task for task in tasks.values() if task.asked <= begun and _needs_whole(task, jobs)]
    due.sort(key=lambda task: task.asked)
    whole = {task.id for task in due}  # which tells of their jobs too
    waiting = [
        job
        for job in jobs.values()
        if job.finished_at is None and job.asked <= begun and not job.missing and job.task_id not in whole
    ]
    waiting.sort(key=lambda job: job.asked)
    return Work(
        hinted_jobs=tuple((job.job.id, job.task_id) for job in waiting if job.hinted),
        new_tasks=tuple(task.id for task in due if _is_new(task)),
        whole_tasks=tuple(task.id for task in due if not _is_new(task)),
        jobs=tuple((job.job.id, job.task_id) for job in waiting if not job.hinted),
    )


def _is_new(task: TrackedTask) -> bool:
    return task.asked == 0 and task.task is None


def _needs_whole(task: TrackedTask, jobs: Mapping[str, TrackedJob]) -> bool:
    if task.finished_at is not None:
        return False
    own = (jobs[job_id] for job_id in task.job_ids)
    return task.stale or not any(job.finished_at is None and not job.missing for job in own)
