"""A day of made series, as Prometheus would have scraped them: jobs in each state, a takeover, and the exporter's end.

Two exporters share an account. The first one shows it until 20 minutes before `NOW`, the second one from then on, and
for a minute both do. At `NOW` both stop to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from exporter.metrics import catalog
from exporter.metrics.catalog import Metric
from exporter.metrics.rows import job_rows, task_rows
from exporter.model import Job, Output, Stream, Task
from exporter.snapshot import ShownJob, ShownTask

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = 1_760_000_400  # a fixed time: Prometheus is asked about it, whatever the clock says
START = NOW - 26 * HOUR
TAKEOVER = NOW - 20 * MINUTE
DOWN = NOW + 100
NEVER = START - DAY
TIMES = (*range(START, NOW - 2 * HOUR, 5 * MINUTE), *range(NOW - 2 * HOUR, NOW + 1, MINUTE))

Series = tuple[str, dict[str, str], Callable[[int], float | None]]
"""Name, labels, and the value at a time; None without a sample."""

VIDEO = Output(
    bitrate=1_800_000,
    size=90_000_000,
    duration=400,
    frames_per_second=25,
    width=1280,
    height=720,
    format="mp4",
    streams=(Stream("video", "0", "h264", 1_700_000), Stream("audio", "1", "aac", 100_000)),
)
AUDIO = Output(
    bitrate=128_000,
    size=6_400_000,
    duration=400,
    frames_per_second=0,
    width=0,
    height=0,
    format="mp3",
    streams=(Stream("audio", "0", "mp3", 128_000),),
)
JOBS = {
    "waiting": Job("waiting", definition="HD", status="Submitted", created=NOW - 5 * MINUTE),
    "running": Job("running", definition="HD", status="Transcoding", progress=0.4, created=NOW - 40 * MINUTE),
    "stuck": Job("stuck", definition="SD", status="Transcoding", progress=0.3, created=NOW - 3 * HOUR),
    "failed": Job(
        "failed",
        definition="HD",
        status="TranscodeFail",
        error_code="InvalidParameter.ResourceContentBad",
        created=NOW - 30 * MINUTE,
        completed=NOW - 25 * MINUTE,
    ),
    "audio": Job(
        "audio",
        definition="SD",
        status="TranscodeSuccess",
        progress=1.0,
        created=NOW - 22 * MINUTE,
        completed=NOW - 17 * MINUTE,
        output=AUDIO,
    ),
    "finished": Job(
        "finished",
        definition="HD",
        status="TranscodeSuccess",
        progress=1.0,
        created=NOW - 27 * MINUTE,
        completed=NOW - 17 * MINUTE,
        output=VIDEO,
    ),
    "gone": Job(
        "gone",
        definition="HD",
        status="TranscodeSuccess",
        progress=1.0,
        created=NOW - 21 * HOUR,
        completed=NOW - 20 * HOUR,
        output=VIDEO,
    ),
}
"""Each as it is in the end. All but `gone` belong to one task."""


def lines() -> Iterator[str]:
    """The lines of OpenMetrics."""
    for instance in ("a", "b"):
        for name, labels, value in (*_exporter(), *_account(), *_jobs()):
            shown = {**labels, "job": "vod-transcode", "instance": instance}
            inside = ",".join(f'{label}="{text}"' for label, text in shown.items())
            for time in TIMES:
                if (number := value(time)) is not None and ("account" not in labels or _holds(instance, time)):
                    yield f"{name}{{{inside}}} {number} {time}\n"
        for time in (*TIMES, *range(NOW + 30, NOW + HOUR, 30)):
            yield f'up{{job="vod-transcode",instance="{instance}"}} {int(time <= NOW)} {time}\n'
    for time in range(NOW - HOUR, NOW + HOUR, MINUTE):
        labels_of_alert = 'alertname="VodJobStuck",severity="warning",account="prod",job="vod-transcode"'
        yield f'ALERTS{{alertstate="firing",{labels_of_alert}}} 1 {time}\n'
    for time in range(NOW - HOUR, NOW + HOUR, MINUTE):
        yield f"ALERTS_FOR_STATE{{{labels_of_alert}}} {NOW - HOUR} {time}\n"
    yield "# EOF\n"


def _holds(instance: str, time: int) -> bool:
    return time <= TAKEOVER + MINUTE if instance == "a" else time >= TAKEOVER


def _exporter() -> Iterator[Series]:
    """What each exporter says of itself."""
    values: dict[str, float] = {
        "scrape_duration_seconds": 0.2,
        "scrape_samples_scraped": 900,
        "process_start_time_seconds": START,
        "process_resident_memory_bytes": 8e7,
        "process_open_fds": 20,
        "process_max_fds": 1024,
        catalog.RELOAD_SUCCESSFUL.name: 1,
        catalog.RELOAD_SUCCESS.name: START,
    }
    for name, value in values.items():
        yield name, {}, lambda _, value=value: value  # type: ignore[misc]
    yield "process_cpu_seconds_total", {}, lambda time: (time - START) / 50
    yield _series(catalog.BUILD_INFO, ("0.1.0", "3.11"), lambda time: 1 if time < NOW - HOUR else None)
    yield _series(catalog.BUILD_INFO, ("0.2.0", "3.11"), lambda time: 1 if time >= NOW - HOUR else None)
    yield _series(catalog.REJECTED_REQUESTS, ("/api/v1/tasks", "403"), _growing(HOUR))
    yield _series(catalog.PRICE, ("H264.HD", "USD"), lambda _: 0.0099)


def _account() -> Iterator[Series]:
    """The gauges, counters and histograms of the account, by the values of their labels after `account`."""
    gauges: dict[tuple[Metric, tuple[str, ...]], float] = {
        (catalog.ACCOUNT_INFO, ("cn-shanghai", "")): 1,
        (catalog.UP, ()): 1,
        (catalog.REFRESH_DURATION, ()): 2,
        (catalog.STALE_JOBS, ()): 0,
        (catalog.TRUNCATED_JOBS, ()): 0,
        (catalog.STATE_DURABLE, ()): 1,
        (catalog.OLDEST_UNFINISHED, ("SD",)): NOW - 3 * HOUR,
        (catalog.TRACKED_TASKS, ("discovery",)): 3,
        (catalog.PENDING_CALLS, ("GetTranscodeTask",)): 0,
        (catalog.API_BUDGET, ("GetTranscodeTask",)): 10,
        (catalog.USAGE, ("H264.HD",)): 86_000,
        **{(catalog.JOBS, ("HD", status)): 0 for status in ("TranscodeSuccess", "TranscodeFail", "unknown")},
        (catalog.JOBS, ("HD", "Submitted")): 1,
        (catalog.JOBS, ("HD", "Transcoding")): 2,
    }
    for (metric, labels), value in gauges.items():
        yield _series(metric, ("prod", *labels), lambda _, value=value: value)  # type: ignore[misc]
    for metric in (catalog.LAST_SUCCESS, catalog.OLDEST_REFRESH):
        yield _series(metric, ("prod",), lambda time: time - 10)
    counters: dict[tuple[Metric, tuple[str, ...]], int] = {
        (catalog.JOBS_FINISHED, ("HD", "TranscodeSuccess")): 60,
        (catalog.JOBS_FINISHED, ("HD", "TranscodeFail")): 1200,
        (catalog.JOBS_FINISHED, ("HD", "TranscodeCancelled")): 0,
        (catalog.TASKS_FINISHED, ("CompletePartialSucc", "Auto")): 1200,
        (catalog.JOB_FAILURES, ("HD", "InvalidParameter.ResourceContentBad", "source")): 1200,
        (catalog.SUSPICIOUS_OUTPUTS, ("HD", "truncated")): HOUR,
        (catalog.BILLED, ("H264.HD",)): 1,
        (catalog.BILLED, ("unknown",)): 60,
        (catalog.OUTPUT_DURATION, ("HD",)): 1,
        (catalog.API_REQUESTS, ("GetTranscodeTask",)): 5,
        (catalog.API_ERRORS, ("GetTranscodeTask", "Throttling.User")): 600,
        (catalog.EVENTS, ("StreamTranscodeComplete",)): 60,
        (catalog.DROPPED_TASKS, ("given_up",)): HOUR,
        (catalog.MALFORMED_FIELDS, ("Bitrate",)): HOUR,
    }
    for (metric, labels), every in counters.items():
        yield _series(metric, ("prod", *labels), _growing(every))
    yield from _histograms()


def _histograms() -> Iterator[Series]:
    """An observation a minute."""
    observed: dict[tuple[Metric, tuple[str, ...]], float] = {
        (catalog.JOB_DURATION, ("HD", "TranscodeSuccess")): 200,
        (catalog.TASK_DURATION, ("default",)): 250,
        (catalog.TASK_FIRST_OUTPUT, ()): 100,
        (catalog.JOB_QUEUE, ("HD",)): 20,
        (catalog.JOB_PROCESSING, ("HD",)): 100,
        (catalog.JOB_REALTIME_RATIO, ("HD",)): 0.5,
        (catalog.OUTPUT_BITRATE, ("HD",)): 1_800_000,
        (catalog.OUTPUT_SIZE, ("HD",)): 90_000_000,
        (catalog.API_DURATION, ("GetTranscodeTask",)): 0.1,
    }
    for (metric, labels), value in observed.items():
        _, named, count = _series(metric, ("prod", *labels), _growing(MINUTE))
        for bound in (value / 2, value * 2, "+Inf"):
            above = bound == "+Inf" or bound > value  # type: ignore[operator]
            yield f"{metric.name}_bucket", {**named, "le": str(bound)}, count if above else lambda _: 0
        yield f"{metric.name}_count", named, count
        yield f"{metric.name}_sum", named, lambda time, value=value, count=count: value * (count(time) or 0)  # type: ignore[misc]


def _jobs() -> Iterator[Series]:
    """Each job from its creation until a quarter of an hour after its end, and their task."""
    for job in JOBS.values():
        task_id, video_id = ("old-task", "old-video") if job.id == "gone" else ("task", "video")
        before = replace(job, status="Transcoding", completed=None, output=None, progress=0.1)
        ends = job.completed or float("inf")
        phases = ((before, job.created or 0, ends), (job, ends, ends + 15 * MINUTE)) if job.completed else ()
        for state, begin, end in phases or ((job, job.created or 0, ends),):
            for metric, labels, value in job_rows("prod", ShownJob(state, task_id, video_id)):
                yield _series(metric, tuple(labels), _between(metric, state, value, begin, end))
    task = Task("task", video_id="video", status="CompletePartialSucc", created=NOW - HOUR, completed=NOW - 15 * MINUTE)
    for metric, labels, value in task_rows("prod", ShownTask(task, 1.0)):
        yield _series(metric, tuple(labels), lambda time, value=value: value if time > NOW - HOUR else None)  # type: ignore[misc]


def _between(metric: Metric, job: Job, value: object, begin: float, end: float) -> Callable[[int], float | None]:
    """The value from `begin` until `end`. The job `running` makes progress."""

    def at(time: int) -> float | None:
        if not begin <= time < end or not isinstance(value, (int, float)):
            return None
        moves = metric is catalog.JOB_PROGRESS and job.id == "running"
        return value + (time - NOW) / (10 * HOUR) if moves else value

    return at


def _growing(every: int) -> Callable[[int], float]:
    """A counter that grows by 1 every so many seconds; 0 never grows."""
    return lambda time: (time - START) // every if every else 0


def _series(metric: Metric, labels: tuple[str, ...], value: Callable[[int], float | None]) -> Series:
    return metric.name, dict(zip(metric.labels, labels, strict=True)), value
