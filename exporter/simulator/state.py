"""The true state of a job, a task and a video at a world second: pure functions of the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from exporter.simulator.plan import Job, Task, Video


@dataclass(frozen=True, slots=True)
class State:
    """`progress` is in whole percent. `completed` is a world second, None while unfinished."""

    status: str
    progress: int
    completed: float | None


def job_state(job: Job, now: float) -> State:
    """The state of a job at the world second `now`."""
    if now >= job.ends and job.skipped:
        return State("TranscodeSkipped", job.reached, job.ends)
    if now >= job.ends:
        return State("TranscodeFail" if job.error_code else "TranscodeSuccess", job.reached, job.ends)
    # A job in the queue is `Transcoding` at 0: GetTranscodeTask documents no status for it.
    done = min(1.0, max(0.0, (now - job.starts) / (job.stops - job.starts)))
    return State("Transcoding", min(99, int(job.reached * done)), None)


def task_state(task: Task, now: float) -> State:
    """The state of a task at `now`. Its progress is the mean of its jobs, rounded down."""
    jobs = [job_state(job, now) for job in task.jobs]
    progress = sum(job.progress for job in jobs) // len(jobs) if jobs else 0
    if now < task.ends:
        return State("Partial" if any(job.completed is not None for job in jobs) else "Processing", progress, None)
    statuses = {job.status for job in jobs}
    if "TranscodeFail" in statuses and "TranscodeSuccess" in statuses:
        status = "CompletePartialSucc"
    else:
        status = "CompleteAllFail" if "TranscodeFail" in statuses or not jobs else "CompleteAllSucc"
    return State(status, progress, task.ends)


def video_status(video: Video, tasks: Iterable[Task], now: float) -> str:
    """The status of a video at `now`. It is `Transcoding` only while an automatic task runs in synchronous mode."""
    started = [task for task in tasks if task.created <= now]
    running = [task for task in started if now < task.ends]
    if any(task.trigger == "Auto" for task in running):
        return "Normal" if video.asynchronous else "Transcoding"
    finished = [task for task in started if now >= task.ends]
    playable = any(task_state(task, now).status != "CompleteAllFail" for task in finished)
    return "Normal" if playable or not finished else "TranscodeFail"
