"""What to ask, and in which order: new tasks first, then what was asked longest ago.

The budget may end the plan anywhere, refresh after refresh. So each kind of call has its turns: neither a flood of new
tasks nor tasks that fail whenever asked keep the others from theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from exporter.tracking.discovery import VideoQuery
from exporter.tracking.ledger import Work
from exporter.vod.client import JOB_IDS_PER_CALL


@dataclass(frozen=True, slots=True)
class ListVideos:
    """GetVideoList: all pages of one query."""

    query: VideoQuery


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


Call = ListVideos | ListTasks | GetTask | GetJobs

_NEW_TO_ONE_KNOWN = 3


def plan(work: Work, *, by_job_ids: bool, videos: Sequence[str] = (), queries: Sequence[VideoQuery] = ()) -> list[Call]:
    """The calls for this work, first things first: what events told of, then each operation in its turn.

    Each operation has a budget of its own, so lists and gets take turns. Without `by_job_ids`, for a service that
    refuses them, unfinished jobs cost one call per task.
    """
    new = [GetTask(task_id) for task_id in work.new_tasks]
    whole = [GetTask(task_id) for task_id in work.whole_tasks]
    hinted, jobs = work.hinted_jobs, work.jobs
    first: list[Call]
    rest: list[Call]
    if by_job_ids:
        first = _batches([job_id for job_id, _ in hinted])
        rest = _batches([job_id for job_id, _ in jobs])
    else:
        first = _tasks(hinted, but=())
        rest = _tasks(jobs, but={*work.whole_tasks, *(task_id for _, task_id in hinted)})
    gets = chain(first, _in_turns(new, _in_turns(whole, rest), to_one=_NEW_TO_ONE_KNOWN))
    lists = _in_turns(map(ListVideos, queries), map(ListTasks, videos))
    return list(_in_turns(lists, gets))


def _batches(job_ids: Sequence[str]) -> list[Call]:
    return [GetJobs(tuple(job_ids[at : at + JOB_IDS_PER_CALL])) for at in range(0, len(job_ids), JOB_IDS_PER_CALL)]


def _tasks(jobs: Iterable[tuple[str, str]], *, but: Collection[str]) -> list[Call]:
    """A call for each task of these jobs, given by their ids and the ids of their tasks."""
    return [GetTask(task_id) for task_id in dict.fromkeys(task for _, task in jobs) if task_id not in but]


def _in_turns(first: Iterable[Call], second: Iterable[Call], *, to_one: int = 1) -> Iterator[Call]:
    """`to_one` of the first to one of the second, then what is left of either."""
    firsts, seconds = iter(first), iter(second)
    while turn := [*islice(firsts, to_one), *islice(seconds, 1)]:
        yield from turn
