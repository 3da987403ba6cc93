"""The dashboard Jobs: running jobs with their estimated end, and the jobs that finished last."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import (
    JOB_COMPLETED,
    JOB_CREATED,
    JOB_INFO,
    JOB_OUTPUT_BITRATE,
    JOB_OUTPUT_DURATION,
    JOB_OUTPUT_SIZE,
    JOB_PROGRESS,
    JOB_STATUS,
    JOBS,
    JOBS_FINISHED,
    STALE_JOBS,
    TRUNCATED_JOBS,
)
from grafana.frame import JOB_LINK, account, dashboard, definition, section
from grafana.panels import STATUS_COLORS, Panel, Query, Text, big, lines
from grafana.queries import FINISHED, KEY, RATE, UNFINISHED, latest, one, rate, running, series, total
from grafana.tables import Column, rows

_ON = f"* on ({', '.join(KEY)}) group_left (task_id, video_id)"
_LINK = {"Job": ("This job in depth", JOB_LINK + "${__value.raw}")}
_SPEED = f"clamp_min(max by ({', '.join(KEY)}) (deriv({series(JOB_PROGRESS)}[{RATE}])), 0)"


def make() -> Dashboard:
    made = dashboard(
        "vod-jobs",
        "VOD transcoding / Jobs",
        "Which jobs are running, when will they be done, and how did the last jobs end?",
        since="now-1h",
        refresh="30s",
        variables=(account(), definition()),
    )
    section(made, "What is running now?", *_running())
    section(made, "What has just finished?", *_finished())
    return made


def _running() -> tuple[Panel, ...]:
    return (
        _waiting(),
        _transcoding(),
        _without_progress(),
        _without_series(),
        _unfinished(),
    )


def _waiting() -> Panel:
    return big(
        Text(
            title="How many jobs wait for VOD to start them?",
            description="Jobs with the status Submitted.",
            unit="short",
            no_value="0",
            decimals=0,
        ),
        Query(total(one(JOBS, 'status="Submitted"'))),
        width=6,
        line=True,
    )


def _transcoding() -> Panel:
    return big(
        Text(
            title="How many jobs are transcoding?",
            description="Jobs with the status Transcoding.",
            unit="short",
            no_value="0",
            decimals=0,
        ),
        Query(total(one(JOBS, 'status="Transcoding"'))),
        width=6,
        line=True,
    )


def _without_progress() -> Panel:
    return big(
        Text(
            title="How many jobs make no progress?",
            description="Jobs in transcoding, older than half an hour, whose progress did not change for half "
            "an hour. Red from one job, as in VodJobStuck. VOD may never finish such jobs.",
            unit="short",
            no_value="None",
            steps=(("green", None), ("red", 1)),
            decimals=0,
        ),
        Query(f"count({_standing_still()}) or vector(0)"),
        width=6,
    )


def _without_series() -> Panel:
    return big(
        Text(
            title="How many unfinished jobs are missing below?",
            description="Jobs without per-job series: not refreshed for series.max_staleness, or beyond "
            "series.max_jobs. Yellow from one job: raise requests_per_second or max_jobs.",
            unit="short",
            no_value="None",
            steps=(("green", None), ("yellow", 1)),
            decimals=0,
        ),
        Query(f"{total(one(STALE_JOBS))} + {total(one(TRUNCATED_JOBS))}"),
        width=6,
    )


def _unfinished() -> Panel:
    return rows(
        Text(
            title="How far is each job, and when will it be done?",
            description="Unfinished jobs. Speed is the progress in the last five minutes. The estimated end is "
            "calculated from it, and is empty while a job waits or makes no progress. Age is yellow "
            "from one hour, red from two. Click a job for its details.",
            unit="short",
            no_value="Nothing is running now",
        ),
        {
            "job_id": "Job",
            "account": "Account",
            "definition": "Definition",
            "video_id": "Video",
            "task_id": "Task",
            "status": "Status",
        },
        Column(name="Progress", expression=running(one(JOB_PROGRESS)), unit="percentunit", bar=True, decimals=0),
        Column(
            name="Age",
            expression=running(f"time() - {one(JOB_CREATED)}"),
            unit="s",
            steps=(("text", None), ("yellow", 3600), ("red", 7200)),
        ),
        Column(name="Speed, per minute", expression=running(f"60 * {_SPEED}"), unit="percentunit", decimals=1),
        Column(
            name="Estimated end",
            expression=running(f"1000 * (time() + (1 - {one(JOB_PROGRESS)}) / ({_SPEED} > 0))"),
            unit="dateTimeFromNow",
        ),
        details=f"{one(JOB_STATUS, UNFINISHED)} {_ON} {one(JOB_INFO)}",
        sort="Age",
        links=_LINK,
        height=12,
        step="5m",
    )


def _finished() -> tuple[Panel, ...]:
    return (
        _ends_per_minute(),
        _last_finished(),
    )


def _ends_per_minute() -> Panel:
    return lines(
        Text(
            title="How many jobs end per minute?",
            description="By final status, at the time when the exporter saw it.",
            unit="cpm",
            no_value="None ended",
        ),
        Query(f"60 * {total(rate(JOBS_FINISHED), 'status')}", "{{status}}"),
        colors=STATUS_COLORS,
        stacked=True,
        width=24,
        height=6,
    )


def _last_finished() -> Panel:
    status = f"max by ({', '.join((*KEY, 'status'))}) (last_over_time({series(JOB_STATUS, FINISHED)}[$__range]))"
    return rows(
        Text(
            title="How did the last jobs end?",
            description="Jobs that finished in the selected time range or shortly before. Failed and cancelled "
            "jobs have no output. Click a job for its details.",
            unit="short",
            no_value="Nothing finished in this time",
        ),
        {
            "job_id": "Job",
            "account": "Account",
            "definition": "Definition",
            "video_id": "Video",
            "task_id": "Task",
            "status": "Status",
        },
        Column(name="Finished", expression=f"1000 * {latest(JOB_COMPLETED)}", unit="dateTimeFromNow"),
        Column(name="Took", expression=f"{latest(JOB_COMPLETED)} - {latest(JOB_CREATED)}", unit="s"),
        Column(name="Bitrate", expression=_of_finished(latest(JOB_OUTPUT_BITRATE)), unit="bps"),
        Column(name="Size", expression=_of_finished(latest(JOB_OUTPUT_SIZE)), unit="bytes"),
        Column(name="Length", expression=_of_finished(latest(JOB_OUTPUT_DURATION)), unit="s"),
        details=f"{status} {_ON} {latest(JOB_INFO)}",
        sort="Finished",
        links=_LINK,
        height=12,
    )


def _standing_still() -> str:
    moved = f"max_over_time({series(JOB_PROGRESS)}[30m]) - min_over_time({series(JOB_PROGRESS)}[30m])"
    still = f"max by ({', '.join(KEY)}) ({moved}) == 0"
    transcoding = one(JOB_STATUS, 'status="Transcoding"')
    keys = ", ".join(KEY)
    return f"{still} and on ({keys}) {transcoding} and on ({keys}) (time() - {one(JOB_CREATED)} > 1800)"


def _of_finished(expression: str) -> str:
    return f"{expression} and on ({', '.join(KEY)}) {latest(JOB_COMPLETED)}"
