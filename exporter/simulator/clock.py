"""The clock of the simulated world: `speed` times faster than real time, and stopped while frozen.

A world second counts from the start of the world and lasts 1 / `speed` real seconds. It is negative for the history
before the start. Clients receive Unix time, so that it agrees with their own clocks, time windows and ages.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from threading import Lock


class Clock:
    """`started` is the Unix time of world second 0 (default: now). Tests replace `monotonic`."""

    def __init__(
        self, *, speed: float = 1.0, started: float | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not speed > 0:
            raise ValueError(f"the speed of the simulated world is {speed}; it must be above 0")
        self.speed = speed
        self.started = time.time() if started is None else started
        self._monotonic = monotonic
        self._origin = monotonic()
        self._lock = Lock()
        self._frozen_at: float | None = None
        # The world seconds at which the clock was stopped, and the total real seconds of all stops up to each of them.
        self._stops: list[float] = []
        self._stopped_for: list[float] = [0.0]

    @property
    def frozen(self) -> bool:
        """Whether the clock is stopped."""
        return self._frozen_at is not None

    def now(self) -> float:
        """The present world second."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        at = self._monotonic() if self._frozen_at is None else self._frozen_at
        return (at - self._origin - self._stopped_for[-1]) * self.speed

    def wall(self, second: float) -> float:
        """The Unix time of a world second. It never changes for a second that has passed."""
        stopped_for = self._stopped_for[bisect_left(self._stops, second)]
        return self.started + second / self.speed + stopped_for

    def freeze(self) -> None:
        """Stop the clock. Does nothing if it is stopped."""
        with self._lock:
            if self._frozen_at is None:
                self._frozen_at = self._monotonic()

    def resume(self) -> None:
        """Start the clock again. Does nothing if it runs."""
        with self._lock:
            if self._frozen_at is None:
                return
            stopped_at, stopped_for = self._now(), self._stopped_for[-1] + self._monotonic() - self._frozen_at
            # `_stopped_for` first: `wall` reads both without the lock, and indexes `_stopped_for` by `_stops`.
            self._stopped_for.append(stopped_for)
            self._stops.append(stopped_at)
            self._frozen_at = None
