"""The answers of ApsaraVideo VOD as records of the model: JSON in, frozen values out, total.

No JSON makes these functions raise. A field that holds something odd is absent from the record, and its name stands in
`malformed`, once for each occurrence; what is around it stays whole. The names are the API's own, all in `FIELDS`.

Shapes and units are those of the operations' documentation pages and of the samples in `tests/data/vod-api`:
https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-gettranscodetask
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.model import Job, Task
from exporter.vod.fields import ID_LIMIT, NAME_LIMIT, Fields
from exporter.vod.outputs import OUTPUT_FIELDS, output

ROWS_LIMIT = 1000  # of one list in one answer; the service sends at most 100

BODY = "body"
FIELDS = frozenset(
    (
        *(BODY, "TranscodeTask", "TranscodeTaskList", "TranscodeJobInfoList", "NonExistJobIds"),
        *("TranscodeTaskId", "VideoId", "TaskStatus", "Trigger", "TranscodeTemplateGroupId"),
        *("CreationTime", "CompleteTime", "FinishTime"),
        *("TranscodeJobId", "Definition", "TranscodeJobStatus", "TranscodeProgress", "Priority", "TranscodeTemplateId"),
        *("InputFileUrl", "ErrorCode", "ErrorMessage", "RequestId"),
        *("VideoList", "Total", "Status"),
        *OUTPUT_FIELDS,
    )
)
"""Every name that `malformed` can hold."""


@dataclass(frozen=True, slots=True)
class TaskReply:
    """GetTranscodeTask by `TranscodeTaskId`. `task` is None where the answer holds none."""

    task: Task | None
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsReply:
    """GetTranscodeTask by `JobIds`. Every job has an id, each once; those the service does not know are not there."""

    jobs: tuple[Job, ...]
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskListReply:
    """One page of ListTranscodeTask. Every task has an id, none has jobs.

    `rows` is how many the service sent, unusable ones too: fewer than asked for is the last page.
    """

    tasks: tuple[Task, ...]
    rows: int = 0
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Video:
    """One video of GetVideoList. `created` is Unix time in seconds."""

    id: str
    status: str = ""
    created: float | None = None


@dataclass(frozen=True, slots=True)
class VideoListReply:
    """One page of GetVideoList. Every video has an id; `rows` as in `TaskListReply`."""

    videos: tuple[Video, ...]
    rows: int = 0
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The body of a refusal: https://www.alibabacloud.com/help/en/vod/developer-reference/responses"""

    code: str
    message: str = ""
    request_id: str = ""


def task_reply(body: object) -> TaskReply:
    """`{"RequestId", "TranscodeTask": {…, "TranscodeJobInfoList": […]}}`

    A job may come without an id (a documented sample has one): it stays, with `""`, and counts as malformed.
    Of several jobs with one id the last stays.
    """
    odd: list[str] = []
    answer = _object(body, odd)
    source = answer.get("TranscodeTask")
    if not isinstance(source, dict):
        odd.append("TranscodeTask")
        return TaskReply(None, tuple(odd))
    task = _task(source, odd, jobs=_jobs(source, odd))
    return TaskReply(task, tuple(odd))


def jobs_reply(body: object) -> JobsReply:
    """`{"RequestId", "TranscodeJobInfoList": […], "NonExistJobIds": ["…"]}`; jobs without an id are dropped."""
    odd: list[str] = []
    jobs = tuple(job for job in _jobs(_object(body, odd), odd) if job.id)
    return JobsReply(jobs, tuple(odd))


def task_list_reply(body: object) -> TaskListReply:
    """`{"TranscodeTaskList": [{…}]}`"""
    odd: list[str] = []
    rows = _rows(_object(body, odd), "TranscodeTaskList", "TranscodeTask", odd)
    tasks = {task.id: task for row in _objects(rows, "TranscodeTaskList", odd) if (task := _task(row, odd)).id}
    return TaskListReply(tuple(tasks.values()), len(rows), tuple(odd))


