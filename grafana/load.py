"""Second half of the dashboard Exporter: how fresh everything is, and what the process takes."""

from __future__ import annotations

from exporter.metrics.catalog import BUILD_INFO, EVENTS, LAST_SUCCESS, OLDEST_REFRESH, TRACKED_TASKS
from grafana.panels import Column, Panel, Query, Text, lines, rows
from grafana.queries import TARGET, of_exporters, one, rate, series, total


def freshness() -> tuple[Panel, ...]:
    return (
        lines(
            Text(
                title="How old do figures get?",
                description="Time since the unfinished job that waits longest was refreshed. Yellow from 90 s, red "
                "from five minutes, after which it counts as stale.",
                unit="s",
                no_value="Nothing unfinished",
                steps=(("green", None), ("yellow", 90), ("red", 300)),
            ),
            Query(f"time() - min by (account) ({series(OLDEST_REFRESH)})", "{{account}}"),
            width=8,
            limits=True,
        ),
        lines(
            Text(
                title="How long ago did VOD answer?",
                description="Time since the last call that was answered. It rises while there is nothing to ask, too.",
                unit="s",
                no_value="Nothing answered yet",
            ),
            Query(f"time() - max by (account) ({series(LAST_SUCCESS)})", "{{account}}"),
            width=8,
        ),
        lines(
            Text(
                title="Where do the tasks come from?",
                description="Tracked tasks by where they were found.",
                unit="short",
                no_value="No tasks",
                decimals=0,
            ),
            Query(total(one(TRACKED_TASKS), "source"), "{{source}}"),
            width=8,
            stacked=True,
        ),
        lines(
            Text(
                title="How many events come in?",
                description="Events of VOD a minute, taken by the callback.",
                unit="cpm",
                no_value="No events: callbacks are not configured, or VOD sent none",
            ),
            Query(f"60 * {total(rate(EVENTS), 'event')}", "{{event}}"),
            width=8,
        ),
        lines(
            Text(
                title="How long do the scrapes take?",
                description="As Prometheus measured. Near its timeout the exporter answers with what it knows by then.",
                unit="s",
                no_value="No scrapes",
            ),
            Query(of_exporters(f"scrape_duration_seconds{{{TARGET}}}"), "{{instance}}"),
            width=8,
        ),
        lines(
            Text(
                title="How many series does it have?",
                description="Samples of each scrape; series.max_jobs bounds them.",
                unit="short",
                no_value="No scrapes",
                decimals=0,
            ),
            Query(of_exporters(f"scrape_samples_scraped{{{TARGET}}}"), "{{instance}}"),
            width=8,
        ),
    )


def process() -> tuple[Panel, ...]:
    return (
        lines(
            Text(
                title="How much memory does it take?",
                description="Resident memory of each exporter.",
                unit="bytes",
                no_value="Only told on Linux",
            ),
            Query(of_exporters(f"process_resident_memory_bytes{{{TARGET}}}"), "{{instance}}"),
            width=6,
        ),
        lines(
            Text(
                title="How busy is it?",
                description="Processor time by second of each exporter: 100 % is one core.",
                unit="percentunit",
                no_value="Only told on Linux",
            ),
            Query(of_exporters(f"rate(process_cpu_seconds_total{{{TARGET}}}[$__rate_interval])"), "{{instance}}"),
            width=6,
        ),
        lines(
            Text(
                title="How many files does it hold open?",
                description="Open file descriptors, connections among them, against what the process may have. "
                "Yellow from 70 %, red from 90 %.",
                unit="percentunit",
                no_value="Only told on Linux",
                steps=(("green", None), ("yellow", 0.7), ("red", 0.9)),
                decimals=1,
            ),
            Query(of_exporters(f"process_open_fds{{{TARGET}}} / process_max_fds{{{TARGET}}}"), "{{instance}}"),
            width=6,
            limits=True,
        ),
        rows(
            Text(
                title="Which version is it?",
                description="Version of each exporter and of its Python, and how long it has been running.",
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
        ),
    )
