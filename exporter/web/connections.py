"""Connections that end: a peer that sends nothing, drips its request or does not read its answer is given up."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CONNECTIONS = 1000
CHECK_SECONDS = 10.0


class BoundedProtocol(H11Protocol):
    """uvicorn bounds neither the time until a request is whole nor the time until its answer is read.

    Every `CHECK_SECONDS` a connection must have moved on: to a whole request, or by bytes of its answer that the peer
    took. Between requests uvicorn's own keep-alive timeout holds. Past `MAX_CONNECTIONS` a new one is refused.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._seen: tuple[object, int] | None = None
        self._check = self.loop.call_later(CHECK_SECONDS, self._check_progress)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        super().connection_lost(exc)

    def _check_progress(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        unsent = self.transport.get_write_buffer_size()
        waits = cycle is not None and (unsent or (cycle.more_body and not cycle.response_complete))
        if cycle is None or (waits and (cycle, unsent) == self._seen):
            self.transport.abort()
            return
        self._seen = (cycle, unsent)
        self._check = self.loop.call_later(CHECK_SECONDS, self._check_progress)
