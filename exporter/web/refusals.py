"""Refused requests: counted as metrics, and logged with the client and the reason, but not one line for each."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exporter.metrics.telemetry import Telemetry
from exporter.text import clean
from exporter.web.thresholds import REFUSED_SECONDS

_log = logging.getLogger(__name__)

REPEAT_SECONDS = 60.0
REMEMBERED = 1000
_PROGRAM_ROUTES = ("/api/", "/callback/")
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
        self._kinds: dict[tuple[str, int | str, str, str], _Kind] = {}
        self._unauthorized: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)  # their times and reasons

    def note(self, *, route: str, path: str, status: int | str, client: str, reason: str) -> None:
        """A request was refused. `route` is the route of `path`, or `other`. `client` is an IP address.

        `status` is that of HTTP, or `tls` for a connection without a request.
        """
        self._telemetry.rejected(path=route, reason=str(status))
        now = self._clock()
        if route.startswith(_PROGRAM_ROUTES) and status in (401, 403):
            self._unauthorized.append((now, reason))
        self._log_further(now)
        key = (route, status, client, reason)
        if key in self._kinds:
            self._kinds[key].since += 1
        elif len(self._kinds) < MAX_KINDS:
            fields: dict[str, object] = {
                "client": client,
                "path": clean(path, _MAX_PATH),
                "status": status,
                "reason": reason,
            }
            self._kinds[key] = _Kind(fields, now)
            _log.info("request refused", extra=fields)

    def unauthorized(self) -> Mapping[str, int]:
        """How many events and API requests were refused in the last ten minutes, by reason. At most 1,000 count."""
        since = self._clock() - REFUSED_SECONDS
        return Counter(reason for at, reason in tuple(self._unauthorized) if at >= since)

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
