"""The metrics about the exporter's work for an account."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from prometheus_client import Counter, Histogram

from exporter.errors import VodError
from exporter.model import OTHER

_DROPPED = ("not_found", "forbidden", "given_up", "deleted", "too_many")
_MAX_CODES = 50  # different error codes of one account; further codes count as `other`, to bound the number of series


class AccountTelemetry:
    """The counters of one account.

    Series that alerts use start at 0 before the first call: Prometheus sees no increase in a series that starts at 1.
    """

    def __init__(
        self,
        account: str,
        *,
        requests: Counter,
        errors: Counter,
        duration: Histogram,
        malformed: Counter,
        dropped: Counter,
        hints: Counter,
    ) -> None:
        self._account = account
        self._requests = requests
        self._errors = errors
        self._duration = duration
        self._malformed = malformed
        self._dropped = dropped
        self._hints = hints
        self._lock = threading.Lock()
        self._closed = False
        self._codes: set[str] = set()
        for reason in _DROPPED:
            dropped.labels(account, reason)
        hints.labels(account)

    def start(self, actions: Iterable[str]) -> None:
        """Start the series of these operations at 0, before their first call."""
        for action in actions:
            self._requests.labels(self._account, action)
            self._duration.labels(self._account, action)
            self._errors.labels(self._account, action, OTHER)

    def called(self, *, action: str, seconds: float | None, error: VodError | None) -> None:
        """Counts a request to VOD. `seconds` is None if it was not sent; `error` is None if it succeeded."""
        with self._lock:
            if self._closed:
                return
            if seconds is not None:
                self._requests.labels(self._account, action).inc()
                self._duration.labels(self._account, action).observe(seconds)
            if error is not None:
                self._errors.labels(self._account, action, self._bounded(error.code)).inc()

    def malformed(self, fields: Iterable[str]) -> None:
        """Counts malformed fields of a response."""
        with self._lock:
            if not self._closed:
                for field in fields:
                    self._malformed.labels(self._account, field).inc()

    def dropped(self, reason: str) -> None:
        """Counts a task or video that is not tracked any more. `reason` is one of `_DROPPED`."""
        with self._lock:
            if not self._closed:
                self._dropped.labels(self._account, reason).inc()

    def hint_dropped(self) -> None:
        """Counts an event about an unknown video that is not asked about."""
        with self._lock:
            if not self._closed:
                self._hints.labels(self._account).inc()

    def close(self) -> None:
        """Removes the series of the account. Later calls of its methods count nothing."""
        with self._lock:
            self._closed = True
            for metric in (self._requests, self._duration, self._errors, self._malformed, self._dropped, self._hints):
                metric.remove_by_labels({"account": self._account})

    def _bounded(self, code: str) -> str:
        if len(self._codes) < _MAX_CODES:
            self._codes.add(code)
        return code if code in self._codes else OTHER
