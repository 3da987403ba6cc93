"""Panels of the dashboard Exporter: age of the data, sources, scrapes, resources of the process."""

from __future__ import annotations

from exporter.metrics.catalog import BUILD_INFO, EVENTS, LAST_SUCCESS, OLDEST_REFRESH, TRACKED_TASKS, VIDEOS
from grafana.panels import Panel, Query, Text, lines
from grafana.queries import TARGET, of_exporters, one, rate, series, total
from grafana.tables import Column, rows


def freshness() -> tuple[Panel, ...]:
    return (
        _oldest_value(),
        _last_answer(),
        _sources(),
        _videos(),
        _events(),
        _scrape_time(),
        _samples(),
    )


def _oldest_value() -> Panel:
    return lines(
        Text(
            title="How old do values become?",
            description="Time since the least recently refreshed unfinished job was refreshed. Yellow from 90 "
            "s, red from five minutes, when the job becomes stale.",
            unit="s",
            no_value="Nothing unfinished",
            steps=(("green", None), ("yellow", 90), ("red", 300)),
        ),
        Query(f"time() - min by (account) ({series(OLDEST_REFRESH)})", "{{account}}"),
        width=8,
        limits=True,
    )


def _last_answer() -> Panel:
    return lines(
        Text(
            title="How long ago did VOD answer?",
            description="Time since the last successful call. It also rises while there is nothing to call VOD for.",
            unit="s",
            no_value="Nothing answered yet",
        ),
        Query(f"time() - max by (account) ({series(LAST_SUCCESS)})", "{{account}}"),
        width=8,
    )


def _sources() -> Panel:
    return lines(
        Text(
            title="Where do the tasks come from?",
            description="Tracked tasks by the source that found them first.",
            unit="short",
            no_value="No tasks",
            decimals=0,
        ),
        Query(total(one(TRACKED_TASKS), "source"), "{{source}}"),
        width=8,
        stacked=True,
    )


def _videos() -> Panel:
    return lines(
        Text(
            title="How many videos does VOD transcode?",
            description="Videos that VOD reports as Transcoding. If the exporter tracks fewer unfinished tasks for "
            "long, it does not see all of them.",
            unit="short",
            no_value="Discovery is off, or VOD was not asked yet",
            decimals=0,
        ),
        Query(one(VIDEOS), "{{account}} {{status}}"),
        width=6,
    )


def _events() -> Panel:
    return lines(
        Text(
            title="How many events arrive?",
            description="Events of VOD per minute that the callback accepted.",
            unit="cpm",
            no_value="No events: callbacks are not configured, or VOD sent none",
        ),
        Query(f"60 * {total(rate(EVENTS), 'event')}", "{{event}}"),
        width=6,
    )


def _scrape_time() -> Panel:
    return lines(
        Text(
            title="How long do the scrapes take?",
            description="Scrape duration as Prometheus measures it. Shortly before the scrape timeout the "
            "exporter answers with the data that it has.",
            unit="s",
            no_value="No scrapes",
        ),
        Query(of_exporters(f"scrape_duration_seconds{{{TARGET}}}"), "{{instance}}"),
        width=6,
    )


def _samples() -> Panel:
    return lines(
        Text(
            title="How many series does it have?",
            description="Samples per scrape. series.max_jobs limits them.",
            unit="short",
            no_value="No scrapes",
            decimals=0,
        ),
        Query(of_exporters(f"scrape_samples_scraped{{{TARGET}}}"), "{{instance}}"),
        width=6,
    )


def process() -> tuple[Panel, ...]:
    return (
        _memory(),
        _cpu(),
        _open_files(),
        _versions(),
    )


def _memory() -> Panel:
    return lines(
        Text(
            title="How much memory does it use?",
            description="Resident memory of each exporter.",
            unit="bytes",
            no_value="Only available on Linux",
        ),
        Query(of_exporters(f"process_resident_memory_bytes{{{TARGET}}}"), "{{instance}}"),
        width=6,
    )


def _cpu() -> Panel:
    return lines(
        Text(
            title="How busy is it?",
            description="CPU seconds per second of each exporter: 100 % is one core.",
            unit="percentunit",
            no_value="Only available on Linux",
        ),
        Query(of_exporters(f"rate(process_cpu_seconds_total{{{TARGET}}}[$__rate_interval])"), "{{instance}}"),
        width=6,
    )


def _open_files() -> Panel:
    return lines(
        Text(
            title="How many files are open?",
            description="Open file descriptors, including connections, as a share of the limit of the process. "
            "Yellow from 70 %, red from 90 %.",
            unit="percentunit",
            no_value="Only available on Linux",
            steps=(("green", None), ("yellow", 0.7), ("red", 0.9)),
            decimals=1,
        ),
        Query(of_exporters(f"process_open_fds{{{TARGET}}} / process_max_fds{{{TARGET}}}"), "{{instance}}"),
        width=6,
        limits=True,
    )


def _versions() -> Panel:
    return rows(
        Text(
            title="Which version is it?",
            description="Versions of each exporter and its Python, and its uptime.",
            unit="short",
            no_value="No exporter within six hours",
        ),
        {"instance": "Instance", "version": "Version", "python": "Python"},
        Column(
            name="Up for",
            expression="max by (instance, version, python) ("
            f"(time() - process_start_time_seconds{{{TARGET}}})"
            f" * on (job, instance) group_left (version, python) {one(BUILD_INFO)})",
            unit="s",
        ),
        sort="Up for",
        width=6,
        height=8,
    )