def video_list_reply(body: object) -> VideoListReply:
    """`{"Total", "VideoList": {"Video": [{…}]}}`, or `VideoList` a bare list."""
    odd: list[str] = []
    answer = _object(body, odd)
    rows = _rows(answer, "VideoList", "Video", odd)
    videos = {video.id: video for row in _objects(rows, "VideoList", odd) if (video := _video(row, odd)).id}
    return VideoListReply(tuple(videos.values()), len(rows), tuple(odd))


def error_reply(body: object) -> ErrorReply | None:
    """`{"RequestId", "HostId", "Code", "Message", "Recommend"}`; None for a body without a code."""
    if not isinstance(body, dict):
        return None
    fields = Fields(body, [])
    code = fields.free_text("Code", limit=NAME_LIMIT)
    if not code:
        return None
    return ErrorReply(code, fields.free_text("Message"), fields.free_text("RequestId", limit=ID_LIMIT))


def _object(body: object, odd: list[str]) -> dict[str, object]:
    if isinstance(body, dict):
        return body
    odd.append(BODY)
    return {}


def _rows(source: dict[str, object], name: str, inner: str, odd: list[str]) -> list[object]:
    """The list under `name`, or under `name` and `inner`; an absent one is empty, an odd or over-long one noted."""
    value = source.get(name)
    if isinstance(value, dict):
        value = value.get(inner)
    if value is None:
        return []
    if not isinstance(value, list):
        odd.append(name)
        return []
    if len(value) > ROWS_LIMIT:
        odd.append(name)
    return value[:ROWS_LIMIT]


def _objects(rows: list[object], name: str, odd: list[str]) -> Iterator[dict[str, object]]:
    for row in rows:
        if isinstance(row, dict):
            yield row
        else:
            odd.append(name)


def _task(source: dict[str, object], odd: list[str], *, jobs: tuple[Job, ...] = ()) -> Task:
    fields = Fields(source, odd)
    return Task(
        id=fields.id("TranscodeTaskId", required=True),
        video_id=fields.id("VideoId"),
        status=fields.name("TaskStatus"),
        trigger=fields.name("Trigger"),
        template_group_id=fields.id("TranscodeTemplateGroupId"),
        created=fields.time("CreationTime"),
        completed=fields.time("CompleteTime"),
        jobs=jobs,
    )


def _video(source: dict[str, object], odd: list[str]) -> Video:
    fields = Fields(source, odd)
    return Video(fields.id("VideoId", required=True), fields.name("Status"), fields.time("CreationTime"))


def _jobs(source: dict[str, object], odd: list[str]) -> tuple[Job, ...]:
    found: dict[str | int, Job] = {}
    rows = _rows(source, "TranscodeJobInfoList", "TranscodeJobInfo", odd)
    for place, row in enumerate(_objects(rows, "TranscodeJobInfoList", odd)):
        job = _job(row, odd)
        if job.id in found:
            odd.append("TranscodeJobId")
        found[job.id or place] = job
    return tuple(found.values())


def _job(source: dict[str, object], odd: list[str]) -> Job:
    """An error code is kept as told: "200" stands on jobs that did not fail. The status alone says whether one did."""
    fields = Fields(source, odd)
    completed = fields.time("CompleteTime")
    return Job(
        id=fields.id("TranscodeJobId", required=True),
        definition=fields.name("Definition"),
        status=fields.name("TranscodeJobStatus"),
        progress=fields.ratio("TranscodeProgress"),
        created=fields.time("CreationTime"),
        completed=fields.time("FinishTime") if completed is None else completed,
        priority=fields.name("Priority"),
        template_id=fields.id("TranscodeTemplateId"),
        input_url=fields.free_text("InputFileUrl"),
        error_code=fields.name("ErrorCode"),
        error_message=fields.free_text("ErrorMessage"),
        output=output(source.get("OutputFile"), odd),
    )
