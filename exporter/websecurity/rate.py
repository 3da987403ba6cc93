"""A token bucket: how many requests are answered, as `rate_limit` of the web configuration file says."""

from __future__ import annotations

import time
from collections.abc import Callable

from exporter.websecurity.settings import RateLimit


class Bucket:
    """Holds up to `burst` requests, and gets one every `interval` seconds. A changed limit fills it. For one thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit = RateLimit()
        self._left = 0.0
        self._at = 0.0

    def take(self, limit: RateLimit) -> bool:
        """Whether a request may be answered now."""
        now = self._clock()
        if limit != self._limit:
            self._limit, self._left, self._at = limit, float(limit.burst), now
        if not limit.interval:
            return True
        self._left = min(float(limit.burst), self._left + (now - self._at) / limit.interval)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
