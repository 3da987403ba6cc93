"""A tracked task and a tracked job: as the ledger works on them, and frozen, as the store keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter.model import Job, Task
from exporter.snapshot import ShownJob, ShownTask


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """A tracked task. Times are Unix seconds; `task` is without its jobs, and None until it was seen.

    `source` is where it was found first, `since` when; `finished_at` is when it was seen finished, later than when it
    finished. What is `silent` was counted before: it is shown again, and adds to no total.
    """

    id: str
    source: str
    since: float
    task: Task | None = None
    refreshed: float = 0.0
    finished_at: float | None = None
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job of a tracked task. Times are Unix seconds; `finished_at` is when it was seen finished.

    `output_counted` and `processing_counted` tell that its output and its processing time are in the totals, or that
    they are not to be; `claimed_by` are the ids of other tasks that named it too.
    """

    job: Job
    task_id: str
    refreshed: float
    finished_at: float | None = None
    output_counted: bool = False
    processing_counted: bool = False
    claimed_by: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class TrackedTask:
    """What a `TaskRecord` says, and what is known in this process alone.

    `asked` is the number of the call that asked about it last, 0 before the first; `stale` that something
    happened to its jobs that only the whole task can tell; `final_since` when its status was first a final one, and
    `final_seen` in how many answers; `answered` that the service told of it or of a job of it in this process; `shown`
    as what it was shown last.
    """

    id: str
    source: str
    since: float
    task: Task | None = None
    refreshed: float = 0.0
    finished_at: float | None = None
    silent: bool = False
    job_ids: list[str] = field(default_factory=list)
    asked: int = 0
    stale: bool = False
    final_since: float | None = None
    final_seen: int = 0
    answered: bool = False
    not_found: int = 0
    shown: ShownTask | None = None

    @classmethod
    def of(cls, record: TaskRecord) -> TrackedTask:
        return cls(
            id=record.id,
            source=record.source,
            since=record.since,
            task=record.task,
            refreshed=record.refreshed,
            finished_at=record.finished_at,
            silent=record.silent,
        )

    def record(self) -> TaskRecord:
        return TaskRecord(
            id=self.id,
            source=self.source,
            since=self.since,
            task=self.task,
            refreshed=self.refreshed,
            finished_at=self.finished_at,
            silent=self.silent,
        )


@dataclass(slots=True, kw_only=True)
class TrackedJob:
    """What a `JobRecord` says, and what is known in this process alone.

    `finished_at` is set too where the task ended and its job never said so. `missing` is an unfinished job that the
    service left out when asked about it, `hinted` one of which an event told; `shown` as what it was shown last.
    """

    job: Job
    task_id: str
    refreshed: float
    finished_at: float | None = None
    output_counted: bool = False
    processing_counted: bool = False
    claimed_by: tuple[str, ...] = ()
    asked: int = 0
    missing: bool = False
    hinted: bool = False
    shown: ShownJob | None = None

    @classmethod
    def of(cls, record: JobRecord) -> TrackedJob:
        return cls(
            job=record.job,
            task_id=record.task_id,
            refreshed=record.refreshed,
            finished_at=record.finished_at,
            output_counted=record.output_counted,
            processing_counted=record.processing_counted,
            claimed_by=record.claimed_by,
        )

    def record(self) -> JobRecord:
        return JobRecord(
            job=self.job,
            task_id=self.task_id,
            refreshed=self.refreshed,
            finished_at=self.finished_at,
            output_counted=self.output_counted,
            processing_counted=self.processing_counted,
            claimed_by=self.claimed_by,
        )
