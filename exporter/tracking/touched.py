"""The tasks and jobs that have changed since the roster looked at them."""

from __future__ import annotations

from exporter.tracking.records import TrackedJob, TrackedTask


class Touched:
    """Records hold methods of this object and not of the roster, so that a roster is freed when nobody uses it."""

    __slots__ = ("jobs", "tasks")

    def __init__(self) -> None:
        self.tasks: dict[str, TrackedTask] = {}
        self.jobs: dict[str, TrackedJob] = {}

    def task(self, task: TrackedTask) -> None:
        """The task has changed."""
        self.tasks[task.id] = task

    def job(self, job: TrackedJob) -> None:
        """The job has changed."""
        self.jobs[job.job.id] = job

    def take(self) -> tuple[dict[str, TrackedTask], dict[str, TrackedJob]]:
        """Return the changed tasks and jobs by id, and forget them."""
        taken = self.tasks, self.jobs
        self.tasks, self.jobs = {}, {}
        return taken
