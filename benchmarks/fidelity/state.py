"""The gauges of an account that follow from the simulator's truth: its tasks and jobs as they are now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.fidelity.series import Series, Values, series
from benchmarks.fidelity.totals import CAUSES

Json = Mapping[str, Any]

_OUTPUT = {
    "bitrate_bits_per_second": "bitrate",
    "size_bytes": "size",
    "duration_seconds": "duration",
    "frames_per_second": "frames_per_second",
    "width_pixels": "width",
    "height_pixels": "height",
}


def counts(account: str, truth: Json, *, job_statuses: Iterable[str], task_statuses: Iterable[str]) -> Values:
    """Tasks and jobs by status, and the oldest unfinished job of each definition."""
    tasks = Counter(task["status"] for task in truth["tasks"])
    jobs = [job for task in truth["tasks"] for job in task["jobs"]]
    pairs = Counter((job["definition"], job["status"]) for job in jobs)
    found = {
        series("vod_transcode_tasks", account=account, status=status): float(tasks[status]) for status in task_statuses
    }
    for (definition, status), count in pairs.items():
        if status in job_statuses:
            found[series("vod_transcode_jobs", account=account, definition=definition, status=status)] = count
    for job in sorted((job for job in jobs if job["completed"] is None), key=lambda job: -job["created"]):
        name = "vod_transcode_oldest_unfinished_job_created_timestamp_seconds"
        found[series(name, account=account, definition=job["definition"])] = job["created"]
    return found


def single(account: str, truth: Json) -> Values:
    """All series of single tasks and jobs."""
    found: dict[Series, float] = {}
    for task in truth["tasks"]:
        found |= _task(account, task)
        for job in task["jobs"]:
            found |= _job(account, task, job)
    return found


def _task(account: str, task: Json) -> Values:
    labels = {"account": account, "task_id": task["task_id"]}
    progress = [job["progress"] for job in task["jobs"]]
    names = {name: task[name] for name in ("video_id", "template_group_id", "trigger")}
    return _known(
        {
            series("vod_transcode_task_info", **labels, **names): 1,
            series("vod_transcode_task_status", **labels, status=task["status"]): 1,
            series("vod_transcode_task_progress_ratio", **labels): sum(progress) / len(progress) if progress else None,
            series("vod_transcode_task_created_timestamp_seconds", **labels): task["created"],
            series("vod_transcode_task_completed_timestamp_seconds", **labels): task["completed"],
        }
    )


def _job(account: str, task: Json, job: Json) -> Values:
    labels = {"account": account, "job_id": job["job_id"], "definition": job["definition"]}
    names = {"task_id": task["task_id"], "video_id": task["video_id"]}
    names |= {"template_id": job["template_id"], "priority": job["priority"]}
    found: dict[Series, float | None] = {
        series("vod_transcode_job_info", **labels, **names): 1,
        series("vod_transcode_job_status", **labels, status=job["status"]): 1,
        series("vod_transcode_job_progress_ratio", **labels): job["progress"],
        series("vod_transcode_job_created_timestamp_seconds", **labels): job["created"],
        series("vod_transcode_job_completed_timestamp_seconds", **labels): job["completed"],
    }
    if job["status"] == "TranscodeFail":
        code = job["error_code"]
        found[series("vod_transcode_job_failure_info", **labels, error_code=code, cause=CAUSES[code])] = 1
    if output := job["output"]:
        for name, figure in _OUTPUT.items():
            found[series(f"vod_transcode_job_output_{name}", **labels)] = output[figure]
        codecs = {f"{stream['kind']}_codec": stream["codec"] for stream in output["streams"]}
        names = {"video_codec": "", **codecs, "format": output["format"], "encryption": output["encryption"]}
        found[series("vod_transcode_job_output_info", **labels, **names)] = 1
        for stream in output["streams"]:
            of = {name: stream[name] for name in ("kind", "index")}
            found[series("vod_transcode_job_output_stream_bitrate_bits_per_second", **labels, **of)] = stream["bitrate"]
    return _known(found)


def _known(values: Mapping[Series, float | None]) -> Values:
    return {one: value for one, value in values.items() if value is not None}
