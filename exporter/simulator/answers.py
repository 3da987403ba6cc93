"""The operations of the API: each makes the JSON body of an answer from parameters, or raises `Refusal` as VOD does.

The following is assumed, because the documentation does not say it. A task id takes precedence over job ids. Lists have
the newest first. A time window includes both ends.
"""

from __future__ import annotations

from calendar import timegm
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import strptime
from types import MappingProxyType
from typing import TypeVar

from exporter.simulator.plan import Task, Video
from exporter.simulator.refusal import Refusal, invalid, missing
from exporter.simulator.shapes import Json, figures_json, job_json, task_json, timestamp, video_json
from exporter.simulator.state import job_state
from exporter.simulator.templates import group
from exporter.simulator.usage import by_hour
from exporter.simulator.world import World

Parameters = Mapping[str, str]
T = TypeVar("T")

MAX_IDS = 10
MAX_VIDEO_ROWS = 5000
REGION = "cn-shanghai"  # of the simulated account
MAX_USAGE_SECONDS = 7 * 86400  # VOD answers up to 31 days, but then only for whole days


def answer(world: World, action: str, parameters: Parameters) -> Json:
    """The body of the answer to a call, without its RequestId. Raises `Refusal`."""
    with world.lock:
        return OPERATIONS[action](world, parameters, world.advance())


def _required(parameters: Parameters, name: str) -> str:
    value = parameters.get(name, "").strip()
    if not value:
        raise missing(name)
    return value


def _ids(parameters: Parameters, name: str) -> list[str]:
    """The ids of a parameter without repetitions, in order. Raises `Refusal` unless there are 1 to 10."""
    ids = list(dict.fromkeys(part.strip() for part in _required(parameters, name).split(",") if part.strip()))
    if not 1 <= len(ids) <= MAX_IDS:
        raise invalid(name)
    return ids


def _number(parameters: Parameters, name: str, default: int, most: int) -> int:
    text = parameters.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise invalid(name)
    return int(text[:9])


def _window(parameters: Parameters) -> tuple[int | None, int | None]:
    bounds: list[int | None] = []
    for name in ("StartTime", "EndTime"):
        text = parameters.get(name)
        try:
            bounds.append(timegm(strptime(text, "%Y-%m-%dT%H:%M:%SZ")) if text else None)
        except ValueError:
            raise invalid(name) from None
    return bounds[0], bounds[1]


def _page(rows: Sequence[T], parameters: Parameters, *, largest: int) -> Sequence[T]:
    size = _number(parameters, "PageSize", 10, largest)
    begin = (_number(parameters, "PageNo", 1, 10**8) - 1) * size
    return rows[begin : begin + size]


def _video(world: World, parameters: Parameters, now: float) -> tuple[Video, list[Task]]:
    found = world.video(_required(parameters, "VideoId"))
    if found is None:
        raise Refusal("InvalidVideo.NotFound", "The video does not exist.")
    return found[0], _visible(world, found[1], now)


def _visible(world: World, tasks: Iterable[Task], now: float) -> list[Task]:
    return [task for task in tasks if world.answers_about(task, now)]


def get_transcode_task(world: World, parameters: Parameters, now: float) -> Json:
    if "TranscodeTaskId" not in parameters and "JobIds" in parameters:
        return _jobs_by_id(world, parameters, now)
    task_id = _required(parameters, "TranscodeTaskId")
    task = world.task(task_id)
    if task is None or not world.answers_about(task, now):
        raise Refusal("NoSuchResource", f"The specified resource {task_id[:64]} does not exist.")
    jobs = [job_json(world, job, task.video, now) for job in task.jobs]
    return {"TranscodeTask": {**task_json(world, task, now), "TranscodeJobInfoList": jobs}}


def _jobs_by_id(world: World, parameters: Parameters, now: float) -> Json:
    found, unknown = [], []
    for job_id in _ids(parameters, "JobIds"):
        known = world.job(job_id)
        if known is None or not world.answers_about(known[0], now):
            unknown.append(job_id)
        else:
            task, job = known
            found.append(job_json(world, job, task.video, now))
    return {"TranscodeJobInfoList": found, "NonExistJobIds": unknown}


