"""Renders a snapshot as the body of a response: format by `Accept`, gzip by `Accept-Encoding`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.deadline import NO_DEADLINE, Deadline, Reserve
from exporter.metrics import catalog
from exporter.metrics.blocks import Blocks, Part, gzipped
from exporter.metrics.collector import families
from exporter.metrics.counts import Own
from exporter.metrics.lines import lines
from exporter.metrics.rows import aggregate_rows, elsewhere_rows, job_rows, task_rows, total_rows
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot, TotalsView

# Estimated time to join the rendered lines: a minimum, and the time for each job.
_JOINING_SECONDS, _JOINING_SECONDS_PER_JOB = 0.02, 2e-6


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
    """Renders snapshots, and caches the lines of totals, tasks and jobs that do not change between two snapshots.

    The result equals, byte for byte, what `encode` of the format makes from `TranscodeCollector` and `Own`. Safe to use
    from several threads. The cache holds only the accounts, tasks and jobs of the last snapshot. So each endpoint that
    shows other accounts, such as `/probe`, needs an exposition of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._joining = Reserve(_JOINING_SECONDS_PER_JOB, least=_JOINING_SECONDS)
        self.left_out = 0

    def render(
        self, snapshot: Snapshot, own: Own, form: Format, *, gzip: bool, deadline: Deadline = NO_DEADLINE
    ) -> bytes:
        """Returns the whole body by the deadline, compressed if `gzip` is true.

        Tasks and jobs that cannot be rendered by the deadline are left out. They are ready for the next scrape.
        `left_out` is how many jobs the last body lacks.
        """
        jobs = sum(len(account.view.jobs) for account in snapshot.accounts)
        before = self._joining.before(deadline, jobs, since=time.monotonic())
        rendered = self._families(snapshot, own, form, before, gzip=gzip)
        began = time.monotonic()
        parts = list(_parts(rendered, own, form))
        body = gzipped(parts) if gzip else b"".join([part.text for part in parts])
        self._joining.took(time.monotonic() - began, jobs)
        return body

    def _families(
        self, snapshot: Snapshot, own: Own, form: Format, deadline: Deadline, *, gzip: bool
    ) -> list[dict[str, list[Part]]]:
        """The parts by metric name: first the aggregates of all accounts, then totals, tasks and jobs of each account.

        A metric is an aggregate, a total, or belongs to tasks or jobs, so this order keeps its lines together.
        """
        with self._lock:
            before = self._accounts
            self._accounts = {
                account.name: before.get(account.name) or _Account(account.name) for account in snapshot.accounts
            }
            kept = [
                parts
                for account in snapshot.accounts
                for parts in self._accounts[account.name].arrange(account.view, form, deadline, deflate=gzip)
            ]
            left_out = {name: account.left_out for name, account in self._accounts.items()}
        self.left_out = sum(left_out.values())
        accounts = (_truncated(account, left_out[account.name]) for account in snapshot.accounts)
        rows = (row for account in accounts for row in aggregate_rows(account))
        aggregates = lines(chain(rows, elsewhere_rows(snapshot)))
        # `own` may still have counters of an account whose lease has just ended.
        gone = snapshot.elsewhere
        counted = lines(row for row in own.rows() if "account" not in row[0].labels or row[1][0] not in gone)
        return [{name: [Part(text)] for name, text in (aggregates | counted).items()}, *kept]


def _truncated(account: AccountSnapshot, left_out: int) -> AccountSnapshot:
    """The account, with `left_out` more jobs counted as jobs without series."""
    view = account.view
    return replace(account, view=replace(view, truncated_jobs=view.truncated_jobs + left_out)) if left_out else account


class _Account:
    """The cached lines of one account."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._totals: dict[Format, tuple[TotalsView, dict[str, list[Part]]]] = {}
        self._tasks: Blocks[ShownTask] = Blocks(
            keys=lambda records: [record.task.id for record in records],
            rows=lambda shown: task_rows(name, shown),
        )
        self._jobs: Blocks[ShownJob] = Blocks(
            keys=lambda records: [record.job.id for record in records],
            rows=lambda shown: job_rows(name, shown),
        )

    @property
    def left_out(self) -> int:
        """How many jobs the last `arrange` left out, because its time was over."""
        return self._jobs.left_out

    def arrange(
        self, view: LedgerView, form: Format, deadline: Deadline, *, deflate: bool
    ) -> tuple[dict[str, list[Part]], ...]:
        return (
            self._of_totals(view.totals, form),
            self._tasks.arrange(view.tasks, deadline=deadline, deflate=deflate),
            self._jobs.arrange(view.jobs, deadline=deadline, deflate=deflate),
        )

    def _of_totals(self, totals: TotalsView, form: Format) -> dict[str, list[Part]]:
        """The ledger returns the same object for totals that did not change."""
        known = self._totals.get(form)
        if known is not None and known[0] is totals:
            return known[1]
        rendered = lines(total_rows(self._name, totals), exemplars=form.exemplars)
        parts = {name: [Part(text)] for name, text in rendered.items()}
        self._totals[form] = totals, parts
        return parts


def _parts(rendered: Iterable[dict[str, list[Part]]], own: Own, form: Format) -> Iterator[Part]:
    """All parts in the order of the exposition."""
    for metric in (*catalog.COLLECTED, *own.metrics):
        yield _heads(form)[metric.name]
        for parts in rendered:
            yield from parts.get(metric.name, ())
    yield Part(form.encode(own.others))


@cache
def _heads(form: Format) -> dict[str, Part]:
    """The HELP, TYPE and UNIT lines of each metric, by metric name."""
    return {
        metric.name: Part(form.encode(_Families(family)).removesuffix(form.end))
        for metric, family in zip(catalog.CATALOG, families(catalog.CATALOG, ()), strict=True)
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
