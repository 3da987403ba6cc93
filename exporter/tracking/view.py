"""What a ledger shows: counts of all tasks and jobs, and a limited number of single tasks and jobs."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import compress, islice, product

from exporter.config import SeriesSettings, Track
from exporter.model import (
    JOB_STATUSES,
    OTHER,
    TASK_STATUSES,
    UNKNOWN,
    job_status,
    task_status,
)
from exporter.snapshot import LedgerView, ShownTask
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.roster import Roster
from exporter.tracking.shelf import Shelf

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
    """The view at `now` (Unix seconds), without totals. Definitions that are not in `definitions` count as `other`.

    Looks only at what has changed, what is shown and what is stale.
    """
    most = limits.max_jobs if limits.per_job else 0
    roster.update()
    roster.shelf.drop_texts(roster.jobs, most=most)
    shelf, census = roster.shelf, roster.census
    old = shelf.described.first(lambda refreshed: now - refreshed > limits.max_staleness)
    ahead = shelf.described.last(lambda refreshed: refreshed - now > limits.max_staleness)
    stale = {*old, *ahead}
    fresh = list(islice((job for id_, job in shelf.unfinished_jobs.items() if id_ not in stale), most))
    finished = islice(reversed(shelf.finished_jobs), most - len(fresh))
    shown = [*fresh, *map(roster.jobs.__getitem__, finished)]
    without_jobs = _without_jobs(shelf, limits, now) if limits.per_job else []
    return LedgerView(
        tasks=_shown_tasks(roster, shown, without_jobs, most),
        jobs=tuple([job.shown or job.show(roster.tasks[job.task_id]) for job in shown]),
        task_counts=_task_counts(census.tasks),
        job_counts=_job_counts(census.jobs, definitions),
        oldest_unfinished=_oldest(census.oldest(shelf.unfinished_jobs), definitions),
        tracked_tasks=dict(census.sources),
        oldest_refresh=shelf.described.lowest(),
        stale_jobs=len(stale),
        truncated_jobs=len(roster.jobs) - len(stale) - len(shown) if limits.per_job else 0,
        taken=now,
        refreshed=tuple([job.refreshed for job in fresh]),
        lasts=_lasts(shelf.described.lowest(skip=len(old)), without_jobs) if not ahead else -math.inf,
    )


def still_true(last: LedgerView, limits: Limits, now: float) -> bool:
    """Whether a view at `now` (Unix seconds) would be the same, if no task and job has changed since."""
    return last.taken <= now and (last.lasts == math.inf or _fresh(last.lasts, limits, now))


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


def _without_jobs(shelf: Shelf, limits: Limits, now: float) -> list[TrackedTask]:
    """The shown tasks without jobs: new ones, and those whose source file was bad."""
    tasks = (
        task
        for task in shelf.tasks_without_jobs.values()
        if task.finished_at is not None or _fresh(task.refreshed, limits, now)
    )
    return list(islice(tasks, limits.max_jobs))


def _shown_tasks(
    roster: Roster, shown: Iterable[TrackedJob], without_jobs: Iterable[TrackedTask], most: int
) -> tuple[ShownTask, ...]:
    """The tasks of the shown jobs, then tasks without jobs."""
    rows = [*map(roster.tasks.__getitem__, dict.fromkeys([job.task_id for job in shown])), *without_jobs][:most]
    tasks = (task.shown or task.show(roster.jobs_of(task)) for task in rows)
    return tuple([task for task in tasks if task is not None])


def _lasts(refreshed: float | None, without_jobs: Iterable[TrackedTask]) -> float:
    """The time of the description that becomes stale next: of an unfinished job, or of one of these tasks."""
    times = [task.refreshed for task in without_jobs if task.finished_at is None]
    return min(times if refreshed is None else [*times, refreshed], default=math.inf)


def _task_counts(statuses: Mapping[str, int]) -> dict[str, int]:
    counts = dict.fromkeys((*TASK_STATUSES, UNKNOWN), 0)
    for status, count in statuses.items():
        counts[task_status(status)] += count
    return counts


def _job_counts(pairs: Mapping[tuple[str, str], int], definitions: Collection[str]) -> dict[tuple[str, str], int]:
    counts = dict.fromkeys(product(definitions, (*JOB_STATUSES, UNKNOWN)), 0)
    for (definition, status), count in pairs.items():
        key = (_definition(definition, definitions), job_status(status))
        counts[key] = counts.get(key, 0) + count
    return counts


def _oldest(created: Mapping[str, float], definitions: Collection[str]) -> dict[str, float]:
    """The earliest creation by the definition that is counted."""
    oldest: dict[str, float] = {}
    for name, at in created.items():
        definition = _definition(name, definitions)
        oldest[definition] = min(at, oldest.get(definition, at))
    return oldest


def _definition(definition: str, known: Collection[str]) -> str:
    if not definition:
        return UNKNOWN
    return definition if definition in known else OTHER
