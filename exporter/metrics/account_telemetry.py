"""The metrics about the exporter's work for an account."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from exporter.errors import VodError
from exporter.metrics import catalog
from exporter.metrics.counts import Counts
from exporter.metrics.rows import Row
from exporter.model import OTHER

_DROPPED = ("not_found", "forbidden", "given_up", "deleted", "too_many")
_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MAX_CODES = 50  # different error codes of one account; further codes count as `other`, to bound the number of series


class AccountTelemetry:
    """The counters of one account. `hold` and `clock` are as for `Counts`. Safe to use from several threads.

    Series that alerts use start at 0 before the first call: Prometheus sees no increase in a series that starts at 1.
    """

    def __init__(self, account: str, *, hold: float, clock: Callable[[], float]) -> None:
        self._account = account
        self._counts = Counts(hold=hold, clock=clock, bounds=_BUCKETS)
        self._lock = threading.Lock()
        self._codes: set[str] = set()
        for reason in _DROPPED:
            self._counts.count(catalog.DROPPED_TASKS, account, reason, amount=0)
        self._counts.count(catalog.DROPPED_HINTS, account, amount=0)

    def rows(self) -> list[Row]:
        """The values to show now."""
        return self._counts.rows()

    def start(self, actions: Iterable[str]) -> None:
        """Start the series of these operations at 0, before their first call."""
        for action in actions:
            self._counts.count(catalog.API_REQUESTS, self._account, action, amount=0)
            self._counts.observe(catalog.API_DURATION, self._account, action, value=None)
            self._counts.count(catalog.API_ERRORS, self._account, action, OTHER, amount=0)

    def called(self, *, action: str, seconds: float | None, error: VodError | None) -> None:
        """Counts a request to VOD. `seconds` is None if it was not sent; `error` is None if it succeeded."""
        if seconds is not None:
            self._counts.count(catalog.API_REQUESTS, self._account, action)
            self._counts.observe(catalog.API_DURATION, self._account, action, value=seconds)
        if error is not None:
            self._counts.count(catalog.API_ERRORS, self._account, action, self._bounded(error.code))

    def malformed(self, fields: Iterable[str]) -> None:
        """Counts malformed fields of a response or an event."""
        for field in fields:
            self._counts.count(catalog.MALFORMED_FIELDS, self._account, field)

    def dropped(self, reason: str) -> None:
        """Counts a task or video that is not tracked any more. `reason` is one of `_DROPPED`."""
        self._counts.count(catalog.DROPPED_TASKS, self._account, reason)

    def hint_dropped(self) -> None:
        """Counts an event about an unknown video that is not asked about."""
        self._counts.count(catalog.DROPPED_HINTS, self._account)

    def event(self, event: str) -> None:
        """Counts an event that the callback accepted. `event` is its type, or `other`."""
        self._counts.count(catalog.EVENTS, self._account, event)

    def _bounded(self, code: str) -> str:
        with self._lock:
            if len(self._codes) < _MAX_CODES:
                self._codes.add(code)
            return code if code in self._codes else OTHER
