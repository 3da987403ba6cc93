"""What to ask, and in which order: new tasks, tasks whose jobs have ended, then the jobs asked about longest ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

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


def plan(work: Work, *, videos: Sequence[str], by_job_ids: bool) -> list[Call]:
    """The calls for this work, first things first.

    Each operation has a budget of its own, so lists and gets take turns. Without `by_job_ids`, for a service that
    refuses them, unfinished jobs cost one call per task.
    """
    gets: list[Call] = [GetTask(task_id) for task_id in work.new_tasks + work.ended_tasks]
    if by_job_ids:
        ids = [job_id for job_id, _ in work.jobs]
        gets += [GetJobs(tuple(ids[at : at + JOB_IDS_PER_CALL])) for at in range(0, len(ids), JOB_IDS_PER_CALL)]
    else:
        asked = set(work.ended_tasks)
        gets += [GetTask(task_id) for task_id in dict.fromkeys(task for _, task in work.jobs) if task_id not in asked]
    lists: list[Call] = [ListTasks(video_id) for video_id in videos]
    return [call for call in chain.from_iterable(zip_longest(lists, gets)) if call is not None]
