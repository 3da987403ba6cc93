"""The table of the unfinished jobs on the dashboard Jobs: the oldest first, and which make no progress."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DashboardLink, DashboardLinkType

from exporter.metrics.catalog import JOB_CREATED, JOB_INFO, JOB_PROGRESS, JOB_STATUS
from grafana.frame import JOB_LINKS, RUNBOOKS
from grafana.panels import Panel, Text, from_limits, or_no_data
from grafana.queries import KEY, RATE, UNFINISHED, newest, of_jobs, one, running, series
from grafana.tables import Column, rows

_KEYS = ", ".join(KEY)
_SPEED = f"clamp_min(max by ({_KEYS}) (deriv({series(JOB_PROGRESS)}[{RATE}])), 0)"


def panel() -> Panel:
    oldest = newest(running(f"time() - {one(JOB_CREATED)}"), 100)
    status = f"{one(JOB_STATUS, UNFINISHED)} * on ({_KEYS}) group_left (video_id)"
    return rows(
        Text(
            title="Unfinished jobs",
            description="How far is each job, and when will it be done? The 100 oldest. Speed is the progress in the "
            "last five minutes. The estimated end is calculated from it, and is empty while a job waits or makes no "
            "progress. Stuck: transcoding without progress for half an hour, in red. Age is yellow from one hour, "
            "red from two.",
            unit="none",
            no_value=or_no_data("Nothing unfinished"),
        ),
        {"job_id": "Job", "account": "Account", "definition": "Definition", "video_id": "Video", "status": "Status"},
        Column(
            name="Stuck",
            expression=of_jobs(f"0 * ({standing_still()}) + 1", oldest),
            unit="none",
            values={1: "Yes"},
            steps=from_limits(red=1),
            width=80,
        ),
        Column(
            name="Progress", expression=of_jobs(one(JOB_PROGRESS), oldest), unit="percentunit", bar=True, decimals=0
        ),
        Column(name="Age", expression=oldest, unit="s", steps=from_limits(yellow=3600, red=7200), decimals=1),
        Column(name="Speed, per minute", expression=of_jobs(f"60 * {_SPEED}", oldest), unit="percentunit", decimals=1),
        Column(
            name="Estimated end",
            expression=of_jobs(f"1000 * (time() + (1 - {one(JOB_PROGRESS)}) / ({_SPEED} > 0))", oldest),
            unit="dateTimeFromNow",
        ),
        details=of_jobs(f"{status} max by ({_KEYS}, video_id) ({one(JOB_INFO)})", oldest),
        sort="Age",
        links={"Job": JOB_LINKS},
        height=10,
        step="5m",
    ).links(runbook("VodJobStuck"))


def standing_still() -> str:
    """The progress of the jobs in transcoding that have the same progress as half an hour ago."""
    same = f"({one(JOB_PROGRESS)} == max by ({_KEYS}) ({series(JOB_PROGRESS)} offset 30m))"
    return of_jobs(same, one(JOB_STATUS, 'status="Transcoding"'))


def runbook(alert: str) -> list[Builder[DashboardLink]]:
    """The link of a panel to the runbook of an alert."""
    return [build.DashboardLink(f"Runbook {alert}").type(DashboardLinkType.LINK).url(f"{RUNBOOKS}{alert}.md")]
