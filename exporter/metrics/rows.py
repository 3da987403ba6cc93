"""The rows of a snapshot: each sample as a metric, its label values and its value.

`lines` writes rows as bytes for the answer to a scrape. `TranscodeCollector` puts the same rows into the families of
`prometheus_client`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from prometheus_client.core import Exemplar

from exporter import causes
from exporter.metrics import catalog
from exporter.metrics.catalog import Metric
from exporter.model import UNKNOWN, Output, job_status, task_status
from exporter.snapshot import AccountSnapshot, HistogramView, Key, ShownJob, ShownTask, Snapshot, Total, TotalsView


class Exemplified(NamedTuple):
    """A counter or histogram with its exemplars by bucket index. The exemplar of a counter has index 0."""

    value: float | HistogramView
    exemplars: Mapping[int, Exemplar]


Row = tuple[Metric, Sequence[str], float | HistogramView | Exemplified | None]
"""A metric, its label values in the order of `Metric.labels`, and its value. A row with value None has no sample."""

_TOTALS: Mapping[Total, Metric] = {total: getattr(catalog, total.name) for total in Total}  # the names are the same
_FAILED = ("TranscodeFail", "TranscodeCancelled")
# OpenMetrics limits an exemplar to 128 characters in label names and values. Prometheus rejects longer ones.
_MAX_EXEMPLAR = 128
# Parsers of exemplars disagree about escapes, so an id that needs them is not an exemplar.
_PLAIN = re.compile(r"[\w.-]+", re.ASCII)


def account_rows(account: AccountSnapshot) -> Iterator[Row]:
    """All rows of one account: aggregates, totals, tasks, jobs."""
    yield from aggregate_rows(account)
    yield from total_rows(account.name, account.view.totals)
    for task in account.view.tasks:
        yield from task_rows(account.name, task)
    for job in account.view.jobs:
        yield from job_rows(account.name, job)


def elsewhere_rows(snapshot: Snapshot) -> Iterator[Row]:
    """The rows of accounts that this exporter does not hold."""
    for name in snapshot.elsewhere:
        yield catalog.ACCOUNT_HELD, (name,), 0


def aggregate_rows(account: AccountSnapshot) -> Iterator[Row]:
    """The rows of one account that are neither totals nor belong to a single task or job."""
    name, view = account.name, account.view
    yield catalog.ACCOUNT_INFO, (name, account.region, account.endpoint), 1
    yield catalog.UP, (name,), account.up
    yield catalog.ACCOUNT_HELD, (name,), 1
    yield catalog.REFRESH_DURATION, (name,), account.refresh_duration
    yield catalog.LAST_SUCCESS, (name,), account.last_success
    yield catalog.OLDEST_REFRESH, (name,), view.oldest_refresh
    yield catalog.STALE_JOBS, (name,), view.stale_jobs
    yield catalog.TRUNCATED_JOBS, (name,), view.truncated_jobs
    yield catalog.STATE_DURABLE, (name,), view.durable
    yield catalog.DATA_TIME, (name,), view.taken or None
    yield from _answer_rows(account)
    for source, count in view.tracked_tasks.items():
        yield catalog.TRACKED_TASKS, (name, source), count
    for status, count in view.task_counts.items():
        yield catalog.TASKS, (name, status), count
    for (definition, status), count in view.job_counts.items():
        yield catalog.JOBS, (name, definition, status), count
    for definition, created in view.oldest_unfinished.items():
        yield catalog.OLDEST_UNFINISHED, (name, definition), created


def _answer_rows(account: AccountSnapshot) -> Iterator[Row]:
    """What VOD answers about the whole account, and its budget of calls."""
    for status, count in account.videos.items():
        yield catalog.VIDEOS, (account.name, status), count
    for action, count in account.pending_calls.items():
        yield catalog.PENDING_CALLS, (account.name, action), count
    for action, rate in account.budget.items():
        yield catalog.API_BUDGET, (account.name, action), rate
    for specification, seconds in account.usage.items():
        yield catalog.USAGE, (account.name, specification), seconds


def total_rows(account: str, totals: TotalsView) -> Iterator[Row]:
    """The rows of the counters and histograms of finished tasks and jobs."""
    for key, amount in totals.counters.items():
        yield _TOTALS[key[0]], (account, *key[1], *_cause(key)), _exemplified(totals, key, amount)
    for key, histogram in totals.histograms.items():
        yield _TOTALS[key[0]], (account, *key[1]), _exemplified(totals, key, histogram)


def task_rows(account: str, shown: ShownTask) -> Iterator[Row]:
    """The rows of one task. `CompleteTime` is left out while the task is unfinished, because VOD may send one early."""
    task = shown.task
    labels = (account, task.id)
    status = task_status(task.status)
    yield catalog.TASK_INFO, (*labels, task.video_id, task.template_group_id, task.trigger), 1
    yield catalog.TASK_STATUS, (*labels, status), 1
    yield catalog.TASK_PROGRESS, labels, shown.progress
    yield catalog.TASK_CREATED, labels, task.created
    yield catalog.TASK_COMPLETED, labels, task.completed if task.finished else None


def job_rows(account: str, shown: ShownJob) -> Iterator[Row]:
    """The rows of one job. `CompleteTime` is left out while the job is unfinished, because VOD may send one early."""
    job = shown.job
    labels = (account, job.id, job.definition or UNKNOWN)
    status = job_status(job.status)
    yield catalog.JOB_INFO, (*labels, shown.task_id, shown.video_id, job.template_id, job.priority), 1
    yield catalog.JOB_STATUS, (*labels, status), 1
    if status == "TranscodeFail":
        yield catalog.JOB_FAILURE_INFO, (*labels, job.error_code, causes.of_job(job.error_code)), 1
    yield catalog.JOB_PROGRESS, labels, job.progress
    yield catalog.JOB_CREATED, labels, job.created
    yield catalog.JOB_COMPLETED, labels, job.completed if job.finished else None
    if job.output is not None and status not in _FAILED:  # VOD sends an OutputFile full of zeros with a failed job
        yield from _output_rows(labels, job.output)


def _output_rows(labels: tuple[str, ...], output: Output) -> Iterator[Row]:
    yield catalog.JOB_OUTPUT_BITRATE, labels, output.bitrate
    yield catalog.JOB_OUTPUT_SIZE, labels, output.size
    yield catalog.JOB_OUTPUT_DURATION, labels, output.duration
    yield catalog.JOB_OUTPUT_FPS, labels, output.frames_per_second
    yield catalog.JOB_OUTPUT_WIDTH, labels, output.width
    yield catalog.JOB_OUTPUT_HEIGHT, labels, output.height
    codecs = (output.codec("video"), output.codec("audio"))
    yield catalog.JOB_OUTPUT_INFO, (*labels, output.format, output.encryption, *codecs), 1
    for stream in output.streams:
        if stream.kind != "subtitle":
            yield catalog.JOB_STREAM_BITRATE, (*labels, stream.kind, stream.index), stream.bitrate


def _cause(key: Key) -> tuple[str, ...]:
    """The cause of failed jobs. It follows from the error code, so it is not stored."""
    total, labels = key
    return (causes.of_job(labels[1]),) if total is Total.JOB_FAILURES else ()


def _exemplified(totals: TotalsView, key: Key, value: float | HistogramView) -> float | HistogramView | Exemplified:
    """The value with its exemplars. Leaves out ids that are too long or need escapes.

    A total that `TotalsView.held` names is shown as 0, without exemplars.
    """
    if key in totals.held:
        return replace(value, counts=(0,) * len(value.counts), sum=0.0) if isinstance(value, HistogramView) else 0.0
    if key not in totals.exemplars:
        return value
    name = "task_id" if key[0].startswith("task_") else "job_id"
    exemplars = {
        bucket: Exemplar({name: finish.id}, finish.value, finish.counted)
        for bucket, finish in totals.exemplars[key].items()
        if len(name) + len(finish.id) <= _MAX_EXEMPLAR and _PLAIN.fullmatch(finish.id)
    }
    return Exemplified(value, exemplars)
