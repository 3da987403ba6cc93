"""The dashboard Jobs: failed, stuck and unfinished jobs, tasks that lack renditions, and the jobs that finished "
"last."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import (
    JOB_COMPLETED,
    JOB_CREATED,
    JOB_FAILURE_INFO,
    JOB_INFO,
    JOB_OUTPUT_BITRATE,
    JOB_OUTPUT_DURATION,
    JOB_OUTPUT_SIZE,
    JOB_STATUS,
    JOBS,
    STALE_JOBS,
    TRUNCATED_JOBS,
)
from grafana import tasks, unfinished
from grafana.frame import JOB_LINKS, account, dashboard, definition, opening, section, status_page
from grafana.panels import Panel, Query, Text, big, from_limits, or_no_data
from grafana.queries import FINISHED, KEY, RANGE, latest, newest, now, of_jobs, one, series, total
from grafana.tables import Column, rows

_ON = f"* on ({', '.join(KEY)})"
_LINKS = {"Job": JOB_LINKS}


def make() -> Dashboard:
    made = dashboard(
        "vod-jobs",
        "VOD transcoding / Jobs",
        "Which jobs failed, which are stuck, which are running, and how did the last ones end?",
        since="now-3h",
        refresh="30s",
        variables=(account(), definition(), status_page()),
    )
    opening(made, _waiting(), _transcoding(), _stuck(), _without_series())
    section(made, "Failed, stuck and unfinished", _failed(), unfinished.panel())
    section(made, "Tasks", *tasks.panels())
    section(made, "Finished", _last_finished())
    return made


def _waiting() -> Panel:
    return big(
        Text(
            title="Waiting",
            description="How many jobs wait for VOD to start them? Jobs with the status Submitted.",
            unit="none",
            decimals=0,
        ),
        Query(now(total(one(JOBS, 'status="Submitted"')))),
    )


def _transcoding() -> Panel:
    return big(
        Text(
            title="Transcoding",
            description="How many jobs are transcoding? Jobs with the status Transcoding.",
            unit="none",
            decimals=0,
        ),
        Query(now(total(one(JOBS, 'status="Transcoding"')))),
    )


def _stuck() -> Panel:
    return big(
        Text(
            title="Without progress",
            description="How many jobs in transcoding have the same progress as half an hour ago? Red from one job, "
            "as in VodJobStuck. VOD may never finish such jobs.",
            unit="none",
            steps=from_limits(red=1),
            decimals=0,
        ),
        Query(now(f"count({unfinished.standing_still()})", 0)),
    ).links(unfinished.runbook("VodJobStuck"))


def _without_series() -> Panel:
    return big(
        Text(
            title="Missing below",
            description="How many unfinished jobs have no row below? They were not refreshed for "
            "series.max_staleness, or are beyond series.max_jobs. Yellow from one job: raise requests_per_second or "
            "max_jobs.",
            unit="none",
            steps=from_limits(yellow=1),
            decimals=0,
        ),
        Query(now(f"{total(one(STALE_JOBS))} + {total(one(TRUNCATED_JOBS))}")),
    )


def _failed() -> Panel:
    last = newest(of_jobs(latest(JOB_COMPLETED), latest(JOB_FAILURE_INFO)), 50)
    return rows(
        Text(
            title="Failed jobs",
            description="Which jobs failed in the selected time range, why, and since when? The last 50. Click a job "
            "for its details, or for its row on the status page, which has the error message of VOD for some time.",
            unit="none",
            no_value=or_no_data("No failures"),
        ),
        {
            "job_id": "Job",
            "account": "Account",
            "definition": "Definition",
            "error_code": "Error code",
            "cause": "Cause",
            "video_id": "Video",
        },
        Column(name="Failed", expression=f"1000 * {last}", unit="dateTimeFromNow"),
        Column(
            name="Took",
            expression=of_jobs(f"{latest(JOB_COMPLETED)} - {latest(JOB_CREATED)}", last),
            unit="s",
            decimals=1,
        ),
        details=of_jobs(
            f"{latest(JOB_FAILURE_INFO)} {_ON} group_left (video_id)"
            f" max by ({', '.join(KEY)}, video_id) ({latest(JOB_INFO)})",
            last,
        ),
        sort="Failed",
        links=_LINKS,
        height=8,
    ).links(unfinished.runbook("VodJobsFailing"))


def _last_finished() -> Panel:
    last = newest(latest(JOB_COMPLETED), 100)
    status = f"max by ({', '.join((*KEY, 'status'))}) (last_over_time({series(JOB_STATUS, FINISHED)}[{RANGE}]))"
    return rows(
        Text(
            title="Last finished jobs",
            description="How did the last 100 jobs end that finished in the selected time range? Failed and cancelled "
            "jobs have no output.",
            unit="none",
            no_value=or_no_data("Nothing finished"),
        ),
        {"job_id": "Job", "account": "Account", "definition": "Definition", "status": "Status", "task_id": "Task"},
        Column(name="Finished", expression=f"1000 * {last}", unit="dateTimeFromNow"),
        Column(
            name="Took",
            expression=of_jobs(f"{latest(JOB_COMPLETED)} - {latest(JOB_CREATED)}", last),
            unit="s",
            decimals=1,
        ),
        Column(name="Bitrate", expression=of_jobs(latest(JOB_OUTPUT_BITRATE), last), unit="bps", decimals=1),
        Column(name="Size", expression=of_jobs(latest(JOB_OUTPUT_SIZE), last), unit="bytes", decimals=1),
        Column(name="Length", expression=of_jobs(latest(JOB_OUTPUT_DURATION), last), unit="s", decimals=1),
        details=of_jobs(
            f"{status} {_ON} group_left (task_id) max by ({', '.join(KEY)}, task_id) ({latest(JOB_INFO)})", last
        ),
        sort="Finished",
        links=_LINKS,
        height=12,
    )