def list_transcode_task(world: World, parameters: Parameters, now: float) -> Json:
    _, tasks = _video(world, parameters, now)
    start, end = _window(parameters)
    rows = [
        task
        for task in reversed(tasks)
        if (start is None or start <= world.unix_seconds(task.created))
        and (end is None or world.unix_seconds(task.created) <= end)
    ]
    return {"TranscodeTaskList": [task_json(world, task, now) for task in _page(rows, parameters, largest=50)]}


def get_video_list(world: World, parameters: Parameters, now: float) -> Json:  # noqa: ARG001  `world.shelves` has the present statuses
    statuses = {part.strip() for part in parameters.get("Status", "").split(",") if part.strip()}
    start, end = _window(parameters)
    keys = world.shelves.select(statuses, start=start, end=end)
    if parameters.get("SortBy", "CreationTime:Desc") != "CreationTime:Asc":
        keys.reverse()
    page = _page(keys[:MAX_VIDEO_ROWS], parameters, largest=100)
    videos = [found[0] for _, video_id in page if (found := world.video(video_id))]
    return {"Total": len(keys), "VideoList": {"Video": [video_json(world, video) for video in videos]}}


def get_transcode_summary(world: World, parameters: Parameters, now: float) -> Json:
    summaries, unknown = [], []
    for video_id in _ids(parameters, "VideoIds"):
        found = world.video(video_id)
        if found is None:
            unknown.append(video_id)
        elif tasks := _visible(world, found[1], now):
            summaries.append(_summary(world, tasks[-1], now))
    return {"TranscodeSummaryList": summaries, "NonExistVideoIds": unknown}


def _summary(world: World, task: Task, now: float) -> Json:
    shape = task_json(world, task, now)
    jobs = []
    for job in task.jobs:
        summary = job_json(world, job, task.video, now)
        for name in ("TranscodeJobId", "InputFileUrl", "Priority", "OutputFile"):
            summary.pop(name, None)
        jobs.append(summary | (figures_json(job) if job_state(job, now).status == "TranscodeSuccess" else {}))
    return {
        "VideoId": task.video.id,
        "TranscodeStatus": shape.pop("TaskStatus"),
        "TranscodeTemplateGroupId": task.group.id,
        "CreationTime": shape["CreationTime"],
        **({"CompleteTime": shape["CompleteTime"]} if "CompleteTime" in shape else {}),
        "TranscodeJobInfoSummaryList": jobs,
    }


def submit_transcode_jobs(world: World, parameters: Parameters, now: float) -> Json:
    video, _ = _video(world, parameters, now)
    group_id = _required(parameters, "TemplateGroupId")
    templates = group(group_id)
    if templates is None:
        raise Refusal("NoSuchResource", f"The specified resource {group_id[:64]} does not exist.")
    priority = _number(parameters, "Priority", 6, 10)
    task = world.submit(video=video, group=templates, priority=str(priority))
    return {
        "TranscodeTaskId": task.id,
        "TranscodeJobs": {"TranscodeJob": [{"JobId": job.id} for job in task.jobs]},
    }


def describe_vod_transcode_data(world: World, parameters: Parameters, now: float) -> Json:
    for name in ("StartTime", "EndTime"):
        _required(parameters, name)
    start, end = _window(parameters)
    assert start is not None and end is not None  # noqa: S101, PT018 - both are required
    if not 0 < end - start <= MAX_USAGE_SECONDS:
        raise Refusal("InvalidTimeRange", "StartTime and EndTime range should less than 1 month.")
    regions = {part.strip() for part in parameters.get("Region", REGION).split(",")}
    hours = by_hour(world, now, start=start, end=end) if REGION in regions else {}
    items = [
        {
            "TimeStamp": timestamp(hour),
            "Data": {"DataItem": [{"Name": name, "Value": str(seconds)} for name, seconds in sorted(data.items())]},
        }
        for hour, data in hours.items()
    ]
    return {"DataInterval": "hour", "TranscodeData": {"TranscodeDataItem": items}}


OPERATIONS: Mapping[str, Callable[[World, Parameters, float], Json]] = MappingProxyType(
    {
        "GetTranscodeTask": get_transcode_task,
        "ListTranscodeTask": list_transcode_task,
        "GetVideoList": get_video_list,
        "GetTranscodeSummary": get_transcode_summary,
        "SubmitTranscodeJobs": submit_transcode_jobs,
        "DescribeVodTranscodeData": describe_vod_transcode_data,
    }
)
