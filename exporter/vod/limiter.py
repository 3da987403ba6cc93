"""The budget of calls per second of one account. Each operation has a budget, because VOD has a quota for each."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent

SLOWEST = 0.1  # the lowest rate after throttling, as a share of the full rate
RECOVERY = 0.02  # the share of the full rate that returns each second
_LATEST_SECONDS = 0.25  # how late calls may be sent on average
_LATEST_CALL = 0.02  # the share of one call in that average, so that one late call has no effect
_SLOWED_ONCE_SECONDS = 1.0  # VOD counts calls per second, so throttled calls within one second are one event
_LONGEST_HOLD_SECONDS = 60.0  # a wrong `Retry-After` must not stop an account for hours


@dataclass(slots=True, eq=False)
class Turn:
    """When a call may be sent: at this time of the limiter's clock, which is so many seconds from now."""

    at: float
    seconds: float
    given_away: bool = False  # to an urgent call


@dataclass(slots=True)
class _Pace:
    """The pace of one operation. Times are seconds of the limiter's clock, the rate is calls per second."""

    next: float  # time of the next free turn
    rate: float  # rate at the time `since`; it recovers from then on
    since: float
    held_until: float = -math.inf  # no turn before this time, because VOD throttled a call
    waiting: deque[Turn] = field(default_factory=deque)  # turns that may be given away, in order


class Limiter:
    """Spaces the calls of each operation evenly, `1 / rate` seconds apart. Safe to use from several threads.

    There are no bursts: the quota is shared with the user's own applications, and a burst of the exporter would get
    them throttled. When VOD throttles a call, exporter and applications together exceed the quota. The rate of that
    operation is then halved, at most once a second and not below a tenth of the full rate. It recovers by a fiftieth of
    the full rate per second: from a half in 25 s, from a tenth in 45 s. An answer that is too large has
    the same effect. So has a processor that is too busy to send the calls at their turns: scrapes would be late, too.
    """

    def __init__(self, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._paces: dict[str, _Pace] = {}
        self._lateness = 0.0

    def turn(self, action: str, deadline: Deadline, *, urgent: bool = False) -> Turn:
        """Take the next turn for a call of `action`. An urgent call takes the turn of the call that waits longest.

        Raises `BudgetSpent`, without taking a turn, if the turn would come after the deadline.
        """
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            while pace.waiting and pace.waiting[0].at <= now:
                pace.waiting.popleft()
            if urgent and pace.waiting:
                other = pace.waiting.popleft()
                other.given_away = True
                return Turn(other.at, other.at - now)
            at = max(now, pace.next)
            if at >= deadline.at:
                raise BudgetSpent(f"{action}: no call left in the budget before the deadline", code="budget")
            pace.next = at + 1.0 / self._rate_of(pace, at)
            turn = Turn(at, at - now)
            if not urgent:
                pace.waiting.append(turn)
            return turn

    def throttled(self, action: str, *, retry_after: float | None = None) -> None:
        """Slow down, because VOD throttled a call of `action` or sent too much.

        `retry_after` is the `Retry-After` header in seconds.
        """
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            rate = self._slower(pace, now)
            pace.held_until = now + max(1.0 / rate, min(retry_after or 0.0, _LONGEST_HOLD_SECONDS))
            pace.next = max(pace.next, pace.held_until)

    def is_void(self, action: str, turn: Turn) -> bool:
        """Whether the turn was given away, or throttling blocks `action` now. Then the caller takes a new turn."""
        with self._lock:
            now = self._clock()
            return turn.given_away or now < self._pace(action, now).held_until

    def came(self, action: str, turn: Turn) -> bool:
        """The caller has waited for its turn. Returns True if calls are sent too late, and so their rate is halved."""
        with self._lock:
            now = self._clock()
            self._lateness += _LATEST_CALL * (now - turn.at - self._lateness)
            late = self._lateness > _LATEST_SECONDS
            if late:
                self._lateness = 0.0  # the new rate has its own average
                self._slower(self._pace(action, now), now)
            return late

    def rate(self, action: str) -> float:
        """The calls per second that are allowed for `action` now."""
        with self._lock:
            now = self._clock()
            return self._rate_of(self._pace(action, now), now)

    def calls_within(self, action: str, seconds: float) -> int:
        """The number of turns of `action` within the next `seconds`."""
        with self._lock:
            now = self._clock()
            pace = self._pace(action, now)
            return max(0, math.ceil((seconds - max(0.0, pace.next - now)) * self._rate_of(pace, now)))

    def _pace(self, action: str, now: float) -> _Pace:
        return self._paces.setdefault(action, _Pace(next=now, rate=self._rate, since=now))

    def _rate_of(self, pace: _Pace, now: float) -> float:
        return min(self._rate, pace.rate + RECOVERY * self._rate * (now - pace.since))

    def _slower(self, pace: _Pace, now: float) -> float:
        """Halve the rate, and return it."""
        rate = self._rate_of(pace, now)
        # At full rate the rate is always halved, even if `since` is less than a second ago: `since` may be the time at
        # which the pace was created.
        if rate == self._rate or now - pace.since >= _SLOWED_ONCE_SECONDS:
            rate = pace.rate = max(rate / 2, self._rate * SLOWEST)
            pace.since = now
        return rate
