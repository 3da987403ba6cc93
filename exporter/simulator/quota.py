"""The quota: calls per second for each operation, and counters of calls."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from threading import Lock

from exporter.simulator.refusal import Refusal

# VOD allows 50 calls per second of GetVideoList, and 15 of the other operations.
_FACTOR = {"GetVideoList": 50 / 15}


class Quota:
    """At most `rate` calls of an operation in any period of one second. `math.inf` means no quota.

    A rate below 1 allows one call in a longer period: 0.5 is one call in two seconds. The window of VOD is not
    documented; a sliding window is the strictest possibility.

    The counters are by operation: `calls` counts all calls, `throttled` those refused by the quota, and `peak` is the
    highest number of calls within one second.

    `taken` is the share of the quota that other applications of the account use. They use all of it for 20 of every 30
    real seconds, and half of it for the other 10. So a client must adapt to a rate that changes.
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
        self._recent: dict[str, deque[float]] = {}
        self._admitted: dict[str, deque[float]] = {}
        self.calls: dict[str, int] = {}
        self.throttled: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    def count(self, action: str) -> None:
        """Count a call, whether it succeeds or not."""
        with self._lock:
            now = self._monotonic()
            recent = self._recent.setdefault(action, deque())
            _forget(recent, now - 1)
            recent.append(now)
            self.calls[action] = self.calls.get(action, 0) + 1
            self.peak[action] = max(self.peak.get(action, 0), len(recent))

    def spend(self, action: str) -> None:
        """Use one call of the quota. Raises `Refusal` if none is left."""
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
        """The calls per second that other applications leave."""
        taken = self._taken if now % 30 < 20 else self._taken / 2
        return round(self._rate * (1 - taken), 6)


def _forget(moments: deque[float], until: float) -> None:
    while moments and moments[0] <= until:
        moments.popleft()
