"""Snapshots: all that is known at one moment, as frozen records for the metrics and the status page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.model import Job, Task


@dataclass(frozen=True, slots=True)
class ShownJob:
    """A job with the task it belongs to.

    `progress_since` is when this process first saw the present progress, in Unix seconds; None if VOD has not described
    the job to it.
    """

    job: Job
    task_id: str
    video_id: str
    progress_since: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ShownTask:
    """A task without its jobs, and their mean progress."""

    task: Task
    progress: float | None


class Total(StrEnum):
    """The totals. Each finish adds to them once. The values are names in stores: never change one."""

    TASKS_FINISHED = "tasks_finished"
    JOBS_FINISHED = "jobs_finished"
    JOB_FAILURES = "job_failures"
    TASK_FAILURES = "task_failures"
    SUSPICIOUS_OUTPUTS = "suspicious_outputs"
    OUTPUT_DURATION = "output_duration"
    BILLED = "billed"
    JOB_DURATION = "job_duration"
    TASK_DURATION = "task_duration"
    TASK_FIRST_OUTPUT = "task_first_output"
    JOB_QUEUE = "job_queue"
    JOB_PROCESSING = "job_processing"
    JOB_REALTIME_RATIO = "job_realtime_ratio"
    OUTPUT_BITRATE = "output_bitrate"
    OUTPUT_SIZE = "output_size"


Key = tuple[Total, tuple[str, ...]]
"""A total and the values of its metric's labels after `account`, without `cause`, which follows from the error code."""


_TWO = (Total.TASKS_FINISHED, Total.JOBS_FINISHED, Total.JOB_FAILURES, Total.SUSPICIOUS_OUTPUTS, Total.JOB_DURATION)
LABEL_COUNTS: Mapping[Total, int] = dict.fromkeys(Total, 1) | dict.fromkeys(_TWO, 2) | {Total.TASK_FIRST_OUTPUT: 0}
"""How many label values each total has in a `Key`."""


@dataclass(frozen=True, slots=True)
class HistogramView:
    """`counts` are per bucket, not cumulative. The last bucket has the values above all `bounds`."""

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

    `exemplars` has the last finish that was counted in each bucket, by the index of the bucket in `counts`; a counter
    has its exemplar at index 0. `held` are the totals that are new to Prometheus, so that they are still exposed at 0.
    Exemplars are not stored, so neither these nor `held` count when two views are compared.
    """

    counters: Mapping[Key, float] = field(default_factory=dict)
    histograms: Mapping[Key, HistogramView] = field(default_factory=dict)
    exemplars: Mapping[Key, Mapping[int, Exemplar]] = field(default_factory=dict, compare=False)
    held: Collection[Key] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an account showed at the time `at` (Unix seconds), as far as the status page compares it with now.

    `totals` has only the totals that are not zero. `fewest_unfinished` is the lowest number of unfinished jobs since.
    """

    at: float
    totals: TotalsView = field(default_factory=TotalsView)
    fewest_unfinished: int = 0


@dataclass(frozen=True, slots=True)
class LedgerView:
    """What the ledger of one account shows. Times are Unix seconds.

    `tasks` and `jobs` have series of their own, within `series.max_jobs`. The counts have no such bound: `task_counts`
    by status, `job_counts` by definition and status. `oldest_unfinished` is a creation time by definition. `durable` is
    False while the store does not take the changes. `taken` is the time of the view. The unfinished `jobs` come first;
    `refreshed` has the time at which VOD described each of them last. If nothing else changes, the view lasts until the
    description of the time `lasts` becomes stale; infinity if there is none. `hour_ago` and `day_ago` are the last
    times that are at least as long ago, or the start of the exporter.
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
    taken: float = field(default=0.0, compare=False)
    refreshed: tuple[float, ...] = field(default=(), compare=False)
    lasts: float = field(default=math.inf, compare=False)
    hour_ago: Earlier = field(default=Earlier(0.0), compare=False)
    day_ago: Earlier = field(default=Earlier(0.0), compare=False)


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One account: whether it can be read, and what its ledger shows. Times are Unix seconds.

    `up` is None before the first call; `down_since` is None unless it is False. `refreshed_at` is when the last refresh
    started, None before the first. `last_error` is one line of text without secrets, and `refused` says whether it is
    about credentials or permissions. `refresh_duration` is in seconds. `videos` counts the videos by status, as far as
    discovery asks VOD. By operation, `pending_calls` counts the calls that the present refresh has not started, and
    `budget` is calls per second. `usage` is what VOD has billed in 24 closed hours, in seconds by specification.
    """

    name: str
    region: str
    endpoint: str
    up: bool | None = None
    down_since: float | None = None
    refreshed_at: float | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    refused: bool = False
    refresh_duration: float | None = None
    videos: Mapping[str, int] = field(default_factory=dict)
    pending_calls: Mapping[str, int] = field(default_factory=dict)
    budget: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, float] = field(default_factory=dict)
    view: LedgerView = field(default_factory=LedgerView)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All accounts that this exporter holds, in the order of the configuration.

    `elsewhere` has the other accounts of the configuration, and for each the replica that holds it: `""` if none does.
    """

    accounts: tuple[AccountSnapshot, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
