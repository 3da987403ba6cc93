"""The tracked tasks and jobs of one account in the order in which they are shown and leave."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from exporter.tracking.order import Order
from exporter.tracking.records import TrackedJob, TrackedTask


class Shelf:
    """Follows the changes of tasks and jobs, so that a view looks only at what it shows.

    `unfinished_jobs` are in the order in which they were first seen, and `described` has them by the time of their last
    description. `finished_jobs` and `finished_tasks` are by the time of their finish, `unfinished_tasks` by the time
    from which they are tracked. `tasks_without_jobs` were described. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self.unfinished_jobs: dict[str, TrackedJob] = {}
        self.described = Order()
        self.finished_jobs = Order()
        self.tasks_without_jobs: dict[str, TrackedTask] = {}
        self.unfinished_tasks = Order()
        self.finished_tasks = Order()
        self._with_texts = Order()  # finished jobs

    def task(self, task: TrackedTask) -> None:
        """The task is new, or it has changed."""
        if task.finished_at is None:
            self.unfinished_tasks.put(task.id, task.since)
        else:
            self.unfinished_tasks.drop(task.id)
            self.finished_tasks.put(task.id, task.finished_at)
        if task.job_ids or task.task is None:
            self.tasks_without_jobs.pop(task.id, None)
        else:
            self.tasks_without_jobs[task.id] = task

    def drop_task(self, task_id: str) -> None:
        """The task is not tracked any more."""
        self.unfinished_tasks.drop(task_id)
        self.finished_tasks.drop(task_id)
        self.tasks_without_jobs.pop(task_id, None)

    def job(self, job: TrackedJob) -> None:
        """The job is new, or it has changed."""
        id_ = job.job.id
        if job.finished_at is None:
            self.unfinished_jobs[id_] = job
            self.described.put(id_, job.refreshed)
        else:
            if self.unfinished_jobs.pop(id_, None) is not None:
                self.described.drop(id_)
            self.finished_jobs.put(id_, job.finished_at)
            if not job.bare:
                self._with_texts.put(id_, job.finished_at)

    def drop_job(self, job_id: str) -> None:
        """The job is not tracked any more."""
        self.unfinished_jobs.pop(job_id, None)
        for order in (self.described, self.finished_jobs, self._with_texts):
            order.drop(job_id)

    def drop_texts(self, jobs: Mapping[str, TrackedJob], *, most: int) -> None:
        """Only the `most` jobs that finished last keep their texts, because the status page shows no others."""
        for job_id in list(islice(self._with_texts, max(0, len(self._with_texts) - most))):
            self._with_texts.drop(job_id)
            jobs[job_id].drop_texts()
