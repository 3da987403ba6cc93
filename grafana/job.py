"""The dashboard Job: one job, why it failed, and its siblings. Tables and exemplars link to it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import (
    JOB_COMPLETED,
    JOB_CREATED,
    JOB_FAILURE_INFO,
    JOB_INFO,
    JOB_PROGRESS,
    JOB_STATUS,
)
from grafana import output, siblings
from grafana.frame import account, dashboard, opening, section, status_page, text
from grafana.palette import STATUS_COLORS
from grafana.panels import Panel, Query, Show, Text, big, from_limits, lines, states
from grafana.queries import RANGE, answering, last_of_job, of_job
from grafana.tables import rows
from grafana.unfinished import runbook

_CHOOSE = "No such job in this time range"


def make() -> Dashboard:
    made = dashboard(
        "vod-job",
        "VOD transcoding / Job",
        "One job: its progress, its result, why it failed, and whether these are usual.",
        since="now-6h",
        refresh="30s",
        variables=(account(), text("job_id", "Transcode job", "", "The id of the job (JobId)"), status_page()),
    )
    opening(made, _status(), _progress(), _age(), _created())
    section(made, "Course", _states(), _progress_over_time(), _failure(), _identity())
    section(made, "Output", *output.panels())
    section(made, "Task", siblings.panel())
    return made


def _status() -> Panel:
    last = f"max by (status) (timestamp({of_job(JOB_STATUS)}))"
    found = f"topk(1, max_over_time(({last})[{RANGE}:1m]) or {last})"
    before = (
        f"max(last_over_time({of_job(JOB_INFO)}[30d])) unless on () max(last_over_time({of_job(JOB_INFO)}[{RANGE}]))"
    )
    return big(
        Text(
            title="Status",
            description="What is the last status in the selected time range? A finished job has series for "
            "series.retention (15 minutes by default). Before this range: choose an earlier one. Without a colour, the "
            "exporter does not answer, and the status is the last one that it showed.",
            unit="none",
            no_value=_CHOOSE,
        ),
        Query(answering(found), "{{status}}"),
        Query(
            f'label_replace(({found}) unless on () ({answering(found)}), "status", "Last seen: $1", "status", "(.*)")',
            "{{status}}",
        ),
        Query(f'label_replace({before}, "status", "Before this range", "", "")', "{{status}}"),
        show=Show.NAME,
        colors=STATUS_COLORS,
    )


def _progress() -> Panel:
    return big(
        Text(title="Progress", description="How far is it?", unit="percentunit", no_value=_CHOOSE, decimals=0),
        Query(f"max({last_of_job(JOB_PROGRESS)})"),
    )


def _age() -> Panel:
    return big(
        Text(
            title="Age, or time taken",
            description="How old is it, or how long did it take? From creation to completion, or until now if it is "
            "not complete. Yellow from one hour, red from two.",
            unit="s",
            no_value=_CHOOSE,
            steps=from_limits(yellow=3600, red=7200),
            decimals=1,
        ),
        Query(
            f"max(({last_of_job(JOB_COMPLETED)} or time() + 0 * {last_of_job(JOB_CREATED)}) - "
            f"{last_of_job(JOB_CREATED)})"
        ),
    )


def _created() -> Panel:
    return big(
        Text(title="Created", description="How long ago was it created?", unit="dateTimeFromNow", no_value=_CHOOSE),
        Query(f"1000 * max({last_of_job(JOB_CREATED)})"),
    )


def _states() -> Panel:
    return states(
        Text(
            title="States",
            description="Which states did it go through? Blue: waiting, purple: transcoding, green: finished, red: "
            "failed. Empty before the exporter found the job and after its series ended.",
            unit="none",
            no_value=_CHOOSE,
        ),
        Query(f"max by (status) ({of_job(JOB_STATUS)})", "{{status}}"),
        width=8,
    )


def _progress_over_time() -> Panel:
    return lines(
        Text(
            title="Progress over time",
            description="Did its progress stop? A level line means that the job makes no progress.",
            unit="percentunit",
            no_value=_CHOOSE,
        ),
        Query(f"max({of_job(JOB_PROGRESS)})", "progress"),
        colors={"progress": "purple"},
        width=8,
        height=5,
    ).max(1)


def _failure() -> Panel:
    return rows(
        Text(
            title="Why it failed",
            description="Which ErrorCode has VOD, and who must act? source is the uploaded file, configuration a "
            "template or parameter, permission the access to a bucket, service VOD itself. The status page has the "
            "message.",
            unit="none",
            no_value="It did not fail, or not in this time range",
        ),
        {"error_code": "Error code", "cause": "Cause"},
        details=f"max by (error_code, cause) ({last_of_job(JOB_FAILURE_INFO)})",
        sort="Error code",
        width=8,
        height=5,
    ).links(runbook("VodJobsFailing"))


def _identity() -> Panel:
    labels = {
        "task_id": "Task",
        "video_id": "Video",
        "template_id": "Template",
        "account": "Account",
        "definition": "Definition",
        "priority": "Priority",
    }
    return rows(
        Text(
            title="Identity",
            description="Which task, video, template and priority has it?",
            unit="none",
            no_value=_CHOOSE,
        ),
        labels,
        details=f"max by ({', '.join(labels)}) ({last_of_job(JOB_INFO)})",
        sort="Definition",
        links={"Task": (("On the status page", "${status_page}/?q=${__value.raw}"),)},
        height=3,
    )
