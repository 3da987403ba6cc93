"""Which calls to make, and in which order: new tasks first, then the tasks and jobs that were asked about longest ago.

The budget may cut the plan off anywhere, and the next plan starts with new tasks again. So each kind of call gets a
fixed share of the calls: neither many new tasks nor tasks whose calls always fail can block the others.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice, zip_longest

from exporter.model import (
    GET_TRANSCODE_SUMMARY,
    GET_TRANSCODE_TASK,
    GET_VIDEO_LIST,
    LIST_TRANSCODE_TASK,
    VIDEO_IDS_PER_CALL,
)
from exporter.tracking.discovery import VideoQuery
from exporter.tracking.videos import Due
from exporter.tracking.work import Work
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
class GetSummaries:
    """GetTranscodeSummary: the newest task of each of these videos."""

    video_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetTask:
    """GetTranscodeTask by `TranscodeTaskId`."""

    task_id: str


@dataclass(frozen=True, slots=True)
class GetJobs:
    """GetTranscodeTask by `JobIds`. An urgent call goes before those that wait for their turn."""

    job_ids: tuple[str, ...]
    urgent: bool = field(default=False, compare=False)


Call = ListVideos | ListTasks | GetSummaries | GetTask | GetJobs

NO_VIDEOS = Due()

# The preferred kinds for each call, in turn. A call takes the first kind that has something to ask. Three of four calls
# prefer new tasks. Every fourth call prefers known tasks: whole tasks and jobs by turns. While overdue tasks wait, one
# call of eight is theirs, so that they neither starve nor take more of a small budget.
_TURNS = (
    *(("new", "whole", "jobs", "overdue"),) * 3,
    ("whole", "jobs", "new", "overdue"),
    *(("new", "jobs", "whole", "overdue"),) * 2,
    ("overdue", "new", "jobs", "whole"),
    ("jobs", "whole", "new", "overdue"),
)


def action(call: Call) -> str:
    """The operation of VOD that the call uses. Each operation has its own budget."""
    match call:
        case ListVideos():
            return GET_VIDEO_LIST
        case ListTasks():
            return LIST_TRANSCODE_TASK
        case GetSummaries():
            return GET_TRANSCODE_SUMMARY
        case _:
            return GET_TRANSCODE_TASK


def plan(
    work: Work,
    *,
    budget: Mapping[str, int],
    by_job_ids: bool,
    made: int = 0,
    lists_made: int = 0,
    videos: Due = NO_VIDEOS,
    queries: Sequence[VideoQuery] = (),
) -> list[Call]:
    """The calls for this work, in order for each operation: prioritized jobs first, then each kind by its share.

    `budget` is how many calls of each operation fit into the planned time; the rest waits for the next plan. `made` is
    the number of calls of GetTranscodeTask so far, `lists_made` that of ListTranscodeTask, so that the shares continue
    from the last plan. Without `by_job_ids` (VOD refuses the parameter) unfinished jobs cost one call per task.
    """
    return [
        *islice(map(ListVideos, queries), budget[GET_VIDEO_LIST]),
        *islice(map(ListTasks, _by_turns(videos.lists, videos.hints, lists_made)), budget[LIST_TRANSCODE_TASK]),
        *islice(map(GetSummaries, _batches(videos.summaries, VIDEO_IDS_PER_CALL)), budget[GET_TRANSCODE_SUMMARY]),
        *islice(_gets(work, by_job_ids=by_job_ids, made=made), budget[GET_TRANSCODE_TASK]),
    ]


def sizes(work: Work, videos: Due, queries: Sequence[VideoQuery], *, by_job_ids: bool) -> dict[str, int]:
    """How many calls of each operation this work takes. A list of several pages counts as one call."""
    return {
        GET_TRANSCODE_TASK: _gets_size(work, by_job_ids=by_job_ids),
        LIST_TRANSCODE_TASK: len(videos.lists) + len(videos.hints),
        GET_TRANSCODE_SUMMARY: math.ceil(len(videos.summaries) / VIDEO_IDS_PER_CALL),
        GET_VIDEO_LIST: len(queries),
    }


def _gets_size(work: Work, *, by_job_ids: bool) -> int:
    if by_job_ids:
        counts = (len(work.prioritized_jobs) + work.more_prioritized_jobs, len(work.jobs) + work.more_jobs)
        jobs = sum(math.ceil(count / JOB_IDS_PER_CALL) for count in counts)
        return len(work.new_tasks) + len(work.whole_tasks) + len(work.overdue_tasks) + work.more_tasks + jobs
    tasks = {task_id for _, task_id in (*work.prioritized_jobs, *work.jobs)}
    return len(work.new_tasks) + len(tasks.union(work.whole_tasks, work.overdue_tasks)) + work.more_tasks


def without(work: Work, calls: Collection[Call]) -> Work:
    """The work without the tasks and jobs that these calls are about."""
    tasks = {call.task_id for call in calls if isinstance(call, GetTask)}
    jobs = {job_id for call in calls if isinstance(call, GetJobs) for job_id in call.job_ids}
    if not tasks and not jobs:
        return work

    def others(some: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple((job, task) for job, task in some if job not in jobs and task not in tasks)

    return replace(
        work,
        prioritized_jobs=others(work.prioritized_jobs),
        new_tasks=tuple(task_id for task_id in work.new_tasks if task_id not in tasks),
        whole_tasks=tuple(task_id for task_id in work.whole_tasks if task_id not in tasks),
        overdue_tasks=tuple(task_id for task_id in work.overdue_tasks if task_id not in tasks),
        jobs=others(work.jobs),
    )


def _gets(work: Work, *, by_job_ids: bool, made: int) -> Iterator[Call]:
    if by_job_ids:
        first = _jobs(work.prioritized_jobs, urgent=True)
        rest = _jobs(work.jobs)
        overdue = work.overdue_tasks
    else:
        first = _tasks(work.prioritized_jobs, but=())
        asked = {*work.whole_tasks, *(task_id for _, task_id in work.prioritized_jobs)}
        rest = _tasks(work.jobs, but=asked)
        described = asked.union(task_id for _, task_id in work.jobs)
        overdue = tuple(task_id for task_id in work.overdue_tasks if task_id not in described)
    yield from first
    kinds = {
        "new": map(GetTask, work.new_tasks),
        "whole": map(GetTask, work.whole_tasks),
        "overdue": map(GetTask, overdue),
        "jobs": rest,
    }
    for turn in count(made):
        calls = (next(kinds[kind], None) for kind in _TURNS[turn % len(_TURNS)])
        call = next((call for call in calls if call is not None), None)
        if call is None:
            return
        yield call


def _by_turns(some: Sequence[str], others: Sequence[str], made: int) -> Iterator[str]:
    """All ids. As long as both have some, every other call is for `others`, so that neither blocks the other."""
    first, second = (some, others) if made % 2 == 0 else (others, some)
    pairs = zip_longest(first, second)
    return (id_ for pair in pairs for id_ in pair if id_ is not None)


def _batches(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(ids[at : at + size]) for at in range(0, len(ids), size))


def _jobs(jobs: Iterable[tuple[str, str]], *, urgent: bool = False) -> Iterator[Call]:
    return (GetJobs(ids, urgent) for ids in _batches([job_id for job_id, _ in jobs], JOB_IDS_PER_CALL))


def _tasks(jobs: Iterable[tuple[str, str]], *, but: Collection[str]) -> Iterator[Call]:
    """A call for each task of these jobs, given by their ids and the ids of their tasks."""
    return (GetTask(task_id) for task_id in dict.fromkeys(task for _, task in jobs) if task_id not in but)
