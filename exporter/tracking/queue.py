"""The unfinished tasks and jobs of one account, in the order in which VOD is asked about them."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.model import UNKNOWN, job_status
from exporter.tracking.order import Order
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.turns import Turns

# A task is asked about as a whole at least this often. Calls by `JobIds` do not show the status of the task, and only
# that status shows that a job with an undocumented status has ended.
ASK_WHOLE_SECONDS = 600.0
NOT_YET_SECONDS = 600.0  # after its registration: VOD may know a task only some time after it was submitted


class Queue:
    """Follows the changes of these tasks and jobs, so that a plan looks only at what it plans.

    The turns are those of the fields of `Work`. Not safe to use from several threads.
    """

    def __init__(self, tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob]) -> None:
        self.new_tasks, self.whole_tasks, self.overdue_tasks = Turns(), Turns(), Turns()
        self.prioritized_jobs, self.jobs = Turns(), Turns()
        self._turns = (self.new_tasks, self.whole_tasks, self.overdue_tasks, self.prioritized_jobs, self.jobs)
        self._tasks = tasks
        self._jobs = jobs
        self._described = Order()  # the tasks in none of the turns, by the time of their last description
        self._overdue: dict[str, float] = {}  # that time of the overdue tasks
        self._waiting: dict[str, TrackedTask] = {}  # the tasks that VOD is not asked about before a time

    def refresh(self, calls_before: int, now: float) -> None:
        """The present refresh began after the call with this number. It is `now` (Unix seconds)."""
        for turns in self._turns:
            turns.refresh(calls_before)
        for task in [task for task in self._waiting.values() if not _waits(task, now)]:
            self._place(task)
        # If the clock was set back, the age of a description is unknown, and it counts as old.
        for task_id in (
            *self._described.first(lambda refreshed: now - refreshed >= ASK_WHOLE_SECONDS),
            *self._described.last(lambda refreshed: refreshed > now),
        ):
            self._overdue[task_id] = self._described.drop(task_id) or 0.0
            self.overdue_tasks.put(task_id, self._tasks[task_id].asked)

    def task(self, task: TrackedTask) -> None:
        """The task is new, or it has changed, or one of its jobs has."""
        if task.finished_at is None and not task.ask_after:
            self._place(task)
            return
        was_whole = task.id in self.whole_tasks
        self.drop_task(task.id)
        if task.finished_at is None:
            self._waiting[task.id] = task
        if was_whole:
            self._place_jobs(task)

    def drop_task(self, task_id: str) -> None:
        """VOD is not asked about the task any more."""
        for turns in (self.new_tasks, self.whole_tasks, self.overdue_tasks):
            turns.drop(task_id)
        self._described.drop(task_id)
        self._overdue.pop(task_id, None)
        self._waiting.pop(task_id, None)

    def job(self, job: TrackedJob) -> None:
        """The job is new, or it has changed. If a call about its whole task is due, that describes the job too."""
        id_, prioritized = job.job.id, job.prioritized
        if job.finished_at is not None or job.task_id in self.whole_tasks:
            self.drop_job(id_)
        else:
            turns, other = (self.prioritized_jobs, self.jobs) if prioritized else (self.jobs, self.prioritized_jobs)
            other.drop(id_)
            turns.put(id_, job.asked)

    def drop_job(self, job_id: str) -> None:
        """VOD is not asked about the job any more."""
        self.jobs.drop(job_id)
        self.prioritized_jobs.drop(job_id)

    def _place(self, task: TrackedTask) -> None:
        id_, was_whole = task.id, task.id in self.whole_tasks
        whole = task.stale or not any(_can_be_asked(self._jobs[job_id]) for job_id in task.job_ids)
        new = whole and task.asked == 0 and task.task is None
        overdue = not whole and self._overdue.get(id_) == task.refreshed
        places = ((self.new_tasks, new), (self.whole_tasks, whole and not new), (self.overdue_tasks, overdue))
        for turns, is_there in places:
            if is_there:
                turns.put(id_, task.asked)
            else:
                turns.drop(id_)
        if whole or overdue:
            self._described.drop(id_)
        else:
            self._described.put(id_, task.refreshed)
        if not overdue:
            self._overdue.pop(id_, None)
        self._waiting.pop(id_, None)
        if was_whole != (id_ in self.whole_tasks):
            self._place_jobs(task)

    def _place_jobs(self, task: TrackedTask) -> None:
        for job_id in task.job_ids:
            self.job(self._jobs[job_id])


def _waits(task: TrackedTask, now: float) -> bool:
    """Whether it is too early to ask again. A longer time than possible means that the clock was set back."""
    return 0 < task.ask_after - now <= NOT_YET_SECONDS


def _can_be_asked(job: TrackedJob) -> bool:
    """Whether the job is unfinished, and its status will show its end."""
    return job.finished_at is None and job_status(job.job.status) != UNKNOWN
