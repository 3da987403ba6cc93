"""The tasks and jobs that the exporter still has to ask about, in the order of the calls."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.model import UNKNOWN, job_status
from exporter.tracking.records import TrackedTask
from exporter.tracking.roster import Roster

# A task is asked about as a whole at least this often. Calls by `JobIds` do not show the status of the task, and only
# that status shows that a job with an undocumented status has ended.
ASK_WHOLE_SECONDS = 600.0
NOT_YET_SECONDS = 600.0  # after its registration: VOD may know a task only some time after it was submitted


@dataclass(frozen=True, slots=True)
class Work:
    """The tasks and jobs to ask about. Each field has the tasks or jobs with the oldest call first.

    `new_tasks` were never asked about. `whole_tasks` need a call for the whole task. Either they have no unfinished job
    with a documented status, or the last answer left a job out or gave it an undocumented status. `overdue_tasks` were
    not described for `ASK_WHOLE_SECONDS`. `jobs` are pairs of the id of an unfinished job and the id of its task.
    `prioritized_jobs` are such pairs for jobs that events reported as ended.
    """

    prioritized_jobs: tuple[tuple[str, str], ...] = ()
    new_tasks: tuple[str, ...] = ()
    whole_tasks: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()
    overdue_tasks: tuple[str, ...] = ()


def work(roster: Roster, *, calls_before: int, now: float) -> Work:
    """All tasks and jobs that are unfinished and whose last call has a number up to `calls_before`.

    `now` is in Unix seconds. Tasks that VOD does not know yet have a time before which it is not asked about them.
    """
    unfinished = [
        task
        for task in roster.tasks.values()
        if task.finished_at is None and task.asked <= calls_before and not _waits(task, now)
    ]
    unfinished.sort(key=lambda task: task.asked)
    due = [task for task in unfinished if _needs_whole(task, roster)]
    whole = {task.id for task in due}  # these calls describe the jobs of the tasks too
    waiting = [
        job
        for job in roster.jobs.values()
        if job.finished_at is None and job.asked <= calls_before and job.task_id not in whole
    ]
    waiting.sort(key=lambda job: job.asked)
    return Work(
        prioritized_jobs=tuple((job.job.id, job.task_id) for job in waiting if job.prioritized),
        new_tasks=tuple(task.id for task in due if _is_new(task)),
        whole_tasks=tuple(task.id for task in due if not _is_new(task)),
        overdue_tasks=tuple(task.id for task in unfinished if task.id not in whole and _overdue(task, now)),
        jobs=tuple((job.job.id, job.task_id) for job in waiting if not job.prioritized),
    )


def _waits(task: TrackedTask, now: float) -> bool:
    """Whether it is too early to ask again. A longer time than possible means that the clock was set back."""
    return 0 < task.ask_after - now <= NOT_YET_SECONDS


def _is_new(task: TrackedTask) -> bool:
    return task.asked == 0 and task.task is None


def _needs_whole(task: TrackedTask, roster: Roster) -> bool:
    return task.stale or not any(
        job.finished_at is None and job_status(job.job.status) != UNKNOWN for job in roster.jobs_of(task)
    )


def _overdue(task: TrackedTask, now: float) -> bool:
    """Whether the last description of the whole task is old. If the clock was set back, its age is unknown."""
    return not 0 <= now - task.refreshed < ASK_WHOLE_SECONDS
