"""What is known at one moment, frozen: what a scrape hands to the metrics and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.model import Job, Task


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job with the task it belongs to."""

    job: Job
    task_id: str
    video_id: str


@dataclass(frozen=True, slots=True)
class ShownTask:
    """A task without its jobs, and the mean progress of them."""

    task: Task
    progress: float | None


class Total(StrEnum):
    """What is counted once for each finish. The values are names in stores: never change one."""

    TASKS_FINISHED = "tasks_finished"
    JOBS_FINISHED = "jobs_finished"
    JOB_FAILURES = "job_failures"
    OUTPUT_DURATION = "output_duration"
    JOB_DURATION = "job_duration"
    TASK_DURATION = "task_duration"
    JOB_PROCESSING = "job_processing"
    OUTPUT_BITRATE = "output_bitrate"
    OUTPUT_SIZE = "output_size"


Key = tuple[Total, tuple[str, ...]]
"""A total and its label values, those of its metric after `account`."""


@dataclass(frozen=True, slots=True)
class HistogramView:
    """`counts` are per bucket, not cumulative; the last is of what is above all `bounds`."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A finish that was counted: the id of its job or task, what it added, and when, in Unix seconds."""

    id: str
    value: float
    counted: float


@dataclass(frozen=True, slots=True)
class TotalsView:
    """Counters and histograms by total and label values.

    `exemplars` has the finish counted last in each bucket, by its place in `counts`, and that of a counter at 0; of
    this process alone, so two views with the same counts are equal.
    """

    counters: Mapping[Key, float] = field(default_factory=dict)
    histograms: Mapping[Key, HistogramView] = field(default_factory=dict)
    exemplars: Mapping[Key, Mapping[int, Exemplar]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What the ledger of one account shows. Times are Unix seconds.

    `tasks` and `jobs` are those with series of their own; the counts are over everything shown, bounded or not:
    `task_counts` by status, `job_counts` by definition and status, `oldest_unfinished` by definition. `durable` is
    False while the store does not take what it is given.
    """

    tasks: tuple[ShownTask, ...] = ()
    jobs: tuple[ShownJob, ...] = ()
    task_counts: Mapping[str, int] = field(default_factory=dict)
    job_counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest_unfinished: Mapping[str, float] = field(default_factory=dict)
    tracked_tasks: Mapping[str, int] = field(default_factory=dict)
    oldest_refresh: float | None = None
    stale_jobs: int = 0
    truncated_jobs: int = 0
    totals: TotalsView = field(default_factory=TotalsView)
    durable: bool = True


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One account: how reading it goes, and what its ledger shows.

    `up` is None as long as nothing was asked; `last_error` is a line of text with no secret in it. `pending_calls` are
    those that the refresh under way still has before it; `budget` is calls per second, by operation.
    """

    name: str
    region: str
    endpoint: str
    up: bool | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    refresh_duration: float | None = None
    pending_calls: int = 0
    budget: Mapping[str, float] = field(default_factory=dict)
    view: LedgerView = field(default_factory=LedgerView)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All accounts, in the order of the configuration."""

    accounts: tuple[AccountSnapshot, ...] = ()
