"""HTTP with bounds: a `requests` session. An answer fails if it is not complete by a deadline, or is too large."""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import requests
import requests.exceptions as lib
import urllib3.exceptions as wire

from exporter.deadline import Deadline
from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse, VodError
from exporter.model import OTHER
from exporter.vod import route
from exporter.vod.body import read_body
from exporter.vod.session import Session


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer. `content` is decompressed; the names of `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Http:
    """A connection pool for one endpoint. It verifies TLS, follows no redirect and keeps no cookie.

    The route of the environment is looked up for the first request, and again after a failure.
    """

    def __init__(self, connections: int) -> None:
        self._session = Session(connections)
        self._way: route.Route | None = None

    def close(self) -> None:
        """Close the connections that no call uses. Those of calls under way close when the call ends."""
        self._session.close()

    def post(self, url: str, *, headers: Mapping[str, str], deadline: Deadline, name: str) -> Answer:
        """POST with an empty body. Raises the errors of `exchange`; the text of each starts with `name`."""
        try:
            way = self._way = self._way or route.find(url)
            return exchange(self._session, "POST", url, headers=headers, deadline=deadline, way=way)
        except VodError as error:
            failure = error
        self._way = None
        raise type(failure)(f"{name}: {failure}", code=failure.code)


def exchange(
    session: Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    deadline: Deadline,
    way: route.Route | None = None,
    body: bytes = b"",
) -> Answer:
    """Send one request by this way, or by that of the environment, and return the complete answer.

    Raises `ConnectionFailed`, `DeadlineError`, `MalformedResponse`, and `CredentialsError` for keys that an HTTP header
    cannot contain.
    """
    if deadline.expired:
        raise DeadlineError("the deadline passed before the request was sent", code="timeout")
    way = way or route.find(url)
    try:
        with session.send(method, url, headers=headers, body=body, route=way, deadline=deadline) as response:
            return Answer(response.status_code, response.headers, read_body(response))
    except (requests.RequestException, wire.HTTPError, OSError, ValueError) as error:
        failure = _translated(error, way)
    # Not raised inside `except`: the original exception would be its context, and may quote headers with keys.
    raise failure


# Exceptions of `requests`, `urllib3` and sockets, and the error that replaces them. The first matching row counts: one
# exception often has several others inside, and the rows go from the specific cause to the general one. `{way}` is the
# host and the proxy, `{reason}` what `_reason` finds.
_TRANSLATIONS: tuple[tuple[tuple[type[BaseException], ...], type[VodError], str, str], ...] = (
    (
        (lib.ProxyError, wire.ProxyError, lib.InvalidProxyURL, wire.ProxySchemeUnknown),
        *(ConnectionFailed, "proxy", "the proxy {way.proxy} cannot be used{reason}; check {way.variable}"),
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
        *(ConnectionFailed, "dns", "the host name {way} does not resolve; check region, endpoint and DNS"),
    ),
    (
        (lib.SSLError, wire.SSLError, ssl.SSLError),
        *(ConnectionFailed, "tls", "TLS with {way} failed{reason}; check the endpoint and the CA certificates"),
    ),
    (
        (wire.NewConnectionError,),
        *(ConnectionFailed, "connect", "no connection to {way}{reason}; check endpoint and firewall"),
    ),
    (
        (lib.ConnectTimeout, wire.ConnectTimeoutError),
        *(ConnectionFailed, "connect_timeout", "connecting to {way} took too long; check endpoint and firewall"),
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


def _translated(error: Exception, way: route.Route) -> VodError:
    """The error that replaces `error`. The texts of the libraries are not repeated, because they may quote headers."""
    causes = list(_causes(error))
    for kinds, kind, code, text in _TRANSLATIONS:
        if any(isinstance(cause, kinds) for cause in causes):
            return kind(text.format(way=way, reason=_reason(causes)), code=code)
    return ConnectionFailed(type(error).__name__, code=OTHER)


def _reason(causes: Sequence[BaseException]) -> str:
    """What the operating system, OpenSSL or the proxy said, in their fixed terms, after a colon; empty if unknown."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f": {cause.verify_message}"
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return f": {cause.reason.lower().replace('_', ' ')}"
        if isinstance(cause, socket.gaierror):
            return ": its host name does not resolve"
        if isinstance(cause, OSError) and cause.errno:
            return f": {os.strerror(cause.errno)}"
        if status := re.match(r"Tunnel connection failed: (\d{3})\b", str(cause)):
            return f": it answered {status[1]}"
    return ""


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
