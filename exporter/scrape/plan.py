"""What to ask, and in which order: new tasks first, then what was asked longest ago.

The budget may end the plan anywhere, refresh after refresh. So each kind of call has its turns: neither a flood of new
tasks nor tasks that fail whenever asked keep the others from theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from exporter.tracking.ledger import Work
from exporter.vod.client import JOB_IDS_PER_CALL


@dataclass(frozen=True, slots=True)
class ListTasks:
    """ListTranscodeTask: all tasks of one video."""

    video_id: str


@dataclass(frozen=True, slots=True)
class GetTask:
    """GetTranscodeTask by `TranscodeTaskId`."""

    task_id: str


@dataclass(frozen=True, slots=True)
class GetJobs:
    """GetTranscodeTask by `JobIds`."""

    job_ids: tuple[str, ...]


Call = ListTasks | GetTask | GetJobs

_NEW_TO_ONE_KNOWN = 3


def plan(work: Work, *, videos: Sequence[str], by_job_ids: bool) -> list[Call]:
    """The calls for this work, first things first.

    Each operation has a budget of its own, so lists and gets take turns. Without `by_job_ids`, for a service that
    refuses them, unfinished jobs cost one call per task.
    """
    new = [GetTask(task_id) for task_id in work.new_tasks]
    whole = [GetTask(task_id) for task_id in work.whole_tasks]
    jobs: list[Call]
    if by_job_ids:
        ids = [job_id for job_id, _ in work.jobs]
        jobs = [GetJobs(tuple(ids[at : at + JOB_IDS_PER_CALL])) for at in range(0, len(ids), JOB_IDS_PER_CALL)]
    else:
        asked = set(work.whole_tasks)
        jobs = [GetTask(task_id) for task_id in dict.fromkeys(task for _, task in work.jobs) if task_id not in asked]
    gets = _in_turns(new, _in_turns(whole, jobs), to_one=_NEW_TO_ONE_KNOWN)
    return list(_in_turns([ListTasks(video_id) for video_id in videos], gets))


def _in_turns(first: Iterable[Call], second: Iterable[Call], *, to_one: int = 1) -> Iterator[Call]:
    """`to_one` of the first to one of the second, then what is left of either."""
    firsts, seconds = iter(first), iter(second)
    while turn := [*islice(firsts, to_one), *islice(seconds, 1)]:
        yield from turn
