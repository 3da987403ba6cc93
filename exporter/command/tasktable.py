"""The `task` command: read tasks from VOD once, and format them as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from exporter.deadline import Deadline
from exporter.display import duration, moment, percent, size
from exporter.errors import CredentialsError, VodError
from exporter.model import Job, Task
from exporter.vod.client import Client

_JOB_HEADINGS = ("JOB", "DEFINITION", "STATUS", "PROGRESS", "BITRATE", "SIZE", "DURATION", "ERROR")


def ask(client: Client, task_ids: Iterable[str], deadline: Callable[[], Deadline]) -> tuple[list[Task], list[str]]:
    """Ask VOD for each task. `deadline` makes a deadline for each call.

    Returns the tasks found, and an error line for each task that could not be read. Stops at a `CredentialsError`:
    every further call would be refused too.
    """
    tasks, faults = [], []
    for task_id in task_ids:
        try:
            task, _ = client.get_task(task_id, deadline())
            tasks.append(task)
        except CredentialsError as error:
            faults.append(str(error))
            break
        except VodError as error:
            faults.append(f"{task_id}: {error}")
    return tasks, faults


def as_json(tasks: Iterable[Task]) -> str:
    """A JSON list of tasks with the fields of `exporter.model`: bits per second, bytes, seconds, ratios, Unix time."""
    return json.dumps([asdict(task) for task in tasks], indent=2)


def as_table(tasks: Iterable[Task]) -> str:
    """For each task some lines about it, and a table of its jobs."""
    return "\n\n".join("\n".join(_task_lines(task)) for task in tasks)


def _task_lines(task: Task) -> Iterable[str]:
    yield f"task {task.id}  {task.status}  {_known(percent, task.progress)}"
    yield f"  video {task.video_id}  template group {task.template_group_id}  trigger {task.trigger or '-'}"
    yield f"  created {_known(moment, task.created)}  completed {_known(moment, task.completed)}"
    if not task.jobs:
        yield "  no jobs" + (": the source could not be transcoded" if task.finished else "")
        return
    rows = [_JOB_HEADINGS, *(_row(job) for job in task.jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_JOB_HEADINGS))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for job in task.jobs:
        if job.input_url:
            yield f"  {job.id} <- {job.input_url}"
        if job.output is not None and job.output.url:
            yield f"  {job.id} -> {job.output.url}"


def _row(job: Job) -> Sequence[str]:
    output = job.output if job.output is not None and job.status != "TranscodeFail" else None
    error = f"{job.error_code}: {job.error_message}" if job.status == "TranscodeFail" else ""
    return (
        job.id,
        job.definition,
        job.status,
        _known(percent, job.progress),
        f"{output.bitrate / 1000:,.0f} kbit/s" if output and output.bitrate is not None else "-",
        _known(size, output.size if output else None),
        _known(duration, output.duration if output else None),
        error,
    )


def _known(display: Callable[[float], str], amount: float | None) -> str:
    return "-" if amount is None else display(amount)
