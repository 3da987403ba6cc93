"""What is shown of what is tracked: counts over everything, series of their own within bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from exporter.model import JOB_STATUSES, TASK_STATUSES, UNKNOWN, Job, Task, job_status, task_status
from exporter.snapshot import LedgerView, ShownJob, ShownTask

OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is shown: `series` of the configuration. Times in seconds."""

    per_job: bool = True
    max_jobs: int = 5000
    retention: float = 900.0
    max_staleness: float = 300.0


@dataclass(slots=True)
class TrackedJob:
    """A job as last seen. `refreshed` and `finished_at` are Unix seconds, `asked_in` the number of a refresh."""

    job: Job
    task_id: str
    refreshed: float
    asked_in: int
    finished_at: float | None = None
    missing: bool = False


@dataclass(slots=True)
class TrackedTask:
    """A task as last seen, without its jobs; `task` is None until then."""

    id: str
    source: str
    task: Task | None = None
    job_ids: list[str] = field(default_factory=list)
    refreshed: float = 0.0
    asked_in: int = 0
    stale: bool = False  # something happened to its jobs that only the whole task can tell
    finished_at: float | None = None
    not_found: int = 0


def view(
    tasks: Mapping[str, TrackedTask],
    jobs: Mapping[str, TrackedJob],
    *,
    definitions: Collection[str],
    limits: Limits,
    now: float,
) -> LedgerView:
    """The view at `now` (Unix seconds). Definitions other than `definitions` count as `other`."""
    unfinished = [one for one in jobs.values() if one.finished_at is None]
    fresh = [one for one in unfinished if now - one.refreshed <= limits.max_staleness]
    finished = sorted((one for one in jobs.values() if one.finished_at is not None), key=_finished_at, reverse=True)
    shown = (fresh + finished)[: limits.max_jobs] if limits.per_job else []
    return LedgerView(
        tasks=_shown_tasks(tasks, jobs, shown, limits, now),
        jobs=tuple(ShownJob(one.job, one.task_id, _video_id(tasks[one.task_id])) for one in shown),
        task_counts=_task_counts(tasks.values()),
        job_counts=_job_counts((one.job for one in jobs.values()), definitions),
        oldest_unfinished=_oldest((one.job for one in unfinished), definitions),
        tracked_tasks=Counter(one.source for one in tasks.values()),
        oldest_refresh=min((one.refreshed for one in unfinished), default=None),
        stale_jobs=len(unfinished) - len(fresh),
        truncated_jobs=len(fresh) + len(finished) - len(shown) if limits.per_job else 0,
    )


def _finished_at(one: TrackedJob) -> float:
    return one.finished_at or 0.0


def _video_id(tracked: TrackedTask) -> str:
    return tracked.task.video_id if tracked.task is not None else ""


def _shown_tasks(
    tasks: Mapping[str, TrackedTask],
    jobs: Mapping[str, TrackedJob],
    shown: Iterable[TrackedJob],
    limits: Limits,
    now: float,
) -> tuple[ShownTask, ...]:
    """The tasks of the jobs shown, and those without jobs, whose source was bad."""
    if not limits.per_job:
        return ()
    with_jobs = {one.task_id for one in shown}
    rows = []
    for one in tasks.values():
        fresh = one.finished_at is not None or now - one.refreshed <= limits.max_staleness
        if one.task is not None and (one.id in with_jobs or (fresh and not one.job_ids)):
            whole = replace(one.task, jobs=tuple(jobs[job_id].job for job_id in one.job_ids))
            rows.append(ShownTask(one.task, whole.progress))
    return tuple(rows[: limits.max_jobs])


def _task_counts(tasks: Iterable[TrackedTask]) -> dict[str, int]:
    counts = dict.fromkeys((*TASK_STATUSES, UNKNOWN), 0)
    for one in tasks:
        if one.task is not None:
            counts[task_status(one.task.status)] += 1
    return counts


def _job_counts(jobs: Iterable[Job], definitions: Collection[str]) -> dict[tuple[str, str], int]:
    counts = dict.fromkeys(product(definitions, (*JOB_STATUSES, UNKNOWN)), 0)
    for job in jobs:
        key = (_definition(job, definitions), job_status(job.status))
        counts[key] = counts.get(key, 0) + 1
    return counts


def _oldest(jobs: Iterable[Job], definitions: Collection[str]) -> dict[str, float]:
    """The earliest creation among these jobs, by definition."""
    oldest: dict[str, float] = {}
    for job in jobs:
        if job.created is not None:
            definition = _definition(job, definitions)
            oldest[definition] = min(job.created, oldest.get(definition, job.created))
    return oldest


def _definition(job: Job, definitions: Collection[str]) -> str:
    if not job.definition:
        return UNKNOWN
    return job.definition if job.definition in definitions else OTHER
