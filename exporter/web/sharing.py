"""Status pages are shared for a second, made one at a time, and give way to scrapes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from anyio import CapacityLimiter, to_thread

from exporter.web.admission import Admission
from exporter.web.listing import Query
from exporter.web.scrapes import Scrapes

SHARED_SECONDS = 1.0
PATIENCE_SECONDS = 1.0  # the longest time that a page waits for scrapes
PAGES_AT_ONCE = 4  # different pages that wait or are made; they are for a few people
_NAP_SECONDS = 0.01

Pause = Callable[[], None]
"""Called often while a page is made. It takes as long as scrapes are in progress, within `PATIENCE_SECONDS`."""


class SharedPages:
    """The status pages that `make` makes, in one thread. For the event loop only.

    All requests for the same page within `SHARED_SECONDS` get the same text. So the pages of many clients that ask all
    the time take a bounded share of the processor. While `scrapes` are in progress, pages wait.
    """

    def __init__(self, make: Callable[[Query, Pause], str], scrapes: Scrapes) -> None:
        self._make = make
        self._scrapes = scrapes
        self._admission = Admission(
            PAGES_AT_ONCE, f"{PAGES_AT_ONCE} requests for the status page are in progress; reload it in a second"
        )
        self._thread = CapacityLimiter(1)
        self._made: dict[Query, tuple[float, asyncio.Task[str]]] = {}  # with the time of the first request

    async def page(self, query: Query) -> str:
        """The page. Raises 503 if too many different pages are in progress."""
        await self._scrapes.quiet(PATIENCE_SECONDS)
        now = time.monotonic()
        self._made = {
            known: (asked, made)
            for known, (asked, made) in self._made.items()
            if not made.done() or (now - asked < SHARED_SECONDS and not _failed(made))
        }
        if query not in self._made:
            self._made[query] = now, asyncio.create_task(self._render(query))
        return await asyncio.shield(self._made[query][1])

    async def _render(self, query: Query) -> str:
        with self._admission:
            return await to_thread.run_sync(self._make, query, self._pause(), limiter=self._thread)

    def _pause(self) -> Pause:
        patience = PATIENCE_SECONDS

        def pause() -> None:
            nonlocal patience
            while patience > 0 and self._scrapes.in_progress:
                time.sleep(_NAP_SECONDS)
                patience -= _NAP_SECONDS

        return pause


def _failed(made: asyncio.Task[str]) -> bool:
    return made.cancelled() or made.exception() is not None
