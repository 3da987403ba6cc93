"""The event callback: VOD tells that jobs have ended, and the next scrape asks about these first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.errors import StateError
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.secret import SecretText
from exporter.vod import events
from exporter.web.api import Desk, KeyReader, read_body

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Callback:
    """The callback of one account: `url` is the address to the letter as VOD has it, `key` reads its key.

    `url` is not shown, for its query may hold a secret. `key` is called for each event, and raises `ValueError` where
    there is none to be had.
    """

    url: str = field(repr=False)
    key: Callable[[], SecretText]


class Callbacks:
    """`/callback/NAME`. An event is acknowledged once the ledger has it; VOD is never asked here.

    `accounts` and `callbacks` are called for each event.
    """

    def __init__(
        self,
        accounts: Callable[[], Mapping[str, Account]],
        callbacks: Callable[[], Mapping[str, Callback]],
        telemetry: Telemetry,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._callbacks = callbacks
        self._telemetry = telemetry
        self._clock = clock
        self._keys = KeyReader()
        self._desk = Desk()

    def routes(self) -> list[Route]:
        return [Route("/callback/{name}", self._callback, methods=["POST"])]

    async def _callback(self, request: Request) -> Response:
        name = request.path_params["name"]
        account = self._accounts().get(name)
        if account is None:
            raise HTTPException(404, "no account has this name")
        self._authenticate(request, name)
        with self._desk.place():
            body = await read_body(request)
            return await self._desk.work(self._take, account, body)

    def _authenticate(self, request: Request, name: str) -> None:
        """Before the body is read: the signature does not cover it, and strangers' bodies cost memory."""
        callback = self._callbacks().get(name)
        key = self._keys.read(f"callback key of {name}", callback.key) if callback is not None else None
        if callback is None or key is None:
            raise HTTPException(403, "this account takes no events: the configuration has no callback key for it")
        challenge = {"WWW-Authenticate": "X-VOD-SIGNATURE"}
        given, timestamp = (request.headers.get(header, "") for header in ("x-vod-signature", "x-vod-timestamp"))
        if not events.authentic(given, url=callback.url, timestamp=timestamp, key=key):
            detail = "X-VOD-SIGNATURE is not made of this callback's address, X-VOD-TIMESTAMP and the key"
            raise HTTPException(401, detail, challenge)
        if not events.fresh(timestamp, now=self._clock()):
            minutes = events.MAX_AGE_SECONDS / 60
            detail = f"X-VOD-TIMESTAMP is more than {minutes:.0f} minutes from this machine's time"
            raise HTTPException(401, detail, challenge)

    def _take(self, account: Account, body: bytes) -> Response:
        try:
            event = events.parse(events.decode(body))
        except ValueError:
            raise HTTPException(400, "the body is neither JSON nor Base64 of it") from None
        self._telemetry.event(account.name, event.type)
        self._telemetry.malformed(account.name, event.malformed)
        try:
            for job in event.jobs:
                account.event(job_id=job.id, video_id=event.video_id, processing=job.processing)
        except StateError as error:
            _log.error("event not kept", extra={"account": account.name, "error": str(error)})
            raise HTTPException(503, "the event cannot be kept now; send it again", {"Retry-After": "1"}) from None
        if event.video_id and not event.jobs:  # all of it failed, or its jobs cannot be read
            account.event(job_id="", video_id=event.video_id, processing=None)
        return Response()
