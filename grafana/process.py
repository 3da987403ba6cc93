"""Panels of the dashboard Exporter: scrapes, versions, and the resources of the process."""

from __future__ import annotations

from exporter.metrics.catalog import BUILD_INFO
from grafana.panels import Panel, Query, Text, lines
from grafana.queries import TARGET, of_exporters, one
from grafana.tables import Column, rows

_LINUX = "Only on Linux, or no data: see Exporter up"


def panels() -> tuple[Panel, ...]:
    return _scrape_time(), _samples(), _versions(), _memory(), _open_files()


def _scrape_time() -> Panel:
    return _of_instances(
        "Time of a scrape",
        "How long do the scrapes take, as Prometheus measures it? Shortly before the scrape timeout the exporter "
        "answers with the data that it has.",
        "s",
        f"scrape_duration_seconds{{{TARGET}}}",
    )


def _samples() -> Panel:
    return _of_instances(
        "Series",
        "How many series has it? Samples per scrape. series.max_jobs limits them.",
        "none",
        f"scrape_samples_scraped{{{TARGET}}}",
    )


def _memory() -> Panel:
    return _of_instances(
        "Memory",
        "How much memory does it use? Resident memory of each exporter.",
        "bytes",
        f"process_resident_memory_bytes{{{TARGET}}}",
        width=12,
    )


def _open_files() -> Panel:
    return _of_instances(
        "Open files",
        "How many files are open, including connections, as a share of the limit of the process?",
        "percentunit",
        f"process_open_fds{{{TARGET}}} / process_max_fds{{{TARGET}}}",
        width=12,
    )


def _versions() -> Panel:
    started = f"max by (instance) ({of_exporters(f'process_start_time_seconds{{{TARGET}}}')})"
    return rows(
        Text(
            title="Versions",
            description="Which versions of the exporter and of Python run, and since when?",
            unit="none",
        ),
        {"instance": "Instance", "version": "Version", "python": "Python"},
        Column(name="Up for", expression=f"time() - {started}", unit="s", decimals=1),
        details=f"max by (instance, version, python) ({one(BUILD_INFO)})",
        sort="Up for",
        width=8,
        height=7,
    )


def _of_instances(title: str, description: str, unit: str, expression: str, *, width: int = 8) -> Panel:
    no_value = _LINUX if "process_" in expression else "No scrapes"
    return lines(
        Text(title=title, description=description, unit=unit, no_value=no_value),
        Query(of_exporters(expression), "{{instance}}"),
        width=width,
        height=7,
        names=True,
    )
