"""Deadlines on the monotonic clock, and the header in which Prometheus sends its scrape timeout."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


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
