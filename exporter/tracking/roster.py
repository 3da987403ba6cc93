"""The tracked tasks and jobs of one account in one collection, which knows what has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from exporter.model import Job
from exporter.snapshot import TotalsView
from exporter.tracking.census import Census
from exporter.tracking.marks import Marks
from exporter.tracking.queue import Queue
from exporter.tracking.records import JobRecord, TaskRecord, TrackedJob, TrackedTask, values
from exporter.tracking.shelf import Shelf
from exporter.tracking.store import Changes, Memory, PendingEvent
from exporter.tracking.texts import with_shown_texts
from exporter.tracking.touched import Touched

MAX_JOBS = 400_000  # tracked at a time: four for each of `arrivals.MAX_TASKS`, and about half a gigabyte of memory

_Taken = tuple[Sequence[Marks], dict[str, Memory]]


class Roster:
    """Starts with the stored tasks and jobs. These note their own changes; additions and removals are noted here.

    Every job belongs to one task, the one that named it first. `tasks` and `jobs` are by id, and only read by others.
    `queue`, `shelf` and `census` follow the changes with each `update`, and `revision` counts the updates that had
    changes. Not safe to use from several threads.
    """

    def __init__(
        self,
        tasks: Iterable[TaskRecord] = (),
        jobs: Iterable[JobRecord] = (),
        events: Mapping[str, PendingEvent] | None = None,
    ) -> None:
        self._tasks: dict[str, TrackedTask] = {}
        self._jobs: dict[str, TrackedJob] = {}
        self._task_marks = Marks()
        self._job_marks = Marks()
        self._events = dict(events or {})
        self._event_marks = Marks()
        self._marks = self._task_marks, self._job_marks, self._event_marks
        # All records share one bound method, to save memory.
        self._note_task, self._note_job = self._task_marks.change, self._job_marks.change
        self._touched = Touched()
        self._touch_task, self._touch_job = self._touched.task, self._touched.job
        self._memories: dict[str, Memory] = {}  # the unsaved ones
        self._taken: _Taken | None = None
        self.queue, self.shelf, self.census = Queue(self._tasks, self._jobs), Shelf(), Census()
        self.revision = 0
        self._left = False  # whether a task or job has left since the last update
        for task in sorted(tasks, key=lambda record: record.since):
            self._join_task(TrackedTask(**values(task)))
        for job in jobs:
            if job.task_id in self._tasks:
                self._join_job(TrackedJob(**values(job) | {"job": with_shown_texts(job.job)}))
        self.update()

    def _join_task(self, task: TrackedTask) -> None:
        task.join(self._note_task, self._touch_task)
        self._tasks[task.id] = self._touched.tasks[task.id] = task
        self.census.sources[task.source] += 1

    def _join_job(self, job: TrackedJob) -> None:
        job.join(self._note_job, self._touch_job)
        self._jobs[job.job.id] = self._touched.jobs[job.job.id] = job
        self._tasks[job.task_id].job_ids.append(job.job.id)

    def update(self) -> None:
        """Make `queue`, `shelf` and `census` follow all changes. Looks only at the tasks and jobs that have changed."""
        if not (self._touched.tasks or self._touched.jobs or self._left):
            return
        tasks, jobs = self._touched.take()
        self._left = False
        self.revision += 1
        tasks |= {job.task_id: self._tasks[job.task_id] for job in jobs.values()}
        for task in tasks.values():
            self._update_task(task, jobs)
        for job in jobs.values():
            if job.job is not job.counted:
                self.census.job(job)
            if job.finished_at is None or job.job.id in self.shelf.unfinished_jobs:
                self.queue.job(job)
            self.shelf.job(job)
            if job.shown is not None:
                job.show(self._tasks[job.task_id])

    def _update_task(self, task: TrackedTask, jobs: dict[str, TrackedJob]) -> None:
        if task.task is not task.counted:
            if task.task is None or task.counted is None or task.task.video_id != task.counted.video_id:
                jobs |= {job_id: self._jobs[job_id] for job_id in task.job_ids}  # they are shown with their video
            self.census.task(task)
        self.shelf.task(task)
        self.queue.task(task)
        if task.shown is not None:
            task.show(self.jobs_of(task))

    @property
    def tasks(self) -> Mapping[str, TrackedTask]:
        """By id, in the order in which they were first tracked."""
        return self._tasks

    @property
    def jobs(self) -> Mapping[str, TrackedJob]:
        """By id, in the order in which they were first seen."""
        return self._jobs

    def jobs_of(self, task: TrackedTask) -> list[TrackedJob]:
        """The jobs that belong to the task."""
        return [self._jobs[job_id] for job_id in task.job_ids]

    def add_task(self, task_id: str, *, source: str, since: float, already_counted: bool) -> None:
        """Track a task. See `TaskRecord` for the values."""
        self._join_task(TrackedTask(id=task_id, source=source, since=since, already_counted=already_counted))
        self._task_marks.add(task_id)

    def remove_task(self, task: TrackedTask, memory: Memory | None = None) -> None:
        """Stop tracking a task and its jobs. Without a `memory` the store forgets that the task was there."""
        del self._tasks[task.id]
        self._task_marks.drop(task.id)
        self._touched.tasks.pop(task.id, None)
        self._left = True
        self.census.drop_task(task)
        self.shelf.drop_task(task.id)
        self.queue.drop_task(task.id)
        if memory is not None:
            self._memories[task.id] = memory
        for job in self.jobs_of(task):
            self._hand_over(job, task)

    def add_job(self, seen: Job, task: TrackedTask, *, refreshed: float, asked: int) -> TrackedJob:
        """Track a job of this task. See `TrackedJob` for the values."""
        job = TrackedJob(job=seen, task_id=task.id, refreshed=refreshed, asked=asked)
        self._join_job(job)
        self._job_marks.add(seen.id)
        return job

    def make_room(self, count: int, task: TrackedTask) -> bool:
        """Whether the task may get this many more jobs. For them, the jobs of finished tasks leave, the oldest first.

        A task that has jobs may get more than fit. Otherwise tasks that need one more job would wait for each other.
        """
        most = (2 * MAX_JOBS if task.job_ids else MAX_JOBS) - count
        if len(self._jobs) > most:
            ended = [one for one in self._tasks.values() if one.finished_at is not None and one.job_ids]
            for leaving in sorted(ended, key=lambda ended_task: ended_task.finished_at or 0.0):
                if len(self._jobs) <= most - MAX_JOBS // 100:  # more than needed, so that not every new task does this
                    break
                jobs = self.jobs_of(leaving)
                leaving.job_ids.clear()
                self._touch_task(leaving)
                for job in jobs:
                    self._hand_over(job, leaving)
        return len(self._jobs) <= most

    def note_missing(self, task: TrackedTask, seen: Collection[str]) -> None:
        """VOD described the task with the jobs `seen`.

        An unfinished job that an answer leaves out is missing. It is removed when this answer leaves it out again.
        """
        task.stale = False
        for job in self.jobs_of(task):
            if job.job.id in seen or job.finished_at is not None:
                continue
            if job.missing:
                task.job_ids.remove(job.job.id)
                self._touch_task(task)
                self._hand_over(job, task)
            else:
                job.missing = task.stale = True

    def _hand_over(self, job: TrackedJob, task: TrackedTask) -> None:
        """Give the job to another task that named it, so that it is not counted again. If none did, stop tracking it.

        An unfinished job goes only to an unfinished task, because the exporter does not ask about finished tasks.
        """
        heirs = (self._tasks[task_id] for task_id in job.claimed_by if task_id != task.id and task_id in self._tasks)
        heir = next((heir for heir in heirs if heir.finished_at is None or job.finished_at is not None), None)
        if heir is not None:
            job.task_id = heir.id
            job.missing = False  # in the other task
            heir.job_ids.append(job.job.id)
        else:
            self._drop_job(job)

    def _drop_job(self, job: TrackedJob) -> None:
        id_ = job.job.id
        del self._jobs[id_]
        self._job_marks.drop(id_)
        self._touched.jobs.pop(id_, None)
        self._left = True
        self.census.drop_job(job)
        self.shelf.drop_job(id_)
        self.queue.drop_job(id_)

    @property
    def events(self) -> Mapping[str, PendingEvent]:
        """What events said about jobs that are not tracked yet, by job id."""
        return self._events

    def add_event(self, job_id: str, event: PendingEvent) -> None:
        """Keep the event until the job is tracked."""
        if job_id not in self._events:
            self._event_marks.add(job_id)
        self._events[job_id] = event
        self._event_marks.change(job_id)

    def drop_event(self, job_id: str) -> PendingEvent | None:
        """Return the event of the job, and forget it."""
        event = self._events.pop(job_id, None)
        if event is not None:
            self._event_marks.drop(job_id)
        return event

    def memory(self, task_id: str) -> Memory | None:
        """The unsaved memory of a removed task."""
        return self._memories.get(task_id)

    @property
    def unsaved_jobs(self) -> int:
        """How many jobs the next `take` has."""
        return len(self._job_marks.changed)

    def note_progress(self) -> None:
        """Include the progress of every unfinished job in the next `take`. Progress alone causes no save."""
        self.update()
        for job_id in self.shelf.unfinished_jobs:
            self._job_marks.change(job_id)

    def take(self, totals: TotalsView, *, now: float) -> Changes | None:
        """All unsaved changes with their present values, and the changed totals. None if nothing changed.

        The changes count as saved from now on, unless `restore` is called before the next `take`.
        """
        self._memories = {task_id: memory for task_id, memory in self._memories.items() if memory.until >= now}
        if not (any(self._marks) or self._memories or totals.counters or totals.histograms):
            return None
        taken = [marks.take() for marks in self._marks]
        tasks, jobs, events = taken
        remembered, self._memories = self._memories, {}
        self._taken = taken, remembered
        return Changes(
            now=now,
            tasks=[self._tasks[task_id].record() for task_id in tasks.changed],
            jobs=[self._jobs[job_id].record() for job_id in jobs.changed],
            dropped_tasks=tuple(tasks.dropped),
            dropped_jobs=tuple(jobs.dropped),
            totals=totals,
            remembered=remembered,
            events={job_id: self._events[job_id] for job_id in events.changed},
            dropped_events=tuple(events.dropped),
        )

    def restore(self) -> None:
        """The changes of the last `take` were not saved."""
        if self._taken is not None:
            taken, memories = self._taken
            for marks, changes in zip(self._marks, taken, strict=True):
                marks.restore(changes)
            self._memories = memories | self._memories
            self._taken = None
