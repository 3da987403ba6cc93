"""The quota per operation in calls a second, and what was spent of it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from exporter.simulator.refusal import Refusal

# GetVideoList may be called 50 times where the others may be called 15 times.
_FACTOR = {"GetVideoList": 50 / 15}


class Quota:
    """At most `rate` calls of an operation in any one second; `math.inf` is no quota.

    A rate with a fraction is so many whole calls in the window that has room for them: 0.5 is one in two seconds.

    The service's own window is not documented: any second, not the clock's, is the strictest it can be. Counters are
    by operation: `calls` of all that came, `throttled` of those refused here, `peak` of the most that came within
    any one second.

    `taken` is the share of it that the account's other applications take, in seconds of ours: all of `taken` for 20 of
    every 30 seconds, half of it for the rest, so that a client that slows down finds now more, now less.
    """

    def __init__(self, rate: float, *, taken: float = 0.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        if not rate > 0:
            raise ValueError(f"the quota is {rate} calls a second; it must be above 0")
        if not 0 <= taken < 1:
            raise ValueError(f"others take {taken} of the quota; it must be 0 or more and less than 1")
        self._rate = rate
        self._taken = taken
        self._monotonic = monotonic
        self._lock = Lock()
        self._came: dict[str, deque[float]] = {}
        self._admitted: dict[str, deque[float]] = {}
        self.calls: dict[str, int] = {}
        self.throttled: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    def count(self, action: str) -> None:
        """A call came, whatever becomes of it."""
        with self._lock:
            now = self._monotonic()
            came = self._came.setdefault(action, deque())
            _forget(came, now - 1)
            came.append(now)
            self.calls[action] = self.calls.get(action, 0) + 1
            self.peak[action] = max(self.peak.get(action, 0), len(came))

    def spend(self, action: str) -> None:
        """Raises `Refusal` where the call is one too many."""
        if math.isinf(self._rate):
            return
        with self._lock:
            now = self._monotonic()
            rate = self._left(now) * _FACTOR.get(action, 1.0)
            most = max(1, math.floor(round(rate, 6)))
            admitted = self._admitted.setdefault(action, deque())
            _forget(admitted, now - most / rate)
            if len(admitted) >= most:
                self.throttled[action] = self.throttled.get(action, 0) + 1
                raise Refusal("Throttling.User", "Request was denied due to user flow control.")
            admitted.append(now)

    def _left(self, now: float) -> float:
        """Calls a second that others leave."""
        taken = self._taken if now % 30 < 20 else self._taken / 2
        return round(self._rate * (1 - taken), 6)


def _forget(moments: deque[float], until: float) -> None:
    while moments and moments[0] <= until:
        moments.popleft()
