"""Records of tasks and jobs: the fields that the store keeps, and the fields that only the running process has.

A tracked task or job reports each change of a stored field that counting depends on. So no caller has to mark a change,
and the store gets every such change. Changes of the progress are not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any

from exporter.model import Job, Task, mean_progress
from exporter.snapshot import ShownJob, ShownTask
from exporter.tracking.texts import with_shown_texts, without_texts

Note = Callable[[str], None]


def _ignore(_: object) -> None:
    """Notes nothing."""


@dataclass(slots=True, kw_only=True)
class TaskRecord:
    """A task as the store keeps it. Times are Unix seconds.

    `source` is the source that found the task first, at the time `since`. `registered` is when an application
    registered it last, before VOD knew it. `task` is VOD's last description without its jobs, and None until there is
    one; `refreshed` is the time of that description. `finished_at` is when the exporter saw the task finished.
    `already_counted` tasks were counted before they were tracked: they are shown and add to no total.
    """

    id: str
    source: str
    since: float
    task: Task | None = None
    refreshed: float = 0.0
    registered: float | None = None
    finished_at: float | None = None
    already_counted: bool = False


@dataclass(slots=True, kw_only=True)
class JobRecord:
    """A job of a tracked task as the store keeps it. Times are Unix seconds.

    `refreshed` is when VOD described the job last, `finished_at` when the exporter saw it finished. `output_counted`,
    `processing_counted` and `queue_counted` are True when the output and the times that events report are in the
    totals, or must not be added to them. `claimed_by` holds the ids of other tasks that named the job too.
    """

    job: Job
    task_id: str
    refreshed: float
    finished_at: float | None = None
    output_counted: bool = False
    processing_counted: bool = False
    queue_counted: bool = False
    claimed_by: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class TrackedTask(TaskRecord):
    """A `TaskRecord`, and fields that only this process needs.

    `asked` is the number of the last call about the task, 0 before the first. `stale` means that the state of one of
    its jobs is unknown until a call for the whole task. `final_since` is the time of the first answer with a final
    status, `final_seen` the number of such answers. `answered` means that VOD described the task or one of its jobs to
    this process. `not_found` counts consecutive answers that the task does not exist. Before `ask_after`, in Unix
    seconds, VOD is not asked about it. `shown` is what the last view showed. `counted` is the description that the
    counts of statuses have.
    """

    job_ids: list[str] = field(default_factory=list)
    asked: int = 0
    stale: bool = False
    final_since: float | None = None
    final_seen: int = 0
    answered: bool = False
    not_found: int = 0
    ask_after: float = 0.0
    shown: ShownTask | None = None
    counted: Task | None = None
    note: Note = _ignore
    touch: Callable[[TrackedTask], None] = _ignore

    def record(self) -> TaskRecord:
        """A copy for the store."""
        return TaskRecord(**values(self))

    def join(self, note: Note, touch: Callable[[TrackedTask], None] = _ignore) -> None:
        """From now on, call `note` with the id of the task at each change that must be stored.

        `touch` is called with the task at each change that matters to what is asked or shown.
        """
        self.note = note
        self.touch = touch
        self.__class__ = _NotingTask

    def show(self, jobs: Iterable[TrackedJob]) -> ShownTask | None:
        """What to show of the task and its jobs: the same object as before if nothing changed.

        The exposition compares by identity. None if VOD has not described the task.
        """
        progress, last = mean_progress(job.job for job in jobs), self.shown
        if self.task is not None and (last is None or last.task is not self.task or last.progress != progress):
            self.shown = ShownTask(self.task, progress)
        return self.shown


@dataclass(slots=True, kw_only=True)
class TrackedJob(JobRecord):
    """A `JobRecord`, and fields that only this process needs.

    `finished_at` is also set when the task ended but VOD never reported the end of the job. `asked` is the number of
    the last call about the job. `missing` means that VOD left the unfinished job out of its last answer. `prioritized`
    means that an event reported the job's end, so it is asked about first. `progress_since` is when VOD first reported
    the present progress to this process. `shown` is what the last view showed. `bare` means that too many jobs finished
    later for the status page to show this one, so its texts are not kept. `counted` is the description that the counts
    of statuses have.
    """

    asked: int = 0
    missing: bool = False
    prioritized: bool = False
    progress_since: float | None = None
    shown: ShownJob | None = None
    bare: bool = False
    counted: Job | None = None
    note: Note = _ignore
    touch: Callable[[TrackedJob], None] = _ignore

    def describe(self, seen: Job) -> None:
        """Keep VOD's new description. A finished job keeps its status and its output, and may gain details."""
        seen = without_texts(seen) if self.bare else with_shown_texts(seen)
        if seen == self.job:
            return  # the same record stays, so that its lines are not rendered again
        if self.finished_at is None:
            self.job = seen
        elif seen.status == self.job.status:
            self.job = replace(seen, output=seen.output or self.job.output)

    def drop_texts(self) -> None:
        """From now on, keep no texts that only the status page shows."""
        self.bare, self.shown = True, None  # what was shown has the texts
        bare = without_texts(self.job)
        if bare is not self.job:
            object.__setattr__(self, "job", bare)  # nothing that is counted or shown changes
            self.counted = bare
            self.note(bare.id)

    def record(self) -> JobRecord:
        """A copy for the store."""
        return JobRecord(**values(self))

    def join(self, note: Note, touch: Callable[[TrackedJob], None] = _ignore) -> None:
        """From now on, call `note` with the id of the job at each change that must be stored.

        `touch` is called with the job at each change that matters to what is asked or shown.
        """
        self.note = note
        self.touch = touch
        self.__class__ = _NotingJob

    def show(self, task: TrackedTask) -> ShownJob:
        """What to show of this job of the task: the same object as before if nothing changed."""
        last, video_id = self.shown, task.task.video_id if task.task is not None else ""
        now = (self.job, self.task_id, video_id, self.progress_since)
        if last is None or last.job is not self.job or now[1:] != (last.task_id, last.video_id, last.progress_since):
            last = self.shown = ShownJob(*now)
        return last


