"""The dashboard Exporter: whether the data can be trusted, budget, freshness, errors, and the process."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import OLDEST_REFRESH, RELOAD_SUCCESSFUL, STALE_JOBS, STATE_DURABLE, TRUNCATED_JOBS
from grafana import calls, errors, freshness, process
from grafana.frame import account, dashboard, folded, opening, section
from grafana.panels import UP, YES_NO, Panel, Query, Text, big, from_limits, nothing
from grafana.queries import answering, now, one, series, total


def make() -> Dashboard:
    made = dashboard(
        "vod-exporter",
        "VOD transcoding / Exporter",
        "Is the data reliable, and is the request budget sufficient?",
        since="now-6h",
        refresh="30s",
        variables=(account(),),
        show_targets=True,
    )
    opening(made, _state_saved(), _oldest_value(), _without_series(), _reload_successful())
    section(made, "Budget", *calls.panels())
    section(made, "Freshness", *freshness.panels())
    section(made, "Errors", *errors.panels())
    folded(made, "Process", *process.panels())
    return made


def _state_saved() -> Panel:
    return big(
        Text(
            title="State saved",
            description="Can the state be written? No is red: a restart would lose counts or count twice; check the "
            "disk of state.path.",
            unit="none",
            values=YES_NO,
            steps=UP,
        ),
        Query(answering(f"min({series(STATE_DURABLE)})")),
    )


def _oldest_value() -> Panel:
    return big(
        Text(
            title="Oldest value",
            description="How long ago was the unfinished job refreshed that has waited the longest? Yellow from 90 "
            "s, red from five minutes: after that, series.max_staleness removes the series of the job.",
            unit="s",
            values=nothing("None unfinished"),
            steps=from_limits(yellow=90, red=300),
            decimals=0,
        ),
        Query(now(f"time() - min({series(OLDEST_REFRESH)})")),
    )


def _without_series() -> Panel:
    return big(
        Text(
            title="Without series",
            description="How many unfinished jobs have no series of their own? They were not refreshed for "
            "series.max_staleness, or are beyond series.max_jobs. Yellow from one job.",
            unit="none",
            steps=from_limits(yellow=1),
            decimals=0,
        ),
        Query(now(f"{total(one(STALE_JOBS))} + {total(one(TRUNCATED_JOBS))}")),
    )


def _reload_successful() -> Panel:
    return big(
        Text(
            title="File in use",
            description="Is the current configuration file in use, on every exporter? No is red: the file has "
            "faults, and the previous configuration stays in use. The log of the exporter lists the faults.",
            unit="none",
            values=YES_NO,
            steps=UP,
        ),
        Query(answering(f"min({series(RELOAD_SUCCESSFUL)})")),
    )
