"""HTTP with bounds: a `requests` session. An answer fails if it is not complete by a deadline, or is too large."""

from __future__ import annotations

import http.client
import http.cookiejar
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
import requests.exceptions as lib
import urllib3.exceptions as wire

from exporter.deadline import Deadline
from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse, VodError
from exporter.model import OTHER
from exporter.vod.body import read_body
from exporter.vod.connections import DeadlineAdapter, Until


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
        timeout: Any = Until(deadline)
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


# Exceptions of `requests`, `urllib3` and sockets, and the error that replaces them. The first matching row counts: one
# exception often has several others inside, and the rows go from the specific cause to the general one.
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
    return ConnectionFailed(f"{name}: {type(error).__name__}", code=OTHER)


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
