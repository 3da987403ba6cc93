"""Deadlines on the monotonic clock, and the header in which Prometheus sends its scrape timeout."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

_FORGET = 0.9  # what is left of a rate after each faster step
_MANY = 1000  # a step over fewer items tells nothing about the time for each item


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """A time on the monotonic clock, in seconds. Earlier deadlines sort first."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """A deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def less(self, seconds: float) -> Deadline:
        """A deadline `seconds` before this one."""
        return Deadline(self.at - seconds)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.at


NO_DEADLINE = Deadline(math.inf)


class Reserve:
    """How long the last step of a scrape takes, so that this time can be kept back before a deadline.

    It is at least `least`, as long as the last time, and longer for more items. Starts with a guess of `seconds` for
    each item. A slow rate is forgotten slowly, because the step is fast while nothing changes.
    """

    def __init__(self, seconds: float, *, least: float = 0.0) -> None:
        self._rate = seconds
        self._least = self._last = least

    def before(self, deadline: Deadline, size: int, *, since: float) -> Deadline:
        """The deadline for all that comes before a step over `size` items.

        At most half of the time since `since` (monotonic clock) is kept back.
        """
        return deadline.less(min(max(self._rate * size, self._last, self._least), (deadline.at - since) / 2))

    def took(self, seconds: float, size: int) -> None:
        """The step took so long for `size` items."""
        self._last = seconds
        self._rate = max(seconds / max(size, _MANY), _FORGET * self._rate)


def scrape_timeout(header: str | None, *, offset: float, limit: float) -> float:
    """The seconds in which a scrape must be answered: the header less `offset`, and at most `limit`.

    `header` is the value of `X-Prometheus-Scrape-Timeout-Seconds`. The offset leaves time for the response; it takes at
    most half of the scrape timeout. A header that is not a positive finite number counts as absent.
    """
    try:
        timeout = float(header) if header is not None else math.inf
    except ValueError:
        timeout = math.inf
    if not (math.isfinite(timeout) and timeout > 0):
        return limit
    return min(limit, max(timeout - offset, timeout / 2))
