"""The ground truth in base units, for tests to compare with the metrics of the exporter.

::

    {"now": 1700000000.0, "frozen": false, "calls": {"GetTranscodeTask": 12}, "throttled": {}, "peak": {...},
     "videos": {"Transcoding": 17, "Normal": 60},
     "billed": {"H264.SD": 600},
     "tasks": [{"task_id", "video_id", "status", "trigger", "template_group_id", "created", "completed",
                "video_status", "jobs": [{"job_id", "definition", "template_id", "priority", "status", "progress",
                "created", "completed", "error_code", "output": {...} or null}]}]}

`billed` has the seconds of all successful outputs by specification. Statuses are spelled correctly, even if the API
misspells them. A trigger that the API leaves out is `""`. Times are Unix seconds as the API reports them, sizes bytes,
bitrates bits per second, progress a ratio from 0 to 1.
"""

from __future__ import annotations

from collections import Counter

from exporter.simulator.plan import Job, Task
from exporter.simulator.shapes import Json, reported_trigger
from exporter.simulator.state import job_state, task_state, video_status
from exporter.simulator.usage import billed
from exporter.simulator.world import World


def truth(world: World) -> Json:
    """Every task of the world, oldest first."""
    with world.lock:
        now, tasks, videos = world.advance(), list(world.tasks), world.shelves.counts()
    # States are pure functions of the plan, so the lock is released first and calls need not wait.
    return {
        "now": world.clock.wall(now),
        "frozen": world.clock.frozen,
        "videos": videos,
        "billed": billed(tasks, now),
        "tasks": [_task(world, task, now) for task in tasks],
    }


def summary(world: World) -> Json:
    """Counts of videos and tasks by status, and of jobs by definition and status."""
    with world.lock:
        now, tasks, videos = world.advance(), list(world.tasks), world.shelves.counts()
    jobs: dict[str, Counter[str]] = {}
    for task in tasks:
        for job in task.jobs:
            jobs.setdefault(job.template.definition, Counter())[job_state(job, now).status] += 1
    return {
        "now": world.clock.wall(now),
        "frozen": world.clock.frozen,
        "videos": videos,
        "tasks": Counter(task_state(task, now).status for task in tasks),
        "jobs": jobs,
    }


def _task(world: World, task: Task, now: float) -> Json:
    state = task_state(task, now)
    found = world.video(task.video.id)
    return {
        "task_id": task.id,
        "video_id": task.video.id,
        "status": state.status,
        "trigger": reported_trigger(task),
        "template_group_id": task.group.id,
        "created": world.unix_seconds(task.created),
        "completed": None if state.completed is None else world.unix_seconds(state.completed),
        "video_status": video_status(task.video, list(found[1]) if found else [], now),
        "jobs": [_job(world, job, now) for job in task.jobs],
    }


def _job(world: World, job: Job, now: float) -> Json:
    state = job_state(job, now)
    return {
        "job_id": job.id,
        "definition": job.template.definition,
        "template_id": job.template.id,
        "priority": job.priority,
        "status": state.status,
        "progress": state.progress / 100,
        "created": world.unix_seconds(job.created),
        "completed": None if state.completed is None else world.unix_seconds(state.completed),
        "error_code": job.error_code if state.status == "TranscodeFail" else "",
        "output": _output(job) if state.status == "TranscodeSuccess" else None,
    }


def _output(job: Job) -> Json:
    output = job.output
    streams = []
    if output.video_bits:
        streams.append({"kind": "video", "index": "0", "codec": "h264", "bitrate": output.video_bits})
    codec = "mp3" if job.template.format == "mp3" else "aac"
    streams.append({"kind": "audio", "index": str(len(streams)), "codec": codec, "bitrate": output.audio_bits})
    return {
        "format": job.template.format,
        "encryption": job.template.encryption,
        "bitrate": output.kilobits * 1000,
        "size": output.size,
        "duration": output.duration,
        "frames_per_second": output.fps or None,
        "width": output.width or None,
        "height": output.height or None,
        "streams": streams,
        "watermark_ids": list(job.template.watermark_ids),
    }
