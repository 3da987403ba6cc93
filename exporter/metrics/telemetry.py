"""The metrics about the exporter itself."""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.metrics import catalog
from exporter.metrics.account_telemetry import AccountTelemetry
from exporter.metrics.counts import Counts, Own
from exporter.metrics.rows import Row
from exporter.model import ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA

_SAVE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_OF_ACCOUNTS = tuple(metric for metric in catalog.COUNTED if "account" in metric.labels)


class Telemetry:
    """The metrics about the exporter, in a registry of their own. Safe to use from several threads.

    `clock` returns Unix seconds. New counters and histograms are exposed at 0 for `hold` seconds, also those of the
    ledgers. `monotonic` is the clock for that. `whole` is what an exposition of all accounts shows; `registry` has the
    same.
    """

    def __init__(
        self,
        *,
        hold: float = 0.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hold = hold
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._accounts: dict[str, AccountTelemetry] = {}
        self._gone: set[str] = set()
        self._rejections = Counts(hold=hold, clock=monotonic)
        self._saves = Counts(hold=hold, clock=monotonic, bounds=_SAVE_BUCKETS)
        self._saves.observe(catalog.STATE_SAVE_DURATION, value=None)
        self._gauges = CollectorRegistry()
        self._connections = self._gauge(catalog.CONNECTIONS)
        self._state_up = self._gauge(catalog.STATE_UP)
        self._prices = self._gauge(catalog.PRICE)
        self._priced: set[tuple[str, str]] = set()  # specification and currency
        self._reload_successful = self._gauge(catalog.RELOAD_SUCCESSFUL)
        self._reload_success = self._gauge(catalog.RELOAD_SUCCESS)
        self.reloaded(successful=True)
        self._gauge(catalog.BUILD_INFO).labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self._gauges)
        PlatformCollector(registry=self._gauges)
        GCCollector(registry=self._gauges)
        self.whole = Own(
            (*_OF_ACCOUNTS, catalog.REJECTED_REQUESTS, catalog.STATE_SAVE_DURATION), self._rows, others=self._gauges
        )
        self.registry = CollectorRegistry()
        self.registry.register(self.whole)

    def _gauge(self, metric: catalog.Metric) -> Gauge:
        return Gauge(metric.family, metric.help, metric.labels, registry=self._gauges)

    def _rows(self) -> Iterable[Row]:
        with self._lock:
            accounts = list(self._accounts.values())
        rows = [row for account in accounts for row in account.rows()]
        return [*rows, *self._rejections.rows(), *self._saves.rows()]

    def of_account(self, name: str) -> Own:
        """This account's part of `whole`, without the process, the build and other accounts."""

        def rows() -> Iterable[Row]:
            account = self._accounts.get(name)
            return account.rows() if account is not None else ()

        return Own(_OF_ACCOUNTS, rows)

    def account(self, name: str, *, usage: bool = False) -> AccountTelemetry:
        """The counters of an account. With `usage`, they include the operation that reads the usage.

        A reload gets the same object again, so the limit on error codes still holds.
        """
        with self._lock:
            self._gone.discard(name)
            account = self._of(name)
        if usage:
            account.start([DESCRIBE_VOD_TRANSCODE_DATA])
        return account

    def _of(self, name: str) -> AccountTelemetry:
        if name not in self._accounts:
            self._accounts[name] = AccountTelemetry(name, hold=self.hold, clock=self._monotonic)
            self._accounts[name].start(ACTIONS)
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
            gone = self._accounts.keys() - set(names)
            self._gone |= gone
            self._accounts = {name: account for name, account in self._accounts.items() if name not in gone}

    def event(self, account: str, event: str) -> None:
        """Counts an event that the callback of an account accepted. `event` is its type, or `other`."""
        with self._lock:
            if account not in self._gone:
                self._of(account).event(event)

    def malformed(self, account: str, fields: Iterable[str]) -> None:
        """Counts malformed fields of an event."""
        with self._lock:
            if account not in self._gone:
                self._of(account).malformed(fields)

    def state_answered(self, *, up: bool) -> None:
        """Notes whether the file or the database of the state answered the last time."""
        self._state_up.set(up)

    def state_saved(self, seconds: float) -> None:
        """Counts a save that succeeded."""
        self._saves.observe(catalog.STATE_SAVE_DURATION, value=seconds)

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
        self._rejections.count(catalog.REJECTED_REQUESTS, path, reason)
