"""When Python looks for garbage in this process: not while the state is loaded, and else between scrapes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_SECONDS = 600.0
_WHOLE_SECONDS = 86_400.0
_RARELY = 1_000  # times ten collections of young objects, before Python looks at all objects in spite of that


class Garbage:
    """Python stops everything while it looks at all objects: a second with 300,000 jobs, longer on a busy machine.

    Most garbage is freed without that. So the objects of the state are left out (`gc.freeze`), and Python looks at the
    others between scrapes. Once a day, and after a reload, it looks at all. `clock` is monotonic, in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._collected = self._whole = clock()

    @contextmanager
    def start(self) -> Iterator[None]:
        """Load the state within this. It makes no garbage."""
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()
            gc.set_threshold(*gc.get_threshold()[:2], _RARELY)
            gc.enable()

    def reloaded(self) -> None:
        """Accounts may have gone: the next time look at all objects."""
        self._collected = self._whole = -_WHOLE_SECONDS

    def between_scrapes(self) -> None:
        """Look for garbage, if the last time is long ago. No scrape is in progress."""
        now = self._clock()
        if now - self._collected >= _EVERY_SECONDS:
            self._collected = now
            if now - self._whole >= _WHOLE_SECONDS:
                self._whole = now
                gc.unfreeze()
            gc.collect()
            gc.freeze()
