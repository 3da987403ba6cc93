"""Calls per second: the budget of one account, apart for each operation, because VOD counts its quota so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent


class Limiter:
    """Spaces the calls of each operation evenly, `1 / rate` seconds apart, over all threads.

    No bursts: the quota is shared with the customer's own applications, and a burst of ours would be their throttling.
    """

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1.0 / rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next: dict[str, float] = {}

    def acquire(self, action: str, deadline: Deadline) -> None:
        """Wait for the turn of one call of `action`.

        Raises `BudgetSpent` at once, and spends nothing, where the turn would come after the deadline.
        """
        with self._lock:
            now = self._clock()
            turn = max(now, self._next.get(action, now))
            if turn >= deadline.at:
                raise BudgetSpent(f"{action}: no call left in the budget before the deadline", code="budget")
            self._next[action] = turn + self._interval
        self._sleep(turn - now)
