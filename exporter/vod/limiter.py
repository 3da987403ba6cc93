"""Calls per second: the budget of one account, apart for each operation, because VOD counts its quota so."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent

SLOWEST = 0.1  # of the full rate
RECOVERY = 0.02  # of the full rate, regained each second
_SLOWED_ONCE_SECONDS = 1.0  # VOD counts by the second: what it throttles within one is one event
_LONGEST_HOLD_SECONDS = 60.0


@dataclass(slots=True)
class _Pace:
    """Of one operation: when its next turn is, and its rate at a moment from which on it recovers."""

    next: float
    rate: float
    since: float
    held_until: float = -math.inf


class Limiter:
    """Spaces the calls of each operation evenly, `1 / rate` seconds apart, over all threads.

    No bursts: the quota is shared with the customer's own applications, and a burst of ours would be their throttling.
    A throttled call tells that together we ask too much: the rate of its operation is halved, at most once a second and
    not below a tenth, and comes back by a fiftieth of the full rate a second: from half in 25 s, from a tenth in 45 s.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._paces: dict[str, _Pace] = {}

    def turn(self, action: str, deadline: Deadline) -> float:
        """Seconds to wait for the turn of one call of `action`, which is taken.

        Raises `BudgetSpent`, and takes nothing, where the turn would come after the deadline.
        """
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            turn = max(now, pace.next)
            if turn >= deadline.at:
                raise BudgetSpent(f"{action}: no call left in the budget before the deadline", code="budget")
            pace.next = turn + 1.0 / self._rate_of(pace, turn)
            return turn - now

    def throttled(self, action: str, *, retry_after: float | None = None) -> None:
        """A call of `action` was throttled, and maybe told for how many seconds to leave the service alone."""
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            rate = self._rate_of(pace, now)
            if rate == self._rate or now - pace.since >= _SLOWED_ONCE_SECONDS:
                rate = pace.rate = max(rate / 2, self._rate * SLOWEST)
                pace.since = now
            pace.held_until = now + max(1.0 / rate, min(retry_after or 0.0, _LONGEST_HOLD_SECONDS))
            pace.next = max(pace.next, pace.held_until)

    def is_held(self, action: str) -> bool:
        """Turns of `action` that were taken before it was throttled are void: take others."""
        with self._lock:
            now = self._clock()
            return now < self._pace(action, now).held_until

    def rate(self, action: str) -> float:
        """Calls per second that `action` is allowed now."""
        with self._lock:
            now = self._clock()
            return self._rate_of(self._pace(action, now), now)

    def calls_within(self, action: str, seconds: float) -> int:
        """How many turns of `action` come within so many seconds from now."""
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            return max(0, math.ceil((seconds - max(0.0, pace.next - now)) * self._rate_of(pace, now)))

    def _pace(self, action: str, now: float) -> _Pace:
        return self._paces.setdefault(action, _Pace(next=now, rate=self._rate, since=now))

    def _rate_of(self, pace: _Pace, now: float) -> float:
        return min(self._rate, pace.rate + RECOVERY * self._rate * (now - pace.since))
