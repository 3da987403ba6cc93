"""The `task` command: read tasks from VOD once, and format them as a table or as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from exporter.command.terminal import display_width, shortened
from exporter.deadline import Deadline
from exporter.display import moment, percent, size
from exporter.errors import CredentialsError, PermissionDenied, VodError
from exporter.masks import mask
from exporter.model import Job, Output, Task
from exporter.vod.client import Client

WIDTH = 100
_JOB_HEADINGS = ("JOB", "DEFINITION", "STATUS", "BITRATE", "SIZE", "DURATION")
_MAX_DEFINITION = 10


def ask(client: Client, task_ids: Iterable[str], deadline: Callable[[], Deadline]) -> tuple[list[Task], list[str]]:
    """Ask VOD for each task. `deadline` makes a deadline for each call.

    Returns the tasks found, and an error line for each task that could not be read. Stops if VOD refuses the
    credentials, because every further call would be refused too. A missing permission may concern one task only.
    """
    tasks, faults = [], []
    for task_id in task_ids:
        try:
            task, _ = client.get_task(task_id, deadline())
            tasks.append(task)
        except VodError as error:
            faults.append(f"{task_id}: {error}")
            if isinstance(error, CredentialsError) and not isinstance(error, PermissionDenied):
                break
    return tasks, faults


def as_json(tasks: Iterable[Task]) -> str:
    """A JSON list of tasks with the fields of `exporter.model`: bits per second, bytes, seconds, ratios, Unix time."""
    return json.dumps([asdict(task) for task in tasks], indent=2)


def as_table(tasks: Iterable[Task]) -> str:
    """For each task some lines about it, a table of its jobs, their errors, and the URLs of files.

    A line has at most 100 columns: in longer lines, `…` replaces the middle. `as_json` has the whole text.
    """
    return "\n\n".join("\n".join(_fitted(list(_task_lines(task)))) for task in tasks)


def _fitted(lines: Sequence[str]) -> Iterable[str]:
    yield from (shortened(line, WIDTH) for line in lines)
    if any(display_width(line) > WIDTH for line in lines):
        yield "  … shortens a line; --json prints it whole"


def _task_lines(task: Task) -> Iterable[str]:
    yield f"task {task.id}  {task.status}  {_known(percent, task.progress)}"
    yield f"  video {task.video_id or '-'}  trigger {task.trigger or '-'}"
    yield f"  template group {task.template_group_id or '-'}"
    yield f"  created {_known(moment, task.created)}  completed {_known(moment, task.completed)}"
    if not task.jobs:
        yield "  no jobs" + (": the source could not be transcoded" if task.finished else "")
        return
    rows = [_JOB_HEADINGS, *(_row(job) for job in task.jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_JOB_HEADINGS))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for job in task.jobs:
        if job.status == "TranscodeFail":
            error = ": ".join(filter(None, (job.error_code, job.error_message))) or "failed without an error code"
            error = mask(error)
            # textwrap counts characters, not columns, so it gets half the width if some take two.
            width = WIDTH if display_width(error) == len(error) else WIDTH // 2
            yield from textwrap.wrap(f"{job.id}: {error}", width, initial_indent="  ", subsequent_indent="    ")
    for url in dict.fromkeys(job.input_url for job in task.jobs if job.input_url):
        yield f"  input {url}"
    for job in task.jobs:
        if (output := _output(job)) is not None and output.url:
            yield f"  {job.id} -> {output.url}"


def _row(job: Job) -> Sequence[str]:
    output = _output(job)
    return (
        job.id,
        job.definition if len(job.definition) <= _MAX_DEFINITION else f"{job.definition[: _MAX_DEFINITION - 1]}…",
        shortened(f"{job.status} {_known(percent, job.progress)}" if job.status == "Transcoding" else job.status, 20),
        f"{output.bitrate / 1e6:,.2f} Mbit/s" if output and output.bitrate is not None else "-",
        _known(size, output.size if output else None),
        _known(_clock, output.duration if output else None),
    )


def _output(job: Job) -> Output | None:
    """The output file. A failed job has none: VOD sends zeros, and the URL of a file that is not there."""
    return job.output if job.status != "TranscodeFail" else None


def _clock(seconds: float) -> str:
    """Seconds as a player shows them: `1:27`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _known(display: Callable[[float], str], amount: float | None) -> str:
    return "-" if amount is None else display(amount)
