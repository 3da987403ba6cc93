"""The event callback: VOD reports that jobs have finished, and the next scrape refreshes these jobs first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.errors import StateError
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.inbox import Happened, Remote
from exporter.vod import events
from exporter.web.admission import Admission
from exporter.web.replays import MAX_EVENTS, Replays, digest
from exporter.web.requests import KeyReader, read_body

_log = logging.getLogger(__name__)

EVENTS_AT_ONCE = 64  # each may hold a body of 1 MiB in memory
THREADS = 6  # a slow disk blocks only these threads; scrapes and pages use others

_CHALLENGE = {"WWW-Authenticate": "X-VOD-SIGNATURE"}
_NEW_KEY = "somebody sees your events: use an https:// URL and a new key"


@dataclass(frozen=True, slots=True)
class Callback:
    """The callback of one account.

    `url` is the callback URL exactly as it is registered with VOD, because VOD signs it; `repr` leaves it out, because
    its query may contain a secret. `key` is read for each event.
    """

    url: str = field(repr=False)
    key: Key


class Callbacks:
    """Serves `/callback/NAME`. It answers 200 once the ledger has the event, and sends no request to VOD.

    An event that was accepted before gets 200 again, and has no effect.

    Calls `accounts` and `callbacks` for each event. `clock` returns Unix seconds.
    """

    def __init__(
        self,
        accounts: Callable[[], Mapping[str, Account]],
        callbacks: Callable[[], Mapping[str, Callback]],
        telemetry: Telemetry,
        *,
        clock: Callable[[], float],
        remote: Callable[[], Mapping[str, Remote]] = dict,
    ) -> None:
        self._accounts = accounts
        self._remote = remote
        self._callbacks = callbacks
        self._telemetry = telemetry
        self._clock = clock
        self._keys = KeyReader()
        self._replays = Replays()
        self._admission = Admission(
            EVENTS_AT_ONCE, f"{EVENTS_AT_ONCE} events are in progress; send this event again in a second"
        )
        self._threads = CapacityLimiter(THREADS)

    def routes(self) -> list[Route]:
        """The routes to add to the app."""
        return [Route("/callback/{name}", self._callback, methods=["POST"])]

    async def _callback(self, request: Request) -> Response:
        name = request.path_params["name"]
        account = self._accounts().get(name) or self._remote().get(name)
        if account is None:
            raise HTTPException(404, "no account has this name")
        with self._admission:
            timestamp = await self._authenticate(request, name)
            body = await read_body(request)
            signed, event = self._replays.signed(name, timestamp, now=self._clock()), digest(body)
            if event in signed:
                return Response()
            if len(signed) >= MAX_EVENTS:
                detail = (
                    f"this signature has authenticated {MAX_EVENTS} other events; if VOD did not send them, {_NEW_KEY}"
                )
                raise HTTPException(401, detail, _CHALLENGE)
            answer = await to_thread.run_sync(self._accept, account, body, limiter=self._threads)
            signed.add(event)
            return answer

    async def _authenticate(self, request: Request, name: str) -> str:
        """The timestamp that the signature covers. Raises 401, 403 or 503 before the body is read.

        The signature does not cover the body, so reading it first would only let strangers occupy memory.
        """
        callback = self._callbacks().get(name)
        if callback is None:
            raise HTTPException(403, "this account accepts no events; set its callback in the configuration")
        key = await self._keys.read(f"callback key of {name}", callback.key)
        given, timestamp = (request.headers.get(header, "") for header in ("x-vod-signature", "x-vod-timestamp"))
        if not events.authentic(given, url=callback.url, timestamp=timestamp, key=key):
            detail = "X-VOD-SIGNATURE does not match callback.url, X-VOD-TIMESTAMP and the callback key"
            raise HTTPException(401, detail, _CHALLENGE)
        if not events.fresh(timestamp, now=self._clock()):
            minutes = events.MAX_AGE_SECONDS / 60
            detail = f"X-VOD-TIMESTAMP differs from the clock of this machine by more than {minutes:.0f} minutes"
            raise HTTPException(401, detail, _CHALLENGE)
        return timestamp

    def _accept(self, account: Account | Remote, body: bytes) -> Response:
        try:
            event = events.parse(events.decode(body))
        except ValueError:
            raise HTTPException(400, "the body is neither JSON nor JSON in Base64") from None
        try:
            if isinstance(account, Remote):  # its holder counts the event
                account.event(Happened(event.type, event.video_id, tuple(event.jobs), tuple(event.malformed)))
                return Response()
            self._telemetry.event(account.name, event.type)
            self._telemetry.malformed(account.name, event.malformed)
            if event.video_id or event.jobs:  # no job: the task failed before it had one, or none can be read
                account.event(event.video_id, *event.jobs)
        except StateError as error:
            _log.error("event could not be stored", extra={"account": account.name, "error": str(error)})
            detail = "the event could not be stored (the log of the exporter says why); send it again"
            raise HTTPException(503, detail, {"Retry-After": "1"}) from None
        return Response()
