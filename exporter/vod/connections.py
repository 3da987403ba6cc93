"""Connections of `requests` and `urllib3` that end by a deadline.

The timeout of `requests` applies to each address, each handshake and each read separately. A server that sends one byte
a second, in the headers or in the body, would block a caller for ever. Here connecting, the handshakes and each read
from the socket get the time that is left until the deadline. Only the DNS lookup cannot be interrupted: it ends when
the resolver of the system gives up.

An answer may also have at most `MAX_ANSWER_BYTES` and `MAX_ANSWER_LINES` on the socket. `http.client` reads interim
answers (1xx) and trailers without a limit, and passes none of them on.

The classes override private methods of `urllib3`, because it has no public way to do this. `pyproject.toml` limits
its version.
"""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any

import urllib3.exceptions as wire
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import allowed_gai_family, create_connection

from exporter.deadline import Deadline
from exporter.errors import MalformedResponse
from exporter.vod.body import MAX_BODY_BYTES, TOO_LARGE
from exporter.vod.route import OPENSSL

MAX_ANSWER_BYTES = MAX_BODY_BYTES + (1 << 20)  # with headers, the framing of chunks, interim answers and trailers
MAX_ANSWER_LINES = 4000  # of headers, chunk sizes, interim answers and trailers: each takes some time to read
_SHORTEST_SECONDS = 0.001  # a timeout of 0 would make the socket non-blocking


class Until(Timeout):
    """A timeout for `urllib3` that is always the time left until the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def clone(self) -> Timeout:
        return self  # `urllib3` clones a timeout to start its clock for each request; this clock already runs

    @property
    def connect_timeout(self) -> float:
        """Seconds left until the deadline; above 0 also after it."""
        return max(self._deadline.remaining(), _SHORTEST_SECONDS)

    @property
    def read_timeout(self) -> float:
        """Seconds left until the deadline."""
        return self._deadline.remaining()


class _BoundedReader(io.RawIOBase):
    """Reads one answer from a socket, for at most the timeout of the socket in total, not for each read.

    Raises `MalformedResponse` for more than `MAX_ANSWER_BYTES`.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else Deadline.after(timeout)
        self._bytes_left = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline.remaining()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._bytes_left -= count or 0
        if self._bytes_left < 0:
            text = f"the answer has more than {MAX_ANSWER_BYTES:,} bytes with its headers and trailers"
            raise MalformedResponse(text, code=TOO_LARGE)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedLines(io.BufferedReader):
    """Raises `MalformedResponse` for more than `MAX_ANSWER_LINES`."""

    _lines_left = MAX_ANSWER_LINES

    def readline(self, size: int | None = -1, /) -> bytes:
        self._lines_left -= 1
        if self._lines_left < 0:
            text = f"the answer has more than {MAX_ANSWER_LINES:,} lines of headers, chunk sizes and trailers"
            raise MalformedResponse(text, code=TOO_LARGE)
        return super().readline(size)


class _Response(http.client.HTTPResponse):
    # `http.client` reads the headers itself, line by line, so the bound must be below it: at the socket's file.
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: io.BufferedReader = _BoundedLines(_BoundedReader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    """Its timeout covers connecting as a whole: all addresses of the host name, the proxy and TLS together."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
        # The exceptions are those of the method of `urllib3` that this replaces. The socket keeps the time left as its
        # timeout, because `urllib3` does the TLS handshake with it.
        self._connect_by = Deadline.after(self.timeout or 0.0)
        try:
            sock = self._first_to_connect()
        except UnicodeError:
            raise wire.LocationParseError(self.host) from None
        except socket.gaierror as error:
            raise wire.NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise wire.ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise wire.NewConnectionError(self, str(error)) from error
        sock.settimeout(self._left())
        return sock

    def _first_to_connect(self) -> socket.socket:
        """Try each address for an equal share of the time left, so that the next is tried if one does not respond."""
        found = socket.getaddrinfo(self._dns_host, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        failure = OSError("no addresses")
        for place, (*_, address) in enumerate(found):
            share = self._left() / (len(found) - place)
            try:
                return create_connection((str(address[0]), self.port), share, socket_options=self.socket_options)
            except OSError as error:
                failure = error
        raise failure

    def _left(self) -> float:
        return max(self._connect_by.remaining(), _SHORTEST_SECONDS)

    def _tunnel(self) -> None:
        # `http.client` sends CONNECT to the proxy here, and `urllib3` does TLS with the endpoint after it.
        self.sock.settimeout(self._left())
        try:
            super()._tunnel()
        except TimeoutError:
            raise
        except OSError as error:
            raise wire.ProxyError("the proxy refuses to connect", error) from error
        self.sock.settimeout(self._left())


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """The adapter to mount on a session. It covers direct connections and connections through an HTTP proxy."""

    _pools = {"http": _Pool, "https": _SecurePool}  # noqa: RUF012 - never changed

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        # `urllib3` looks up the pool class for a scheme here. There is no setting for the connection class alone.
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        super().cert_verify(conn, url, verify == OPENSSL or verify, cert)  # type: ignore[no-untyped-call]
        if verify == OPENSSL:
            conn.ca_certs = None  # then `urllib3` lets OpenSSL find them
