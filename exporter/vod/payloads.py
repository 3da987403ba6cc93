"""Parses the responses of ApsaraVideo VOD into frozen records of the model.

No JSON value makes these functions raise an error. A malformed field is absent from its record, and the other fields
are kept. `malformed` has its name once for each occurrence. The names are those of the API, and all of them are in
`FIELDS`.

Formats and units follow the documentation of each operation and the samples in `tests/data/vod-api`:
https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-gettranscodetask
"""

from __future__ import annotations

from collections.abc import Iterator

from exporter.model import Job, Task
from exporter.vod.fields import ID_LIMIT, NAME_LIMIT, Fields
from exporter.vod.outputs import OUTPUT_FIELDS, output
from exporter.vod.replies import (
    ErrorReply,
    JobsReply,
    SummaryReply,
    TaskListReply,
    TaskReply,
    Usage,
    UsageReply,
    Video,
    VideoListReply,
)

ROWS_LIMIT = 1000  # rows read of one list in one response; VOD sends at most 100

BODY = "body"  # reported if the response as a whole is not an object
FIELDS = frozenset(
    (
        *(BODY, "TranscodeTask", "TranscodeTaskList", "TranscodeJobInfoList", "NonExistJobIds"),
        *("TranscodeTaskId", "VideoId", "TaskStatus", "Trigger", "TranscodeTemplateGroupId"),
        *("CreationTime", "CompleteTime", "FinishTime"),
        *("TranscodeJobId", "Definition", "TranscodeJobStatus", "TranscodeProgress", "Priority", "TranscodeTemplateId"),
        *("InputFileUrl", "ErrorCode", "ErrorMessage", "RequestId"),
        *("VideoList", "Total", "Status"),
        *("TranscodeSummaryList", "TranscodeStatus"),
        *("DataInterval", "TranscodeData", "TimeStamp", "Data", "Name", "Value"),
        *OUTPUT_FIELDS,
    )
)
"""All names that `malformed` can contain. They are label values, so their number must be bounded."""


def task_reply(body: object) -> TaskReply:
    """`{"RequestId", "TranscodeTask": {…, "TranscodeJobInfoList": […]}}`

    A documented sample has a job without an id: it is kept with the id `""` and counts as malformed. If several jobs
    have the same id, the last one is kept.
    """
    malformed: list[str] = []
    answer = _object(body, malformed)
    source = answer.get("TranscodeTask")
    if not isinstance(source, dict):
        malformed.append("TranscodeTask")
        return TaskReply(None, tuple(malformed))
    task = _task(source, malformed, jobs=_jobs(source, malformed))
    return TaskReply(task, tuple(malformed))


def jobs_reply(body: object) -> JobsReply:
    """`{"RequestId", "TranscodeJobInfoList": […], "NonExistJobIds": ["…"]}`; jobs without an id are left out."""
    malformed: list[str] = []
    jobs = tuple(job for job in _jobs(_object(body, malformed), malformed) if job.id)
    return JobsReply(jobs, tuple(malformed))


def task_list_reply(body: object) -> TaskListReply:
    """`{"TranscodeTaskList": [{…}]}`"""
    malformed: list[str] = []
    rows = _rows(_object(body, malformed), "TranscodeTaskList", "TranscodeTask", malformed)
    tasks = {
        task.id: task for row in _objects(rows, "TranscodeTaskList", malformed) if (task := _task(row, malformed)).id
    }
    return TaskListReply(tuple(tasks.values()), len(rows), tuple(malformed))


def summary_reply(body: object) -> SummaryReply:
    """`{"TranscodeSummaryList": [{…}], "NonExistVideoIds": ["…"]}`

    The ids of videos that do not exist are not read: only ListTranscodeTask decides whether a video exists.
    https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-gettranscodesummary
    """
    malformed: list[str] = []
    rows = _rows(_object(body, malformed), "TranscodeSummaryList", "TranscodeSummary", malformed)
    tasks = (_summary(row, malformed) for row in _objects(rows, "TranscodeSummaryList", malformed))
    return SummaryReply(tuple(task for task in tasks if task.video_id), tuple(malformed))


def video_list_reply(body: object) -> VideoListReply:
    """`{"Total", "VideoList": {"Video": [{…}]}}`, or `VideoList` is the list itself."""
    malformed: list[str] = []
    answer = _object(body, malformed)
    rows = _rows(answer, "VideoList", "Video", malformed)
    videos = {video.id: video for row in _objects(rows, "VideoList", malformed) if (video := _video(row, malformed)).id}
    total = Fields(answer, malformed).integer("Total")
    return VideoListReply(tuple(videos.values()), len(rows), total, tuple(malformed))


