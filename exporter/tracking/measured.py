"""A store that reports how long saves take, and whether it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from exporter.errors import StateError
from exporter.tracking.store import Changes, Store, Stored


class MeasuredStore:
    """Implements `Store` by calls to another store.

    Calls `answered` after each call with True, or with False after an error, and `saved` with the seconds of each save.
    """

    def __init__(self, store: Store, *, answered: Callable[[bool], None], saved: Callable[[float], None]) -> None:
        self._store = store
        self._answered = answered
        self._saved = saved
        answered(True)

    def load(self, account: str, *, now: float) -> Stored:
        """See `Store.load`."""
        with self._judged():
            return self._store.load(account, now=now)

    def save(self, account: str, changes: Changes) -> None:
        """See `Store.save`."""
        started = time.monotonic()
        with self._judged():
            self._store.save(account, changes)
        self._saved(time.monotonic() - started)

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store.remembered`."""
        with self._judged():
            return self._store.remembered(account, task_ids)

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()

    @contextmanager
    def _judged(self) -> Iterator[None]:
        try:
            yield
        except StateError:
            self._answered(False)
            raise
        self._answered(True)
