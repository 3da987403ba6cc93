"""Connections with limits: closes those of clients that send or read too slowly, and bounds their number and memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from exporter.web.crowd import Crowd
from exporter.web.pieces import Pieces

MAX_UNREAD_BYTES = 128 * 1024 * 1024  # of responses, over all connections
CHECK_SECONDS = 10.0
CLOSING_CHECK_SECONDS = 1.0

_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"this is not an HTTP/1.1 request, or its URL and headers exceed 64 KiB\n"
)


class BoundedProtocol(H11Protocol):
    """uvicorn's protocol with limits on time, connections and memory, which uvicorn does not have.

    Each connection is checked every `CHECK_SECONDS`. It is closed if there was no progress since the last check: the
    client completed no request and read no bytes of a response. Idle connections are left to uvicorn's keep-alive
    timeout, and the server's own work on a response has no limit here. `crowd` bounds the number of connections. If
    all responses together have more than `MAX_UNREAD_BYTES` unread, the oldest responses are dropped.
    """

    def __init__(self, *options: Any, crowd: Crowd, **named: Any) -> None:
        super().__init__(*options, **named)
        self._crowd = crowd
        self._pieces: Pieces | None = None

    def send_in_pieces(self) -> None:
        """Send the bodies in pieces. Call it before `connection_made`, for a connection with TLS."""
        self._pieces = Pieces(self.app, waits=self._response_waits)
        self.app = cast("Any", self._pieces)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Else the body waits for the client's delayed acknowledgement of the headers, 40 ms. asyncio sets the option
        # only on sockets that name TCP as their protocol, which accepted sockets do not.
        with contextlib.suppress(OSError):  # the client has gone already
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rests_since = self.loop.time()
        self._refused = self._left = False
        self._check_seconds = CHECK_SECONDS
        # The progress at the last check; None if the connection was not waiting for the client then.
        self._last_progress: tuple[object, int] | None = self._progress()
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)
        self._crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        self._crowd.left(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self.rests_since = self.loop.time()
        super().on_response_complete()
        if self.unread:
            self._bound_unread()

    def _response_waits(self) -> None:
        self.rests_since = self.loop.time()
        self._bound_unread()

    def shutdown(self) -> None:
        """Called when the server stops. Requests in progress are completed, but slow clients are closed sooner."""
        super().shutdown()
        self._unset_keepalive_if_required()  # also if the client does not answer the end of TLS
        self._check.cancel()
        self._check_seconds, self._last_progress = CLOSING_CHECK_SECONDS, None
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - our message says more
        if self.conn.our_state is not h11.IDLE:
            # The invalid bytes are in a body. Its request has a response already, or will get one.
            self.transport.close()
            return
        self._crowd.refused(self.address, 400, "this is not an HTTP/1.1 request")
        self.transport.write(_BAD_REQUEST)
        if self.transport.can_write_eof():
            # Closing a socket with unread bytes resets the connection, and the client would lose the response.
            # So only the sending side is closed, and further bytes are discarded until the next check.
            self._refused = True
            try:
                self.transport.write_eof()
            except OSError:  # the client has closed the connection already
                self.transport.abort()
        else:
            self.transport.close()

    def _should_upgrade(self) -> bool:
        return False  # otherwise uvicorn logs two warnings for each client that asks for an upgrade

    @property
    def address(self) -> str:
        """The IP address of the client."""
        return self.client[0] if self.client else ""

    @property
    def established(self) -> bool:
        """True: a connection is made after the handshake."""
        return True

    @property
    def idle(self) -> bool:
        """Whether no request is in progress, and no large response is still to be read. Safe to read in any thread."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return (cycle is None or cycle.response_complete) and not self.flow.write_paused

    @property
    def can_leave(self) -> bool:
        """Whether the connection waits for its client, also for the end of TLS, and has not left already."""
        return not (self._working or self._left)

    def leave(self) -> None:
        """Close the connection. An idle client sees an orderly end, unless that needs its answer, as in TLS."""
        self._left = True
        orderly = self.idle and self.transport.can_write_eof() and not self.transport.is_closing()
        (self.transport.close if orderly else self.transport.abort)()

    @property
    def unread(self) -> int:
        """Bytes of responses that the client has not read."""
        rest = self._pieces.rest if self._pieces is not None else 0
        return rest + self.transport.get_write_buffer_size()

    @property
    def held(self) -> int:
        """Bytes of responses that are still in the memory of this process."""
        body = self._pieces.held if self._pieces is not None else 0
        return body + self.transport.get_write_buffer_size()

    def _progress(self) -> tuple[object, int]:
        """Changes with each new request and with each part of a response that the client takes."""
        return self.cycle, self.unread

    @property
    def _working(self) -> bool:
        """Whether a request is complete, and the server still works on the response."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not (cycle.more_body or cycle.response_complete or self.unread)

    def _check_progress(self) -> None:
        at_rest = self.timeout_keep_alive_task is not None and not self.unread
        if not (at_rest or self._working) and self._progress() == self._last_progress:
            self.transport.abort()
            return
        self._last_progress = None if at_rest or self._working else self._progress()
        self._check = self.loop.call_later(self._check_seconds, self._check_progress)

    def _bound_unread(self) -> None:
        """Close the connections with the oldest unread responses, until the others are within the limit."""
        waiting = [protocol for protocol in self.connections if isinstance(protocol, BoundedProtocol) and protocol.held]
        excess = sum(protocol.held for protocol in waiting) - MAX_UNREAD_BYTES
        for connection in sorted(waiting, key=lambda connection: connection.rests_since):
            if excess <= 0:
                break
            excess -= connection.held
            connection.transport.abort()
            text = (
                f"unread responses have more than {MAX_UNREAD_BYTES:,} bytes, and this one was dropped before its end"
            )
            self._crowd.refused(connection.address, 503, text)
