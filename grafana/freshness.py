"""Panels of the dashboard Exporter: the age of the data, and where the tasks come from."""

from __future__ import annotations

from exporter.metrics.catalog import EVENTS, OLDEST_REFRESH, TRACKED_TASKS
from exporter.model import SOURCES
from grafana.palette import distinct
from grafana.panels import Panel, Query, Text, lines, or_no_data
from grafana.queries import one, rate, series, total


def panels() -> tuple[Panel, ...]:
    return _oldest_value(), _sources(), _events()


def _oldest_value() -> Panel:
    return lines(
        Text(
            title="Age of the oldest value",
            description="How old do values become? Time since the least recently refreshed unfinished job was "
            "refreshed. Yellow from 90 s, red from five minutes, when the job becomes stale.",
            unit="s",
            no_value=or_no_data("Nothing unfinished"),
            steps=(("transparent", None), ("yellow", 90), ("red", 300)),
        ),
        Query(f"time() - min by (account) ({series(OLDEST_REFRESH)})", "{{account}}"),
        width=8,
        limits=True,
        names=True,
    )


def _sources() -> Panel:
    return lines(
        Text(
            title="Tracked tasks by source",
            description="Where do the tasks come from? Tracked tasks by the source that found them first.",
            unit="none",
        ),
        Query(total(one(TRACKED_TASKS), "source"), "{{source}}"),
        colors=distinct(SOURCES),
        width=8,
        stacked=True,
    )


def _events() -> Panel:
    return lines(
        Text(
            title="Events",
            description="How many events of VOD does the callback accept per minute?",
            unit="suffix:events/min",
            no_value="No events: callbacks are not configured, or VOD sent none",
        ),
        Query(f"60 * {total(rate(EVENTS), 'event')}", "{{event}}"),
        width=8,
        names=True,
    )
