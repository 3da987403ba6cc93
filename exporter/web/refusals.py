"""Refused requests: counted as metrics, and logged with the client and the reason, but not one line for each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.metrics.telemetry import Telemetry
from exporter.text import clean

_log = logging.getLogger(__name__)

REPEAT_SECONDS = 60.0
MAX_KINDS = 100  # a client that invents refusals must not fill the memory or the log
_MAX_PATH = 100


@dataclass(slots=True)
class _Kind:
    """The refusals with the same route, status, client and reason. `logged` is when a line was written last."""

    fields: dict[str, object]
    logged: float
    since: int = 0  # refusals since that line


class Refusals:
    """Logs the first refusal of a kind at once. Further ones follow once a minute, as one line with their number.

    There is no timer: the line about further refusals is written with the next refusal of any kind. `clock` returns
    seconds. Not safe to use from several threads; the event loop calls it.
    """

    def __init__(self, telemetry: Telemetry, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._kinds: dict[tuple[str, int, str, str], _Kind] = {}

    def note(self, *, route: str, path: str, status: int, client: str, reason: str) -> None:
        """A request was refused. `route` is the route of `path`, or `other`. `client` is an IP address."""
        self._telemetry.rejected(path=route, reason=str(status))
        now = self._clock()
        self._log_further(now)
        key = (route, status, client, reason)
        if key in self._kinds:
            self._kinds[key].since += 1
        elif len(self._kinds) < MAX_KINDS:
            fields = {"client": client, "path": clean(path, _MAX_PATH), "status": status, "reason": reason}
            self._kinds[key] = _Kind(fields, now)
            _log.info("request refused", extra=fields)

    def _log_further(self, now: float) -> None:
        """Log the kinds whose last line is a minute old. Forget those that have not occurred since."""
        for key, kind in list(self._kinds.items()):
            if now - kind.logged < REPEAT_SECONDS:
                continue
            if kind.since:
                _log.info("requests refused", extra={**kind.fields, "requests": kind.since})
                kind.logged, kind.since = now, 0
            else:
                del self._kinds[key]