def usage_reply(body: object) -> UsageReply:
    """`{"DataInterval": "hour", "TranscodeData": {"TranscodeDataItem": [{"TimeStamp", "Data": {"DataItem": […]}}]}}`

    A `DataItem` is `{"Name": "H264.SD", "Value": "111"}`, with seconds. Older samples also have a row `All`, the sum of
    the others. Rows of whole days are left out, because they do not say which hours they have.
    https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-describevodtranscodedata
    """
    malformed: list[str] = []
    answer = _object(body, malformed)
    if Fields(answer, malformed).name("DataInterval") not in ("", "hour"):
        return UsageReply((), (*malformed, "DataInterval"))
    rows = _rows(answer, "TranscodeData", "TranscodeDataItem", malformed)
    usage = [used for row in _objects(rows, "TranscodeData", malformed) for used in _usage(row, malformed)]
    return UsageReply(tuple(usage), tuple(malformed))


def _usage(source: dict[str, object], malformed: list[str]) -> Iterator[Usage]:
    hour = Fields(source, malformed).time("TimeStamp")
    for row in _objects(_rows(source, "Data", "DataItem", malformed), "Data", malformed):
        fields = Fields(row, malformed)
        name, seconds = fields.name("Name"), fields.number("Value")
        if hour is not None and name not in ("", "All") and seconds is not None:
            yield Usage(hour, name, seconds)


def error_reply(body: object) -> ErrorReply | None:
    """`{"RequestId", "HostId", "Code", "Message", "Recommend"}`; None if the body has no code.

    The names may have any case: the gateway in front of VOD also writes `{"code", "message", "requestId"}`.
    """
    if not isinstance(body, dict):
        return None
    # `Code` is read after `code`, and so replaces it.
    fields = Fields({name.lower(): body[name] for name in sorted(body, reverse=True)}, [])
    code = fields.free_text("code", limit=NAME_LIMIT)
    if not code:
        return None
    return ErrorReply(code, fields.free_text("message"), fields.free_text("requestid", limit=ID_LIMIT))


def _object(body: object, malformed: list[str]) -> dict[str, object]:
    if isinstance(body, dict):
        return body
    malformed.append(BODY)
    return {}


def _rows(source: dict[str, object], name: str, inner: str, malformed: list[str]) -> list[object]:
    """The list `name`, or the list `inner` in the object `name`; [] if absent. At most `ROWS_LIMIT` rows are read."""
    value = source.get(name)
    if isinstance(value, dict):
        value = value.get(inner)
    if value is None:
        return []
    if not isinstance(value, list):
        malformed.append(name)
        return []
    if len(value) > ROWS_LIMIT:
        malformed.append(name)
    return value[:ROWS_LIMIT]


def _objects(rows: list[object], name: str, malformed: list[str]) -> Iterator[dict[str, object]]:
    for row in rows:
        if isinstance(row, dict):
            yield row
        else:
            malformed.append(name)


def _task(source: dict[str, object], malformed: list[str], *, jobs: tuple[Job, ...] = ()) -> Task:
    fields = Fields(source, malformed)
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


def _summary(source: dict[str, object], malformed: list[str]) -> Task:
    fields = Fields(source, malformed)
    return Task(
        id="",
        video_id=fields.id("VideoId", required=True),
        status=fields.name("TranscodeStatus"),
        template_group_id=fields.id("TranscodeTemplateGroupId"),
        created=fields.time("CreationTime"),
        completed=fields.time("CompleteTime"),
    )


def _video(source: dict[str, object], malformed: list[str]) -> Video:
    fields = Fields(source, malformed)
    return Video(fields.id("VideoId", required=True), fields.name("Status"), fields.time("CreationTime"))


def _jobs(source: dict[str, object], malformed: list[str]) -> tuple[Job, ...]:
    found: dict[str | int, Job] = {}
    rows = _rows(source, "TranscodeJobInfoList", "TranscodeJobInfo", malformed)
    for place, row in enumerate(_objects(rows, "TranscodeJobInfoList", malformed)):
        job = _job(row, malformed)
        if job.id in found:
            malformed.append("TranscodeJobId")
        found[job.id or place] = job  # jobs without an id must not replace each other
    return tuple(found.values())


def _job(source: dict[str, object], malformed: list[str]) -> Job:
    # The error code does not say whether the job has failed: jobs without a failure have the code "200".
    fields = Fields(source, malformed)
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
        output=output(source.get("OutputFile"), malformed),
    )
