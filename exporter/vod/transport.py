"""HTTP with bounds: a `requests` session whose answers are complete by a deadline and limited in size, or fail.

The timeout of `requests` applies to each address, each handshake and each read separately. A server that sends one byte
a second, in the headers or in the body, would block a caller for ever. Here connecting, the handshakes and each read
from the socket get the time that is left until the deadline. Only the DNS lookup cannot be interrupted: it ends when
the resolver of the system gives up.
"""

from __future__ import annotations

import http.client
import http.cookiejar
import io
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import requests.exceptions as lib
import urllib3.exceptions as wire
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import allowed_gai_family, create_connection

from exporter.deadline import Deadline
from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse, VodError

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 100 videos is about 0.3 MB
_CHUNK_BYTES = 64 * 1024
_SHORTEST_SECONDS = 0.001  # a timeout of 0 would make the socket non-blocking


class _Until(Timeout):
    """A timeout for `urllib3` that is always the time left until the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def clone(self) -> Timeout:
        return self  # `urllib3` clones a timeout to start its clock for each request; this clock already runs

    @property
    def connect_timeout(self) -> float:
        return max(self._deadline.remaining(), _SHORTEST_SECONDS)

    @property
    def read_timeout(self) -> float:
        return self._deadline.remaining()


class _DeadlineReader(io.RawIOBase):
    """Reads a socket for at most its timeout in total, from the start of the response, not for each read."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        timeout = sock.gettimeout()
        self._deadline = None if timeout is None else Deadline.after(timeout)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline is not None:
            left = self._deadline.remaining()
            if left <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: io.BufferedReader = io.BufferedReader(_DeadlineReader(sock, self.fp.detach()))


