"""The tasks and jobs that the exporter still has to ask about, in the order of the calls."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from exporter.tracking.roster import Roster
from exporter.tracking.turns import Turns


@dataclass(frozen=True, slots=True)
class Work:
    """The tasks and jobs to ask about. Each field has the tasks or jobs with the oldest call first.

    `new_tasks` were never asked about. `whole_tasks` need a call for the whole task. Either they have no unfinished job
    with a documented status, or the last answer left a job out or gave it an undocumented status. `overdue_tasks` were
    not described for `queue.ASK_WHOLE_SECONDS`. `jobs` are pairs of the id of an unfinished job and the id of its task.
    `prioritized_jobs` are such pairs for jobs that events reported as ended. `more_tasks`, `more_prioritized_jobs` and
    `more_jobs` are how many there are beyond these.
    """

    prioritized_jobs: tuple[tuple[str, str], ...] = ()
    new_tasks: tuple[str, ...] = ()
    whole_tasks: tuple[str, ...] = ()
    jobs: tuple[tuple[str, str], ...] = ()
    overdue_tasks: tuple[str, ...] = ()
    more_tasks: int = 0
    more_prioritized_jobs: int = 0
    more_jobs: int = 0


def work(
    roster: Roster, *, calls_before: int, now: float, most_tasks: int | None = None, most_jobs: int | None = None
) -> Work:
    """The tasks and jobs that are unfinished and whose last call has a number up to `calls_before`.

    Of each kind of tasks at most `most_tasks`, of each kind of jobs at most `most_jobs`; without these, all. `now` is
    in Unix seconds. Tasks that VOD does not know yet have a time before which it is not asked about them.
    """
    roster.update()
    queue = roster.queue
    queue.refresh(calls_before, now)

    def pairs(turns: Turns) -> tuple[tuple[str, str], ...]:
        return tuple((job_id, roster.jobs[job_id].task_id) for job_id in islice(turns.due, most_jobs))

    kinds = [queue.new_tasks.due, queue.whole_tasks.due, queue.overdue_tasks.due]
    new, whole, overdue = (tuple(islice(due, most_tasks)) for due in kinds)
    prioritized, jobs = pairs(queue.prioritized_jobs), pairs(queue.jobs)
    return Work(
        prioritized_jobs=prioritized,
        new_tasks=new,
        whole_tasks=whole,
        jobs=jobs,
        overdue_tasks=overdue,
        more_tasks=sum(map(len, kinds)) - len(new) - len(whole) - len(overdue),
        more_prioritized_jobs=len(queue.prioritized_jobs.due) - len(prioritized),
        more_jobs=len(queue.jobs.due) - len(jobs),
    )
