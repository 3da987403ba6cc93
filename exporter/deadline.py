"""A time budget on the monotonic clock, and the header by which Prometheus tells how long it will wait."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Deadline:
    """A moment on the monotonic clock, in seconds; earlier deadlines sort first."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def less(self, seconds: float) -> Deadline:
        """The moment so many seconds before."""
        return Deadline(self.at - seconds)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self.at


def scrape_timeout(header: str | None, *, offset: float, limit: float) -> float:
    """Seconds in which a scrape has to be answered.

    `header` is the value of `X-Prometheus-Scrape-Timeout-Seconds`, less `offset` for the way back, at most `limit`.
    A header that is no positive finite number counts as absent. Where the offset would leave less than half of what
    Prometheus waits, half of it is used.
    """
    try:
        told = float(header) if header is not None else math.inf
    except ValueError:
        told = math.inf
    if not (math.isfinite(told) and told > 0):
        return limit
    return min(limit, max(told - offset, told / 2))
