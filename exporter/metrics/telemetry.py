"""The metrics about the exporter itself, counted with `prometheus_client`."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter import __version__
from exporter.metrics import catalog
from exporter.metrics.account_telemetry import AccountTelemetry
from exporter.model import ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA

_OF_ACCOUNTS = frozenset(metric.family for metric in catalog.COUNTED if "account" in metric.labels)
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class _Registry(CollectorRegistry):
    """A registry whose new counters and histograms are 0 for `hold` seconds, so that `increase()` misses nothing.

    It leaves out the `_created` series that `prometheus_client` adds to each counter. No query needs them, and
    `prometheus_client.disable_created_metrics` is global and would change the registries of other code too.
    """

    def __init__(self, *, hold: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._hold = hold
        self._now = clock
        self._showing = threading.Lock()
        self._first_shown: dict[_Series, float] = {}

    def collect(self) -> Iterable[Metric]:
        families = list(super().collect())
        with self._showing:
            now, before, self._first_shown = self._now(), self._first_shown, {}
            for family in families:
                kept = (sample for sample in family.samples if sample.name != f"{family.name}_created")
                family.samples = (
                    [self._held(sample, before, now) for sample in kept] if family.name in _HELD else [*kept]
                )
        return families

    def _held(self, sample: Sample, before: Mapping[_Series, float], now: float) -> Sample:
        series = sample.name, tuple(sample.labels.items())
        since = self._first_shown[series] = before.get(series, now)
        return sample._replace(value=0.0) if now - since < self._hold else sample


_Series = tuple[str, tuple[tuple[str, str], ...]]
_HELD = frozenset(metric.family for metric in catalog.COUNTED if metric.type in ("counter", "histogram"))


class _OfAccount(Collector):
    """The samples of one account, from the metrics that have the label `account`."""

    def __init__(self, registry: CollectorRegistry, account: str) -> None:
        self._registry = registry
        self._account = account

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            if family.name in _OF_ACCOUNTS:
                family.samples = [sample for sample in family.samples if sample.labels["account"] == self._account]
                yield family


class Telemetry:
    """The metrics about the exporter, in a registry of their own. Safe to use from several threads.

    `clock` returns Unix seconds. New counters and histograms are exposed at 0 for `hold` seconds, also those of the
    ledgers. `monotonic` is the clock for that.
    """

    def __init__(
        self,
        *,
        hold: float = 0.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hold = hold
        self.registry = _Registry(hold=hold, clock=monotonic)
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, AccountTelemetry] = {}
        self._gone: set[str] = set()
        self._requests = self._counter(catalog.API_REQUESTS)
        self._errors = self._counter(catalog.API_ERRORS)
        self._malformed = self._counter(catalog.MALFORMED_FIELDS)
        self._dropped = self._counter(catalog.DROPPED_TASKS)
        self._hints = self._counter(catalog.DROPPED_HINTS)
        self._events = self._counter(catalog.EVENTS)
        self._connections = self._gauge(catalog.CONNECTIONS)
        self._rejected = self._counter(catalog.REJECTED_REQUESTS)
        duration = catalog.API_DURATION
        self._duration = Histogram(
            duration.name,
            duration.help,
            duration.labels,
            unit=duration.unit,
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._prices = self._gauge(catalog.PRICE)
        self._priced: set[tuple[str, str]] = set()  # specification and currency
        self._reload_successful = self._gauge(catalog.RELOAD_SUCCESSFUL)
        self._reload_success = self._gauge(catalog.RELOAD_SUCCESS)
        self.reloaded(successful=True)
        self._gauge(catalog.BUILD_INFO).labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def _counter(self, metric: catalog.Metric) -> Counter:
        return Counter(metric.family, metric.help, metric.labels, registry=self.registry)

    def _gauge(self, metric: catalog.Metric) -> Gauge:
        return Gauge(metric.family, metric.help, metric.labels, registry=self.registry)

    def of_account(self, name: str) -> Collector:
        """A collector of this account's samples, without those of the process, the build and other accounts."""
        return _OfAccount(self.registry, name)

    def account(self, name: str, *, usage: bool = False) -> AccountTelemetry:
        """The counters of an account. With `usage`, they include the operation that reads the usage.

        A reload gets the same object again, so the limit on error codes still holds.
        """
        with self._lock:
            self._gone.discard(name)
            if name not in self._accounts:
                self._accounts[name] = AccountTelemetry(
                    name,
                    requests=self._requests,
                    errors=self._errors,
                    duration=self._duration,
                    malformed=self._malformed,
                    dropped=self._dropped,
                    hints=self._hints,
                )
                self._accounts[name].start(ACTIONS)
            if usage:
                self._accounts[name].start([DESCRIBE_VOD_TRANSCODE_DATA])
            return self._accounts[name]

    def price(self, currency: str, prices: Mapping[str, float]) -> None:
        """Sets the prices per minute, by specification. Other prices end."""
        wanted = {(name, currency): price for name, price in prices.items()}
        with self._lock:
            for labels, price in wanted.items():
                self._prices.labels(*labels).set(price)
            for labels in self._priced - wanted.keys():
                self._prices.remove(*labels)
            self._priced = set(wanted)

    def keep(self, names: Collection[str]) -> None:
        """Removes the series of all other accounts. Requests and events of removed accounts are not counted."""
        with self._lock:
            for name in self._accounts.keys() - set(names):
                self._gone.add(name)
                self._accounts.pop(name).close()
                self._events.remove_by_labels({"account": name})
                self._malformed.remove_by_labels({"account": name})

    def event(self, account: str, event: str) -> None:
        """Counts an event that the callback of an account accepted. `event` is its type, or `other`."""
        with self._lock:
            if account not in self._gone:
                self._events.labels(account, event).inc()

    def malformed(self, account: str, fields: Iterable[str]) -> None:
        """Counts malformed fields of an event."""
        with self._lock:
            if account not in self._gone:
                for field in fields:
                    self._malformed.labels(account, field).inc()

    def reloaded(self, *, successful: bool) -> None:
        """Notes whether the configuration was loaded; a configuration with faults is not."""
        self.reload_successful = successful
        self._reload_successful.set(successful)
        if successful:
            self._reload_success.set(self._clock())

    def connections(self, states: Iterable[str], count: Callable[[str], int]) -> None:
        """Shows the number of open connections in each state, which `count` returns when the metrics are collected."""
        for state in states:
            self._connections.labels(state).set_function(partial(count, state))

    def rejected(self, *, path: str, reason: str) -> None:
        """Counts a rejected HTTP request. `path` is a route or `other`; `reason` is the HTTP status, or `tls`."""
        self._rejected.labels(path, reason).inc()
