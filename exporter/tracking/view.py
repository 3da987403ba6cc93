"""What is shown of what is tracked: counts over everything, series of their own within bounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from exporter.model import (
    JOB_STATUSES,
    OTHER,
    TASK_STATUSES,
    UNKNOWN,
    Job,
    Task,
    job_status,
    mean_progress,
    task_status,
)
from exporter.snapshot import LedgerView, ShownJob, ShownTask
from exporter.tracking.records import TrackedJob, TrackedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is shown and for how long: `series` and `track` of the configuration. Times in seconds.

    `lookback` is discovery's: what was counted is remembered for longer than that, and what was over before is not
    counted.
    """

    per_job: bool = True
    max_jobs: int = 5000
    retention: float = 900.0
    max_staleness: float = 300.0
    give_up_after: float = 7 * 86400.0
    lookback: float = math.inf


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
    fresh = [one for one in unfinished if _fresh(one.refreshed, limits, now)]
    finished = sorted((one for one in jobs.values() if one.finished_at is not None), key=_finished_at, reverse=True)
    shown = (fresh + finished)[: limits.max_jobs] if limits.per_job else []
    return LedgerView(
        tasks=_shown_tasks(tasks, jobs, shown, limits, now),
        jobs=tuple(_shown_job(one, tasks[one.task_id]) for one in shown),
        task_counts=_task_counts(tasks.values()),
        job_counts=_job_counts((one.job for one in jobs.values()), definitions),
        oldest_unfinished=_oldest((one.job for one in unfinished), definitions),
        tracked_tasks=Counter(one.source for one in tasks.values()),
        oldest_refresh=min((one.refreshed for one in unfinished), default=None),
        stale_jobs=len(unfinished) - len(fresh),
        truncated_jobs=len(fresh) + len(finished) - len(shown) if limits.per_job else 0,
    )


def _fresh(refreshed: float, limits: Limits, now: float) -> bool:
    """Where the clock has been set back, the age is unknown, and not fresh either."""
    return abs(now - refreshed) <= limits.max_staleness


def _finished_at(one: TrackedJob) -> float:
    return one.finished_at or 0.0


def _shown_job(one: TrackedJob, tracked: TrackedTask) -> ShownJob:
    """The same as last time, where nothing has changed: who renders it has it already."""
    task = tracked.task
    video_id = task.video_id if task is not None else ""
    last = one.shown
    if last is None or last.job is not one.job or last.task_id != one.task_id or last.video_id != video_id:
        last = one.shown = ShownJob(one.job, one.task_id, video_id)
    return last


def _shown_task(one: TrackedTask, task: Task, jobs: Mapping[str, TrackedJob]) -> ShownTask:
    """The same as last time, where nothing has changed."""
    progress = mean_progress(jobs[job_id].job for job_id in one.job_ids)
    last = one.shown
    if last is None or last.task is not task or last.progress != progress:
        last = one.shown = ShownTask(task, progress)
    return last


def _shown_tasks(
    tasks: Mapping[str, TrackedTask],
    jobs: Mapping[str, TrackedJob],
    shown: Iterable[TrackedJob],
    limits: Limits,
    now: float,
) -> tuple[ShownTask, ...]:
    """The tasks of the jobs shown, then those without jobs, whose source was bad or which have only begun."""
    if not limits.per_job:
        return ()
    rows = [tasks[task_id] for task_id in dict.fromkeys(one.task_id for one in shown)]
    rows += [
        one
        for one in tasks.values()
        if not one.job_ids and (one.finished_at is not None or _fresh(one.refreshed, limits, now))
    ]
    return tuple(_shown_task(one, one.task, jobs) for one in rows[: limits.max_jobs] if one.task is not None)


def _task_counts(tasks: Iterable[TrackedTask]) -> dict[str, int]:
    counts = dict.fromkeys((*TASK_STATUSES, UNKNOWN), 0)
    for one in tasks:
        if one.task is not None:
            counts[task_status(one.task.status)] += 1
    return counts


def _job_counts(jobs: Iterable[Job], definitions: Collection[str]) -> dict[tuple[str, str], int]:
    counts = dict.fromkeys(product(definitions, (*JOB_STATUSES, UNKNOWN)), 0)
    # As told first and folded then: of a hundred thousand jobs there are but a few dozen kinds.
    for (definition, status), count in Counter((job.definition, job.status) for job in jobs).items():
        key = (_definition(definition, definitions), job_status(status))
        counts[key] = counts.get(key, 0) + count
    return counts


def _oldest(jobs: Iterable[Job], definitions: Collection[str]) -> dict[str, float]:
    """The earliest creation among these jobs, by definition."""
    oldest: dict[str, float] = {}
    for job in jobs:
        if job.created is not None:
            definition = _definition(job.definition, definitions)
            oldest[definition] = min(job.created, oldest.get(definition, job.created))
    return oldest


def _definition(told: str, definitions: Collection[str]) -> str:
    if not told:
        return UNKNOWN
    return told if told in definitions else OTHER
