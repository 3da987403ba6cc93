"""HTTP with bounds: a `requests` session whose answers end by the deadline and stay under a size, whatever arrives.

The timeout of `requests` is per read, so a server that drips a byte a second, in the headers or in the body, holds a
caller for ever. Here the read timeout of a connection is the time for the whole response: before each read from the
socket, its timeout is set to what is left.
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
import urllib3.exceptions as wire
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection

from exporter.deadline import Deadline
from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse, VodError

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 100 videos is about 0.3 MB
_CHUNK_BYTES = 64 * 1024


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until its timeout, counted from the start of the response, has passed in all."""

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
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """Mount it on a session; applies to direct connections and to those through a proxy."""

    _pools = {"http": _Pool, "https": _SecurePool}  # noqa: RUF012 - never changed

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; `content` is decompressed, `headers` are looked up without case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Http:
    """A pooled session that verifies TLS, follows no redirect, keeps no cookie and honours `HTTPS_PROXY`."""

    def __init__(self, connections: int) -> None:
        self._session = requests.Session()
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        adapter = DeadlineAdapter(pool_connections=2, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        self._session.close()

    def post(self, url: str, *, headers: Mapping[str, str], deadline: Deadline, name: str) -> Answer:
        """POST with an empty body. `name` begins the text of what is raised.

        Raises `ConnectionFailed`, `DeadlineError`, `MalformedResponse`, and `CredentialsError` for a header that HTTP
        cannot carry.
        """
        timeout: Any = Timeout(total=max(deadline.remaining(), 0.001))  # connecting and reading together
        try:
            with self._session.post(
                url, headers=headers, auth=_as_signed, timeout=timeout, allow_redirects=False, stream=True
            ) as response:
                return Answer(response.status_code, response.headers, read_body(response))
        except MalformedResponse as error:
            raise MalformedResponse(f"{name}: {error}", code=error.code) from None
        except (requests.RequestException, wire.HTTPError, OSError, ValueError) as error:
            raise _translated(name, error) from None


def _as_signed(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that changes nothing: without one, `requests` puts a password from ~/.netrc over our signature."""
    return request


def read_body(response: requests.Response, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The body, decompressed, of a response that was asked for with `stream=True`.

    Raises `MalformedResponse` past `limit` bytes, for an unknown encoding and for broken gzip; and what `urllib3`
    raises where the connection breaks or the time is over.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise MalformedResponse(f"the answer is encoded as {encoding[:40]!r}", code="encoding")
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
        if unzip is not None:
            try:
                chunk = unzip.decompress(chunk, limit + 1 - len(body))
            except zlib.error as error:
                raise MalformedResponse(f"the answer is broken gzip: {error}", code="encoding") from None
        body += chunk
        if len(body) > limit:
            raise MalformedResponse(f"the answer is over {limit:,} bytes", code="too_large")
    if unzip is not None and not unzip.eof:
        raise MalformedResponse("the answer is broken gzip: it ends early", code="encoding")
    return bytes(body)


def _translated(name: str, error: Exception) -> VodError:
    """What `requests`, `urllib3` and the socket raise, as ours. Their texts hold headers, and are not repeated."""
    causes = list(_causes(error))

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if caused_by(requests.exceptions.ProxyError, wire.ProxyError):
        return ConnectionFailed(f"{name}: the proxy does not connect; check HTTPS_PROXY", code="proxy")
    if caused_by(wire.NameResolutionError):
        return ConnectionFailed(f"{name}: the endpoint's name does not resolve; check region and DNS", code="dns")
    if caused_by(requests.exceptions.SSLError, wire.SSLError, ssl.SSLError):
        return ConnectionFailed(f"{name}: TLS failed; check the endpoint and the CA certificates", code="tls")
    if caused_by(requests.exceptions.ConnectTimeout, wire.ConnectTimeoutError) and not caused_by(
        wire.NewConnectionError
    ):
        return ConnectionFailed(
            f"{name}: no connection within the time; check endpoint and firewall", code="connect_timeout"
        )
    if caused_by(TimeoutError, requests.exceptions.Timeout, wire.TimeoutError):
        return DeadlineError(f"{name}: no whole answer before the deadline", code="timeout")
    if caused_by(wire.NewConnectionError):
        return ConnectionFailed(f"{name}: the endpoint does not connect; check endpoint and firewall", code="connect")
    if caused_by(requests.exceptions.ConnectionError, wire.ProtocolError, OSError):
        return ConnectionFailed(f"{name}: the connection broke before the answer was whole", code="reset")
    if caused_by(ValueError):
        return CredentialsError(
            f"{name}: the keys cannot be sent; check them for line breaks and letters outside ASCII", code="keys"
        )
    return ConnectionFailed(f"{name}: {type(error).__name__}", code="other")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, what it holds and what it came from: `requests` wraps `urllib3`, which wraps the socket's."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            todo += [getattr(one, "reason", None), one.__cause__, one.__context__, *(one.args[:2])]
            yield one
