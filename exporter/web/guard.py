"""Checks requests as the web configuration file demands: their password, and their rate."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.types import Message, Scope, Send

from exporter.websecurity.current import Security, WebConfig
from exporter.websecurity.passwords import BusyError, Passwords
from exporter.websecurity.rate import Bucket

HEALTH_PATHS = ("/-/healthy", "/-/ready")  # the kubelet has no password
OWN_KEY_PATHS = ("/api/", "/callback/")  # these requests have keys of their own
RETRY_SECONDS = 5
CHALLENGE = 'Basic realm="vod-transcode-exporter", charset="UTF-8"'

_UNUSABLE = HTTPException(
    503, "the web configuration cannot be used; the log of the exporter says why", {"Retry-After": str(RETRY_SECONDS)}
)
_TOO_MANY = HTTPException(429, "more requests than rate_limit allows; send fewer", {"Retry-After": "1"})
_BUSY = HTTPException(503, "too many passwords are to be checked; try again", {"Retry-After": str(RETRY_SECONDS)})
_UNAUTHORIZED = HTTPException(401, "send the name and the password of a user", {"WWW-Authenticate": CHALLENGE})


class Guard:
    """Judges requests by the file of `web`, as it is at the time of each request."""

    def __init__(self, web: WebConfig) -> None:
        self._web = web
        self._passwords = Passwords()
        self._bucket = Bucket()

    async def judge(self, scope: Scope) -> tuple[HTTPException | None, Sequence[tuple[bytes, bytes]]]:
        """Why the request is refused, or None; and the headers that the response needs in any case."""
        security = await self._web.now()
        headers = security.settings.http_server_config.headers.lines
        return await self._refusal(security, scope), headers

    async def _refusal(self, security: Security, scope: Scope) -> HTTPException | None:
        path: str = scope["path"]
        if path in HEALTH_PATHS:
            return None
        if security.refuses:
            return _UNUSABLE
        if not self._bucket.take(security.settings.rate_limit):
            return _TOO_MANY
        users = security.settings.basic_auth_users
        if not users or path.startswith(OWN_KEY_PATHS):
            return None
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        try:
            accepted = len(given) == 1 and await self._passwords.accept(users, given[0])
        except BusyError:
            return _BUSY
        return None if accepted else _UNAUTHORIZED


def with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    """Adds the headers to the response; each replaces one of the same name."""
    names = {name for name, _ in headers}

    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in names]
            message = {**message, "headers": [*kept, *headers]}
        await send(message)

    return added if headers else send
