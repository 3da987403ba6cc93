"""Connections that end: a peer that sends nothing, drips its request or does not read its answer is given up."""

from __future__ import annotations

import asyncio
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MAX_CONNECTIONS = 1000
MAX_UNREAD_BYTES = 128 * 1024 * 1024  # of answers, over all connections
CHECK_SECONDS = 10.0
CLOSING_CHECK_SECONDS = 1.0

_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"this is no HTTP/1.1 request, or its address and headers are over 64 KiB\n"
)


class BoundedProtocol(H11Protocol):
    """uvicorn bounds neither the time until a request is whole nor the time until its answer is read, nor the memory.

    From one check to the next, `CHECK_SECONDS` later, a connection must have moved on: to a whole request, or by bytes
    of its answer that the peer took. Between requests uvicorn's own keep-alive timeout holds. Past `MAX_CONNECTIONS` a
    new one is refused; past `MAX_UNREAD_BYTES` those go whose answers wait longest.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answered_at = 0.0
        self._refused = False
        self._check_seconds = CHECK_SECONDS
        self._seen: tuple[object, int] | None = self._place()
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._answered_at = self.loop.time()
        super().on_response_complete()
        if self.unread:
            self._bound_unread()

    def shutdown(self) -> None:
        """The server stops: what is under way is answered, but who does not read is not waited for."""
        super().shutdown()
        self._check.cancel()
        self._check_seconds, self._seen = CLOSING_CHECK_SECONDS, None
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        if self.conn.our_state is not h11.IDLE:
            self.transport.close()  # nonsense in the body of a request that has its answer, or will have it
            return
        self.transport.write(_BAD_REQUEST)
        if self.transport.can_write_eof():
            # Closing now, with bytes unread, would reset the connection, and with it go the answer.
            self._refused = True
            self.transport.write_eof()
        else:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False  # uvicorn would log two warnings for each client that asks

    @property
    def unread(self) -> int:
        """Bytes of answers that neither the peer nor the kernel has taken yet."""
        return self.transport.get_write_buffer_size()

    def _place(self) -> tuple[object, int]:
        return self.cycle, self.unread

    def _check_progress(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        rests = self.timeout_keep_alive_task is not None and not self.unread
        works = cycle is not None and not (cycle.more_body or cycle.response_complete or self.unread)
        if not (rests or works) and self._place() == self._seen:
            self.transport.abort()
            return
        self._seen = None if rests or works else self._place()
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)

    def _bound_unread(self) -> None:
        waiting = [one for one in self.connections if isinstance(one, BoundedProtocol) and one.unread]
        over = sum(one.unread for one in waiting) - MAX_UNREAD_BYTES
        for one in sorted(waiting, key=lambda one: one._answered_at):
            if over <= 0:
                break
            over -= one.unread
            one.transport.abort()
