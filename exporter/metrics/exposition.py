"""Renders a snapshot as the body of a response: format by `Accept`, gzip by `Accept-Encoding`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.metrics import catalog
from exporter.metrics.blocks import Blocks, Part, gzipped
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.lines import lines
from exporter.metrics.rows import aggregate_rows, job_rows, task_rows
from exporter.snapshot import LedgerView, ShownJob, ShownTask, Snapshot


@dataclass(frozen=True, slots=True)
class Format:
    """A text format of Prometheus. `encode` is the encoder of `prometheus_client`; `end` is its last line."""

    content_type: str
    encode: Callable[[Collector], bytes]
    end: bytes
    exemplars: bool


TEXT = Format("text/plain; version=0.0.4; charset=utf-8", generate_latest, end=b"", exemplars=False)
OPENMETRICS = Format(
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
    generate_openmetrics,
    end=b"# EOF\n",
    exemplars=True,
)


class Together(Collector):
    """Joins several collectors to one, so that one exposition has the families of all."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        """The families of each collector, in the order of the collectors."""
        for collector in self._collectors:
            yield from collector.collect()


class Exposition:
    """Renders snapshots, and caches the lines of tasks and jobs that do not change between two snapshots.

    The result equals, byte for byte, what `encode` of the format makes from `TranscodeCollector` and the registry. Safe
    to use from several threads. The cache holds only the accounts, tasks and jobs of the last snapshot. So each
    endpoint that shows other accounts, such as `/probe`, needs an exposition of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    def render(self, snapshot: Snapshot, registry: Collector, form: Format, *, gzip: bool) -> bytes:
        """Returns the whole body, compressed if `gzip` is true. Raises nothing of its own."""
        families = self._families(snapshot, form)
        parts = list(_parts(families, form, registry))
        return gzipped(parts) if gzip else b"".join([part.text for part in parts])

    def _families(self, snapshot: Snapshot, form: Format) -> list[dict[str, list[Part]]]:
        """The parts by metric name: first the aggregates of all accounts, then tasks and jobs of each account.

        A metric is either an aggregate or belongs to tasks or jobs, so this order keeps its lines together.
        """
        rows = (row for account in snapshot.accounts for row in aggregate_rows(account))
        aggregates = lines(rows, exemplars=form.exemplars)
        with self._lock:
            before = self._accounts
            self._accounts = {
                account.name: before.get(account.name) or _Account(account.name) for account in snapshot.accounts
            }
            kept = [
                parts for account in snapshot.accounts for parts in self._accounts[account.name].arrange(account.view)
            ]
        return [{name: [Part(text)] for name, text in aggregates.items()}, *kept]


class _Account:
    """The cached lines of one account."""

    def __init__(self, name: str) -> None:
        self._tasks: Blocks[ShownTask] = Blocks(
            keys=lambda records: [record.task.id for record in records],
            rows=lambda shown: task_rows(name, shown),
        )
        self._jobs: Blocks[ShownJob] = Blocks(
            keys=lambda records: [record.job.id for record in records],
            rows=lambda shown: job_rows(name, shown),
        )

    def arrange(self, view: LedgerView) -> tuple[dict[str, list[Part]], dict[str, list[Part]]]:
        return self._tasks.arrange(view.tasks), self._jobs.arrange(view.jobs)


def _parts(families: Iterable[dict[str, list[Part]]], form: Format, registry: Collector) -> Iterator[Part]:
    """All parts in the order of the exposition."""
    for metric in catalog.COLLECTED:
        yield _heads(form)[metric.name]
        for family in families:
            yield from family.get(metric.name, ())
    yield Part(form.encode(registry))


@cache
def _heads(form: Format) -> dict[str, Part]:
    """The HELP, TYPE and UNIT lines of each metric, by metric name."""
    families = TranscodeCollector(Snapshot).describe()
    return {
        metric.name: Part(form.encode(_Families(family)).removesuffix(form.end))
        for metric, family in zip(catalog.COLLECTED, families, strict=True)
    }


class _Families(Collector):
    """A collector of fixed families."""

    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def choose_format(accept: str) -> Format:
    """OpenMetrics 1.0 if the `Accept` header prefers it to plain text or ranks both equally, otherwise text 0.0.4.

    A header that cannot be parsed gives text 0.0.4, because every client reads that (RFC 9110, section 12.5.1).
    """
    text = openmetrics = 0.0
    for media_type, weight, parameters in _accepted(accept):
        if media_type == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            openmetrics = max(openmetrics, weight)
        elif media_type in ("text/plain", "text/*", "*/*") and parameters.get("version", "0.0.4") == "0.0.4":
            text = max(text, weight)
    return OPENMETRICS if openmetrics > 0 and openmetrics >= text else TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether the `Accept-Encoding` header allows gzip, by name or by `*`, and does not prefer `identity` to it."""
    weights = {coding: weight for coding, weight, _ in _accepted(accept_encoding)}
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", others)
    return gzip > 0 and gzip >= weights.get("identity", others)


def _accepted(header: str) -> Iterable[tuple[str, float, dict[str, str]]]:
    """The items of an `Accept` header: value, weight (`q`) and the other parameters."""
    for item in header.split(","):
        value, *rest = (part.strip() for part in item.split(";"))
        parameters = {key.strip().lower(): text.strip().strip('"') for key, _, text in (p.partition("=") for p in rest)}
        try:
            weight = float(parameters.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if value:
            yield value.lower(), weight, parameters
