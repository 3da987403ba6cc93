"""The world's clock: runs `speed` times as fast as ours, stands still while frozen, and knows what to tell a client.

The world counts seconds from its start (before it: negative). What a client is told is wall-clock time, so that its
own clock, windows and ages make sense: a world second lasts 1 / `speed` seconds of ours.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from threading import Lock


class Clock:
    """`started` is the Unix time of the world's second 0; both clocks can be replaced in tests."""

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
        # Where the world stood still, in world seconds, and for how long it has stood still by then, in ours.
        self._stops: list[float] = []
        self._stood: list[float] = [0.0]

    @property
    def frozen(self) -> bool:
        return self._frozen_at is not None

    def now(self) -> float:
        """The world's second."""
        with self._lock:
            return self._now()

    def _now(self) -> float:
        at = self._monotonic() if self._frozen_at is None else self._frozen_at
        return (at - self._origin - self._stood[-1]) * self.speed

    def wall(self, second: float) -> float:
        """The Unix time of a world second; of a second that has passed it never changes."""
        stood = self._stood[bisect_left(self._stops, second)]
        return self.started + second / self.speed + stood

    def freeze(self) -> None:
        with self._lock:
            if self._frozen_at is None:
                self._frozen_at = self._monotonic()

    def resume(self) -> None:
        with self._lock:
            if self._frozen_at is None:
                return
            stopped_at, stood = self._now(), self._stood[-1] + self._monotonic() - self._frozen_at
            # In this order, for `wall` reads without the lock.
            self._stood.append(stood)
            self._stops.append(stopped_at)
            self._frozen_at = None
