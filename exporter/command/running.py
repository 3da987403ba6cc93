"""The `tasks` command: reads the unfinished jobs from the metrics of a running exporter, and prints them.

The metrics need no token, unlike the registration API, and have progress and creation times.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from prometheus_client.parser import text_string_to_metric_families

from exporter.command.access import OPEN, Access
from exporter.display import duration, percent
from exporter.errors import UnreachableError
from exporter.model import JOB_FINAL
from exporter.text import clean

WATCH_SECONDS = 5.0
_HEADINGS = ("ACCOUNT", "DEFINITION", "PROGRESS", "AGE", "TASK")
_JOB = "vod_transcode_job_"
_STATUS, _PROGRESS, _CREATED, _INFO = (
    _JOB + name for name in ("status", "progress_ratio", "created_timestamp_seconds", "info")
)
_JOBS, _UP = "vod_transcode_jobs", "vod_up"
# An exporter has up to 90,000 lines for its jobs. To parse all of them would take seconds.
_WANTED = re.compile(rf"^(?:{'|'.join((_STATUS, _PROGRESS, _CREATED, _INFO, _JOBS, _UP))})\{{.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """An unfinished job. `progress` is from 0 to 1, `created` in Unix seconds; None if VOD has not reported it."""

    account: str
    task_id: str
    video_id: str
    job_id: str
    definition: str
    status: str
    progress: float | None
    created: float | None


@dataclass(frozen=True, slots=True)
class Running:
    """The unfinished jobs, oldest first for each account. `down` are the accounts that cannot be read.

    `hidden` is the number of unfinished jobs without series of their own.
    """

    jobs: Sequence[RunningJob]
    down: Sequence[str]
    hidden: int


def read(url: str, access: Access = OPEN) -> Running:
    """Scrape the metrics at `url`. Raises `UnreachableError` if there is no exporter, or it does not let us in."""
    try:
        answer = access.get(url)
    except OSError as error:  # so is each error of requests
        raise UnreachableError(f"no exporter at {_shown(url)}: {_reason(error)}") from None
    if answer.status_code == 401:
        raise UnreachableError(f"{_shown(url)} needs a user: HTTP 401; give --user and --password-file")
    if "HTTP request to an HTTPS server" in answer.text:
        raise UnreachableError(f"{_shown(url)} has TLS; write https:// in --url")
    if answer.status_code != 200 or "vod_exporter_build_info" not in answer.text:
        raise UnreachableError(
            f"no metrics of an exporter at {_shown(url)}: HTTP {answer.status_code}; name its address with --url"
        )
    return parse(answer.text)


def _reason(error: OSError) -> str:
    if isinstance(error, requests.Timeout):
        return "it does not answer in time; start it, or name its address with --url"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed; name its CA with --ca-file, and with --client-cert the certificate that it may ask for"
    if not isinstance(error, requests.RequestException):  # requests looks for the files of the flags itself
        return "--ca-file or --client-cert names a file that does not exist"
    if isinstance(error, requests.ConnectionError):
        reason = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(reason, urllib3.exceptions.NameResolutionError):
            return "the host name does not resolve; correct --url"
        return "no connection; start it, or name its address with --url"
    return f"{type(error).__name__}; start it, or name its address with --url"


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return clean(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())  # without a password


def parse(exposition: str) -> Running:
    """The unfinished jobs in the metrics of an exporter."""
    values: dict[str, dict[tuple[str, ...], tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families("\n".join(_WANTED.findall(exposition)) + "\n"):
        for name, labels, value, *_ in family.samples:
            key = tuple(labels.get(label, "") for label in ("account", "job_id", "definition"))
            if name == _JOBS:
                key += (labels["status"],)
            values.setdefault(name, {})[key] = (labels, value)
    jobs = [
        _job(values, key, labels["status"])
        for key, (labels, _) in values.get(_STATUS, {}).items()
        if labels["status"] not in JOB_FINAL
    ]
    jobs.sort(key=lambda job: (job.account, job.created or 0.0, job.task_id, job.definition))
    counts = values.get(_JOBS, {}).values()
    unfinished = sum(int(value) for labels, value in counts if labels["status"] not in JOB_FINAL)
    down = [account for (account, *_), (_, value) in values.get(_UP, {}).items() if not value]
    return Running(jobs, down, max(0, unfinished - len(jobs)))


def _job(
    values: dict[str, dict[tuple[str, ...], tuple[dict[str, str], float]]], key: tuple[str, ...], status: str
) -> RunningJob:
    account, job_id, definition = key
    info, _ = values.get(_INFO, {}).get(key, ({}, 1.0))
    _, progress = values.get(_PROGRESS, {}).get(key, ({}, None))
    _, created = values.get(_CREATED, {}).get(key, ({}, None))
    return RunningJob(
        account, info.get("task_id", ""), info.get("video_id", ""), job_id, definition, status, progress, created
    )


def as_json(running: Running) -> str:
    """A JSON list of the jobs with the fields of `RunningJob`, on one line."""
    return json.dumps([asdict(job) for job in running.jobs])


def as_table(running: Running, *, now: float, columns: int | None = None, lines: int | None = None) -> str:
    """A line for each job, then what the list does not have. `now` is in Unix seconds.

    Lines are cut to `columns`. If there are more than `lines`, the last jobs are left out, and a line has their number.
    """
    notes = [f"account {name}: VOD cannot be read; the values may be old" for name in running.down]
    if running.hidden:
        notes.append(f"{running.hidden} more without series of their own (series.per_job, series.max_jobs)")
    tasks = len({(job.account, job.task_id) for job in running.jobs})
    notes.append(f"{len(running.jobs)} jobs of {tasks} tasks" if running.jobs else "nothing runs")
    rows = [_row(job, now) for job in running.jobs]
    if lines is not None and len(rows) + len(notes) + 1 > lines:
        shown = max(1, lines - len(notes) - 2)
        notes.insert(0, f"and {len(rows) - shown} more")
        rows = rows[:shown]
    return "\n".join(line[:columns] for line in (*_aligned([_HEADINGS, *rows] if rows else []), *notes))


def _row(job: RunningJob, now: float) -> tuple[str, ...]:
    progress = percent(job.progress) if job.progress is not None else "-"
    age = duration(max(0.0, now - job.created)) if job.created is not None else "-"
    status = progress if job.status == "Transcoding" else job.status.lower()
    return tuple(clean(text) for text in (job.account, job.definition, status, age, job.task_id))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