class _Connection(HTTPConnection):
    """Its timeout covers connecting as a whole: all addresses of the host name, the proxy and TLS together."""

    response_class = _Response

    def _new_conn(self) -> socket.socket:
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
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if proxy.lower().startswith("socks"):
            # SOCKS needs pool classes of its own. Replaced by the classes here, the connection would bypass the proxy.
            raise lib.InvalidProxyURL("SOCKS")
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. `content` is decompressed; the names of `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Always None: for a redirect `requests` reads and unpacks the whole body, even if it does not follow it."""


class Http:
    """A session with a connection pool: it verifies TLS, uses `HTTPS_PROXY`, follows no redirect, keeps no cookie."""

    def __init__(self, connections: int) -> None:
        self._session = _Session()
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(pool_connections=2, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        self._session.close()

    def post(self, url: str, *, headers: Mapping[str, str], deadline: Deadline, name: str) -> Answer:
        """POST with an empty body. The text of every error starts with `name`.

        Raises `ConnectionFailed`, `DeadlineError`, `MalformedResponse`, and `CredentialsError` for keys that an HTTP
        header cannot contain.
        """
        if deadline.expired:
            raise DeadlineError(f"{name}: the deadline passed before the request was sent", code="timeout")
        timeout: Any = _Until(deadline)
        try:
            with self._session.post(
                url, headers=headers, auth=_as_signed, timeout=timeout, allow_redirects=False, stream=True
            ) as response:
                return Answer(response.status_code, response.headers, read_body(response))
        except MalformedResponse as error:
            failure: VodError = MalformedResponse(f"{name}: {error}", code=error.code)
        except (requests.RequestException, wire.HTTPError, OSError, ValueError) as error:
            failure = _translated(name, error)
        # Not raised inside `except`: the original exception would be its context, and may quote headers with keys.
        raise failure


def _as_signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that changes nothing. Without it, `requests` replaces the signature by a password from ~/.netrc."""
    return request


def read_body(response: requests.Response, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The decompressed body of a response to a request with `stream=True`.

    Raises `MalformedResponse` for more than `limit` bytes, for an unknown encoding and for broken gzip, and exceptions
    of `urllib3` if the connection breaks or the time is over.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise MalformedResponse(f"the answer has the unknown encoding {encoding[:40]!r}", code="encoding")
    unzip = _Gunzip() if encoding == "gzip" else None
    body = bytearray()
    received = 0
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
        received += len(chunk)
        body += chunk if unzip is None else unzip.decompress(chunk, limit + 1 - len(body))
        if max(received, len(body)) > limit:
            raise MalformedResponse(f"the answer has more than {limit:,} bytes", code="too_large")
    if unzip is not None and received and not unzip.eof:
        raise MalformedResponse("the answer is broken gzip: it ends early", code="encoding")
    return bytes(body)


class _Gunzip:
    """Unpacks gzip data, which may have several members: RFC 1952, section 2.2."""

    def __init__(self) -> None:
        self._member = _member()

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    def decompress(self, chunk: bytes, limit: int) -> bytes:
        """The unpacked chunk, cut at `limit` bytes; raises `MalformedResponse` if the data is broken."""
        body = b""
        while chunk and len(body) < limit:
            if self._member.eof:
                self._member = _member()
            try:
                body += self._member.decompress(chunk, limit - len(body))
            except zlib.error:
                raise MalformedResponse("the answer is broken gzip", code="encoding") from None
            chunk = self._member.unused_data
        return body


def _member() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


# Exceptions of `requests`, `urllib3` and sockets, and the error that replaces them. The first matching row counts.
_TRANSLATIONS: tuple[tuple[tuple[type[BaseException], ...], type[VodError], str, str], ...] = (
    (
        (lib.ProxyError, wire.ProxyError, lib.InvalidProxyURL, wire.ProxySchemeUnknown),
        *(ConnectionFailed, "proxy", "the proxy cannot be used; check HTTPS_PROXY"),
    ),
    (
        (wire.InvalidHeader, wire.HeaderParsingError),
        *(MalformedResponse, "not_http", "the answer is not HTTP; check the endpoint"),
    ),
    (
        (lib.InvalidURL, lib.InvalidSchema, wire.LocationValueError),
        *(ConnectionFailed, "url", "the address is invalid; check region, endpoint and HTTPS_PROXY"),
    ),
    (
        (lib.InvalidHeader, UnicodeError),
        CredentialsError,
        "keys",
        "the keys cannot be sent; check them for spaces, line breaks and non-ASCII characters",
    ),
    (
        (wire.NameResolutionError,),
        *(ConnectionFailed, "dns", "the host name of the endpoint does not resolve; check region and DNS"),
    ),
    (
        (lib.SSLError, wire.SSLError, ssl.SSLError),
        *(ConnectionFailed, "tls", "TLS failed; check the endpoint and the CA certificates"),
    ),
    (
        (wire.NewConnectionError,),
        *(ConnectionFailed, "connect", "no connection to the endpoint; check endpoint and firewall"),
    ),
    (
        (lib.ConnectTimeout, wire.ConnectTimeoutError),
        *(ConnectionFailed, "connect_timeout", "connecting took too long; check endpoint and firewall"),
    ),
    (
        (TimeoutError, lib.Timeout, wire.TimeoutError),
        *(DeadlineError, "timeout", "the answer was not complete before the deadline"),
    ),
    (
        (ConnectionError, http.client.IncompleteRead, wire.IncompleteRead),
        *(ConnectionFailed, "reset", "the connection broke before the answer was complete"),
    ),
    (
        (http.client.HTTPException,),
        *(MalformedResponse, "not_http", "the answer is not HTTP; check the endpoint"),
    ),
    (
        (lib.ConnectionError, wire.ProtocolError),
        *(ConnectionFailed, "reset", "the connection broke before the answer was complete"),
    ),
)


def _translated(name: str, error: Exception) -> VodError:
    """The error that replaces `error`. The texts of the libraries are not repeated, because they may quote headers."""
    if type(error) is OSError:  # `requests` raises it if the file with CA certificates is missing
        return ConnectionFailed(f"{name}: no CA certificates; check REQUESTS_CA_BUNDLE", code="tls")
    causes = list(_causes(error))
    for kinds, kind, code, text in _TRANSLATIONS:
        if any(isinstance(cause, kinds) for cause in causes):
            return kind(f"{name}: {text}", code=code)
    return ConnectionFailed(f"{name}: {type(error).__name__}", code="other")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all exceptions inside it: `requests` wraps exceptions of `urllib3`, which wrap those of sockets."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        cause = todo.pop()
        if isinstance(cause, BaseException) and cause not in seen:
            seen.append(cause)
            todo += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *(cause.args[:2])]
            yield cause
