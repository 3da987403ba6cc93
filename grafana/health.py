"""The dashboard Exporter: whether the data can be trusted, calls, errors, freshness and load."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import OLDEST_REFRESH, STALE_JOBS, STATE_DURABLE, TRUNCATED_JOBS
from grafana import calls, errors, load
from grafana.frame import account, dashboard, section
from grafana.panels import BAD_IF_ANY, LOOK_IF_ANY, Panel, Query, Show, Text, big
from grafana.queries import TARGET, of_exporters, one, readable, series, total


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
    section(made, "Can the figures be trusted?", *_trust())
    section(made, "Is the budget enough?", *calls.panels())
    section(made, "What goes wrong?", *errors.panels())
    section(made, "How fresh is it all?", *load.freshness())
    section(made, "What does it take?", *load.process())
    return made


def _trust() -> tuple[Panel, ...]:
    return (
        _reachable(),
        _readable_accounts(),
        _state_saved(),
        _oldest_value(),
        _stale_jobs(),
        _truncated_jobs(),
    )


def _reachable() -> Panel:
    return big(
        Text(
            title="Does Prometheus reach the exporter?",
            description="The metric up of each exporter that was present within six hours. No is red: all other "
            "panels then show no new data.",
            unit="bool_yes_no",
            no_value="No exporter within six hours",
            steps=(("red", None), ("green", 1)),
        ),
        Query(of_exporters(f"up{{{TARGET}}}"), "{{instance}}"),
        show=Show.VALUE_AND_NAME,
    )


def _readable_accounts() -> Panel:
    return big(
        Text(
            title="Which accounts can be read?",
            description="Yes if VOD answers with the keys of this account. No is red: the panel on failed calls "
            "below shows the error.",
            unit="bool_yes_no",
            no_value="No calls yet",
            steps=(("red", None), ("green", 1)),
        ),
        Query(readable(), "{{account}}"),
        show=Show.VALUE_AND_NAME,
    )


def _state_saved() -> Panel:
    return big(
        Text(
            title="Can the state be saved?",
            description="Yes if the state can be written. No is red: a restart would lose counts or count "
            "twice; check the disk of state.path.",
            unit="bool_yes_no",
            no_value="Unknown",
            steps=(("red", None), ("green", 1)),
        ),
        Query(f"min({series(STATE_DURABLE)})"),
    )


def _oldest_value() -> Panel:
    return big(
        Text(
            title="How old is the oldest value?",
            description="Time since the least recently refreshed unfinished job was refreshed. Yellow from 90 "
            "s, red from five minutes: after that, series.max_staleness removes the series of the "
            "job.",
            unit="s",
            no_value="Nothing unfinished",
            steps=(("green", None), ("yellow", 90), ("red", 300)),
        ),
        Query(f"time() - min({series(OLDEST_REFRESH)})"),
    )


def _stale_jobs() -> Panel:
    return big(
        Text(
            title="How many jobs are stale?",
            description="Unfinished jobs that were not refreshed for series.max_staleness. They have no per-job "
            "series. Red from one job.",
            unit="short",
            no_value="None",
            steps=BAD_IF_ANY,
            decimals=0,
        ),
        Query(total(one(STALE_JOBS))),
    )


def _truncated_jobs() -> Panel:
    return big(
        Text(
            title="How many jobs are beyond the limit?",
            description="Jobs without per-job series because of series.max_jobs. Yellow from one job.",
            unit="short",
            no_value="None",
            steps=LOOK_IF_ANY,
            decimals=0,
        ),
        Query(total(one(TRUNCATED_JOBS))),
    )
