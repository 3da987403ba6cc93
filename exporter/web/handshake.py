"""The handshake of one connection: bounded in time, and with little memory until the client has begun it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable

from exporter.web.connections import BoundedProtocol
from exporter.web.crowd import Crowd
from exporter.web.encrypted import Encrypted
from exporter.web.pieces import PIECE_BYTES
from exporter.websecurity.current import Security, WebConfig
from exporter.websecurity.sans import allowed

HANDSHAKE_SECONDS = 10.0
END_SECONDS = 30.0  # for the end of TLS; the checks of connections.py close clients that make no progress before that

_FIRST_BYTE = b"\x16"  # of a record with a handshake: RFC 8446, section 5.1
# As servers in Go answer: https://cs.opensource.google/go/go/+/master:src/net/http/server.go
_NO_TLS = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"Client sent an HTTP request to an HTTPS server.\n"
)

# Each connection has a buffer of this size for what it receives. asyncio's 256 KiB would be 256 MB for all connections.
SSLProtocol.max_size = PIECE_BYTES // 2

Connect = Callable[[], BoundedProtocol]


class Handshake:
    """A connection from its acceptance to the end of its handshake. Until then it is a member of the crowd.

    Until the client has sent a byte, there is only a socket. After the handshake, the protocol of `connect` takes over.
    """

    established, idle, can_leave = False, True, True

    def __init__(self, accepted: socket.socket, web: WebConfig, crowd: Crowd, connect: Connect) -> None:
        self._socket = accepted
        self._web = web
        self._crowd = crowd
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None  # owns the socket, once it is made
        self.rests_since = self._loop.time()
        self.address = _address(accepted)

    def leave(self) -> None:
        """End the handshake, because there are too many connections."""
        self.can_leave = False
        if self._task is not None:
            self._task.cancel()

    async def complete(self) -> None:
        """Complete the handshake within `HANDSHAKE_SECONDS`. Then the connection has its protocol, or is closed."""
        self._task = asyncio.current_task()
        self._crowd.enter(self)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._handshake()
        except TimeoutError:
            self._refuse("neither a TLS handshake nor a request in time")
        except ssl.SSLError as error:
            self._refuse(f"TLS handshake failed: {(error.reason or 'unknown').lower().replace('_', ' ')}")
        except OSError:
            self._refuse("the connection was closed during the TLS handshake")
        finally:
            self._crowd.left(self)

    def ended(self, task: asyncio.Task[None]) -> None:
        """Called when `complete` has ended, or was cancelled before it began."""
        if task.cancelled():
            self._close()

    async def _handshake(self) -> None:
        first = await self._first_byte()
        security = await self._web.now()
        if not first:
            self._close()  # a port check: nothing was asked
        elif security.context is None:
            self._crowd.left(self)
            await self._loop.connect_accepted_socket(self._connect, self._socket)
        elif first == _FIRST_BYTE:
            await self._start_tls(security, security.context)
        else:
            await self._answer_plain()

    async def _first_byte(self) -> bytes:
        """The first byte, without taking it from the socket; empty if the client has closed the connection."""
        readable = asyncio.Event()
        self._loop.add_reader(self._socket, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(self._socket)
        return self._socket.recv(1, socket.MSG_PEEK)

    async def _answer_plain(self) -> None:
        self._crowd.refused(self.address, 400, "this is HTTP without TLS")
        await self._loop.sock_sendall(self._socket, _NO_TLS)
        # A socket that is closed with unread bytes resets the connection, and the client would lose the response.
        self._socket.shutdown(socket.SHUT_WR)
        while await self._loop.sock_recv(self._socket, PIECE_BYTES):
            pass
        self._close()

    async def _start_tls(self, security: Security, context: ssl.SSLContext) -> None:
        self._transport, gate = await self._loop.connect_accepted_socket(_Gate, self._socket)
        tls = await self._loop.start_tls(
            self._transport,
            gate,
            context,
            server_side=True,
            ssl_handshake_timeout=2 * HANDSHAKE_SECONDS,  # `complete` bounds it
            ssl_shutdown_timeout=END_SECONDS,
        )
        assert tls is not None  # noqa: S101 - only for a transport that is closed before
        names = security.settings.tls_server_config.client_allowed_sans if security.settings.tls_server_config else ()
        certificate = tls.get_extra_info("ssl_object").getpeercert()
        if names and certificate and not allowed(certificate, names):
            self._refuse("the client certificate has no name of client_allowed_sans")
            return
        tls.set_write_buffer_limits(high=PIECE_BYTES)
        protocol = self._connect()
        protocol.send_in_pieces()
        tls.set_protocol(protocol)
        self._crowd.left(self)
        protocol.connection_made(Encrypted(tls, self._transport))
        gate.pass_on(protocol)

    def _refuse(self, reason: str) -> None:
        self._close()
        self._crowd.refused(self.address, "tls", reason)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        else:
            self._socket.close()


class _Gate(asyncio.Protocol):
    """Keeps what a client sends together with the end of its handshake, until the protocol is there.

    The handshake itself does not come here: `start_tls` takes the transport before the loop has read from it.
    """

    def __init__(self) -> None:
        self._received = bytearray()
        self._lost = False

    def data_received(self, data: bytes) -> None:
        self._received += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        self._lost = True

    def pass_on(self, protocol: asyncio.Protocol) -> None:
        if self._received:
            protocol.data_received(bytes(self._received))
        if self._lost:
            protocol.connection_lost(None)


def _address(accepted: socket.socket) -> str:
    try:
        return str(accepted.getpeername()[0])
    except OSError:  # the client has gone already
        return ""