def values(record: TaskRecord | JobRecord) -> dict[str, Any]:
    """The stored fields and their values."""
    names, get = (_TASK_FIELDS, _of_task) if isinstance(record, TaskRecord) else (_JOB_FIELDS, _of_job)
    return dict(zip(names, get(record), strict=True))


_TASK_FIELDS = tuple(field.name for field in fields(TaskRecord))
_JOB_FIELDS = tuple(field.name for field in fields(JobRecord))
_of_task, _of_job = attrgetter(*_TASK_FIELDS), attrgetter(*_JOB_FIELDS)
# `refreshed` changes with every answer. It causes no write of its own, but is saved together with other changes.
_UNNOTED = {"refreshed"}


def _matters(before: object, after: object, *, finished: bool) -> bool:
    """Whether the change of a stored field is worth a write.

    For an unfinished task or job, only a change of the status is worth it. The exporter asks VOD about it again,
    and then gets all other details.
    """
    if isinstance(before, (Job, Task)) and isinstance(after, (Job, Task)) and not finished:
        return before.status != after.status
    return before != after


# A record gets its noting class when it joins a roster, not when it is created. Its first values are not changes, and
# `__setattr__` would make the creation ten times slower. A start may load 400,000 records.


class _NotingTask(TrackedTask):
    """A `TrackedTask` that notes its changes."""

    __slots__ = ()

    _noted = frozenset(_TASK_FIELDS) - _UNNOTED
    _indexed = frozenset({"task", "refreshed", "finished_at", "asked", "stale", "ask_after"})

    def __setattr__(self, name: str, value: object) -> None:
        before = getattr(self, name)
        if before is value:
            return
        if name in self._noted and _matters(before, value, finished=self.finished_at is not None):
            self.note(self.id)
        object.__setattr__(self, name, value)
        if name in self._indexed:
            self.touch(self)


class _NotingJob(TrackedJob):
    """A `TrackedJob` that notes its changes."""

    __slots__ = ()

    _noted = frozenset(_JOB_FIELDS) - _UNNOTED
    _indexed = frozenset({"job", "task_id", "refreshed", "finished_at", "asked", "prioritized", "progress_since"})

    def __setattr__(self, name: str, value: object) -> None:
        before = getattr(self, name)
        if before is value:
            return
        if name in self._noted and _matters(before, value, finished=self.finished_at is not None):
            self.note(self.job.id)
        object.__setattr__(self, name, value)
        if name in self._indexed:
            self.touch(self)
