"""What a ledger shows: counts of all tasks and jobs, and a limited number of single tasks and jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import compress, product

from exporter.config import SeriesSettings, Track
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
from exporter.tracking.roster import Roster

_SERIES, _TRACK = SeriesSettings(), Track()  # only the configuration defines the defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is shown and for how long: `series` and `track` of the configuration. Times are in seconds.

    `lookback` is `track.discovery.lookback`. Finished tasks are remembered longer, so that no list brings them back.
    """

    per_job: bool = _SERIES.per_job
    max_jobs: int = _SERIES.max_jobs
    retention: float = _SERIES.retention
    max_staleness: float = _SERIES.max_staleness
    give_up_after: float = _TRACK.give_up_after
    lookback: float = _TRACK.discovery.lookback


def view(roster: Roster, *, definitions: Collection[str], limits: Limits, now: float) -> LedgerView:
    """The view at `now` (Unix seconds), without totals. Definitions that are not in `definitions` count as `other`."""
    unfinished = [job for job in roster.jobs.values() if job.finished_at is None]
    fresh = [job for job in unfinished if _fresh(job.refreshed, limits, now)]
    finished = [job for job in roster.jobs.values() if job.finished_at is not None]
    finished.sort(key=lambda job: job.finished_at or 0.0, reverse=True)
    most = limits.max_jobs if limits.per_job else 0
    shown = (fresh + finished)[:most]
    for job in finished[most:]:
        if not job.bare:
            job.drop_texts()
    return LedgerView(
        tasks=_shown_tasks(roster, shown, limits, now),
        jobs=tuple(_shown_job(job, roster.tasks[job.task_id]) for job in shown),
        task_counts=_task_counts(roster.tasks.values()),
        job_counts=_job_counts((job.job for job in roster.jobs.values()), definitions),
        oldest_unfinished=_oldest((job.job for job in unfinished), definitions),
        tracked_tasks=Counter(task.source for task in roster.tasks.values()),
        oldest_refresh=min((job.refreshed for job in unfinished), default=None),
        stale_jobs=len(unfinished) - len(fresh),
        truncated_jobs=len(fresh) + len(finished) - len(shown) if limits.per_job else 0,
        taken=now,
        refreshed=tuple(job.refreshed for job in fresh[: len(shown)]),
    )


def aged(last: LedgerView, limits: Limits, now: float) -> LedgerView:
    """An older view at `now` (Unix seconds): without the unfinished jobs and tasks that have become stale since."""
    fresh = [_fresh(refreshed, limits, now) for refreshed in last.refreshed]
    if all(fresh) and _fresh(last.taken, limits, now):
        return last
    count = len(fresh)
    jobs = (*compress(last.jobs[:count], fresh), *last.jobs[count:])
    shown = {job.task_id for job in jobs}
    stale = {job.task_id for job in last.jobs} - shown
    if _fresh(last.taken, limits, now):
        shown |= {task.task.id for task in last.tasks} - stale  # tasks without jobs
    return replace(
        last,
        jobs=jobs,
        tasks=tuple(task for task in last.tasks if task.task.id in shown or task.task.finished),
        refreshed=tuple(compress(last.refreshed, fresh)),
        stale_jobs=last.stale_jobs + fresh.count(False),
    )


def _fresh(refreshed: float, limits: Limits, now: float) -> bool:
    """Whether the description is recent. If the clock was set back, its age is unknown, and it counts as old."""
    return abs(now - refreshed) <= limits.max_staleness


def _shown_job(job: TrackedJob, tracked: TrackedTask) -> ShownJob:
    """The same object as in the last view if nothing changed, because the exposition compares by identity."""
    video_id = tracked.task.video_id if tracked.task is not None else ""
    last = job.shown
    now = (job.job, job.task_id, video_id, job.progress_since)
    if last is None or last.job is not job.job or now != (last.job, last.task_id, last.video_id, last.progress_since):
        last = job.shown = ShownJob(*now)
    return last


def _shown_task(tracked: TrackedTask, task: Task, roster: Roster) -> ShownTask:
    """The same object as in the last view if nothing changed."""
    progress = mean_progress(job.job for job in roster.jobs_of(tracked))
    last = tracked.shown
    if last is None or last.task is not task or last.progress != progress:
        last = tracked.shown = ShownTask(task, progress)
    return last


def _shown_tasks(roster: Roster, shown: Iterable[TrackedJob], limits: Limits, now: float) -> tuple[ShownTask, ...]:
    """The tasks of the shown jobs, then tasks without jobs: new ones, and those whose source file was bad."""
    if not limits.per_job:
        return ()
    rows = [roster.tasks[task_id] for task_id in dict.fromkeys(job.task_id for job in shown)]
    rows += [
        task
        for task in roster.tasks.values()
        if not task.job_ids and (task.finished_at is not None or _fresh(task.refreshed, limits, now))
    ]
    return tuple(_shown_task(row, row.task, roster) for row in rows[: limits.max_jobs] if row.task is not None)


def _task_counts(tasks: Iterable[TrackedTask]) -> dict[str, int]:
    counts = dict.fromkeys((*TASK_STATUSES, UNKNOWN), 0)
    for tracked in tasks:
        if tracked.task is not None:
            counts[task_status(tracked.task.status)] += 1
    return counts


def _job_counts(jobs: Iterable[Job], definitions: Collection[str]) -> dict[tuple[str, str], int]:
    counts = dict.fromkeys(product(definitions, (*JOB_STATUSES, UNKNOWN)), 0)
    # Count the values of VOD first: a hundred thousand jobs have only a few dozen pairs to translate.
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


def _definition(definition: str, known: Collection[str]) -> str:
    if not definition:
        return UNKNOWN
    return definition if definition in known else OTHER
