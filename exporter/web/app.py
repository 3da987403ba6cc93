"""The HTTP interface: metrics, service discovery, status page, health, reload, registration API, event callback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.deadline import Deadline, scrape_timeout
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.secret import SecretText
from exporter.vod.fields import clean
from exporter.web import api, openapi
from exporter.web.callback import Callback, Callbacks
from exporter.web.listing import Query
from exporter.web.pages import HEADERS, status_page
from exporter.web.targets import Target, host_of, target_groups

SCRAPES_AT_ONCE = 20  # of all accounts
PROBES_AT_ONCE = 4  # of one account: when VOD cannot be reached each waits for its deadline, and keeps none of another
THREADS = 400  # for scrapes, which mostly wait; the rest has the server's own
PAGES_AT_ONCE = 4  # people look at it, and it must not keep scrapes waiting
MAX_HEADERS = 100
RETRY_AFTER_SECONDS = 1
_MAX_FAULT = 1000  # characters

_FOR_PROGRAMS = ("/api/", "/callback/")  # which read JSON


class Interface:
    """Answers requests from `scraper`. `timeout` and `offset` are in seconds, as `scrape` in the configuration.

    `api_token` reads the token of the API, for each request; without it, or where it returns None, the API answers 403.
    `callbacks` are the event callbacks by the names of their accounts. Where a key cannot be read its callable raises
    `ValueError`, and nobody is let in. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        scraper: Scraper,
        telemetry: Telemetry,
        *,
        timeout: float,
        offset: float,
        telemetry_path: str = "/metrics",
        api_token: Callable[[], SecretText | None] | None = None,
        callbacks: Mapping[str, Callback] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scraper = scraper
        self._telemetry = telemetry
        self.configure(timeout=timeout, offset=offset, api_token=api_token, callbacks=callbacks)
        self._reload: Callable[[], Sequence[str]] | None = None
        self._reloading = asyncio.Lock()
        self._telemetry_path = telemetry_path
        self._clock = clock
        self._scrapes = 0
        self._threads: CapacityLimiter | None = None  # made in the loop that uses it
        self._pages = 0
        self._all = Target(scraper, telemetry.registry)
        self._accounts: dict[str, Target] = {}
        pages = {
            "/": self._status,
            telemetry_path: self._metrics,
            "/probe": self._probe,
            "/sd": self._sd,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
            "/api/v1/openapi.json": self._openapi,
        }
        self._routes = [
            *(Route(path, page) for path, page in pages.items()),
            Route("/-/reload", self._read_again, methods=["POST"]),
            *api.Api(lambda: scraper.accounts, token=self._token).routes(),
            *Callbacks(lambda: scraper.accounts, lambda: self._callbacks, telemetry, clock=clock).routes(),
        ]

    def configure(
        self,
        *,
        timeout: float,
        offset: float,
        api_token: Callable[[], SecretText | None] | None = None,
        callbacks: Mapping[str, Callback] | None = None,
    ) -> None:
        """Answer so from now on. Safe to use while requests are answered."""
        self.timeout = timeout
        self._offset = offset
        self._api_token = api_token
        self._callbacks = callbacks or {}

    def app(self, *, reload: Callable[[], Sequence[str]] | None = None) -> ASGIApp:
        """`reload` reads the configuration again and returns its faults; without it `/-/reload` answers 403."""
        self._reload = reload
        app = Starlette(routes=self._routes, exception_handlers={HTTPException: self._explained})
        app.router.redirect_slashes = False  # would send a client to whatever its Host header names

        async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
            if len(scope["headers"]) > MAX_HEADERS:
                await self._refusal(scope, 431, f"more than {MAX_HEADERS} headers")(scope, receive, send)
            else:
                await app(scope, receive, send)

        return bounded

    async def _metrics(self, request: Request) -> Response:
        return await self._scrape(request, self._all)

    async def _probe(self, request: Request) -> Response:
        names = request.query_params.getlist("account")
        if len(names) != 1 or not names[0]:
            raise HTTPException(400, "name one account: /probe?account=NAME; /sd lists them")
        target = self._targets().get(names[0])
        if target is None:
            raise HTTPException(404, "no account has this name; /sd lists them")
        try:
            return await self._scrape(request, target)
        except KeyError:
            if names[0] in self._scraper.accounts:
                raise
            raise HTTPException(404, "the account has just left the configuration") from None

    def _token(self) -> SecretText | None:
        return self._api_token() if self._api_token is not None else None

    def _targets(self) -> Mapping[str, Target]:
        """Each account apart. What is kept of one stays for as long as there is such an account."""
        before, scraper, telemetry = self._accounts, self._scraper, self._telemetry
        self._accounts = {
            name: before.get(name) or Target(scraper, telemetry.of_account(name), account=name)
            for name in scraper.accounts
        }
        return self._accounts

    async def _scrape(self, request: Request, target: Target) -> Response:
        if target.under_way >= (SCRAPES_AT_ONCE if target is self._all else PROBES_AT_ONCE):
            detail = (
                f"{target.under_way} scrapes of this are under way; let fewer servers scrape, or raise their interval"
            )
            raise HTTPException(503, detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        if self._scrapes >= THREADS - (0 if target is self._all else SCRAPES_AT_ONCE):
            detail = f"{self._scrapes} scrapes are under way; scrape more accounts together, or raise the interval"
            raise HTTPException(503, detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})
        header = request.headers.get("x-prometheus-scrape-timeout-seconds")
        deadline = Deadline.after(scrape_timeout(header, offset=self._offset, limit=self.timeout))
        self._threads = self._threads or CapacityLimiter(THREADS)
        self._scrapes += 1
        target.under_way += 1
        try:
            return await to_thread.run_sync(target.scrape, request.headers, deadline, limiter=self._threads)
        finally:
            self._scrapes -= 1
            target.under_way -= 1

    async def _sd(self, request: Request) -> Response:
        host = host_of(request.headers)
        if host is None:
            raise HTTPException(400, "the Host header tells no address to scrape; ask for http://HOST:PORT/sd")
        return api.answer(target_groups(self._scraper.accounts, host=host, scheme=request.scope["scheme"]))

    async def _status(self, request: Request) -> Response:
        if self._pages >= PAGES_AT_ONCE:
            raise HTTPException(
                503, "the status page is asked for too often", {"Retry-After": str(RETRY_AFTER_SECONDS)}
            )
        self._pages += 1
        try:
            page = await run_in_threadpool(self._status_page, Query.of(request.query_params))
        finally:
            self._pages -= 1
        return HTMLResponse(page, headers=HEADERS)

    def _status_page(self, query: Query) -> str:
        return status_page(self._scraper.snapshot(), query, telemetry_path=self._telemetry_path, now=self._clock())

    async def _healthy(self, _: Request) -> Response:
        return PlainTextResponse("vod-transcode-exporter is healthy.\n")

    async def _ready(self, _: Request) -> Response:
        return PlainTextResponse("vod-transcode-exporter is ready.\n")

    async def _read_again(self, _: Request) -> Response:
        if self._reload is None:
            raise HTTPException(403, "to reload so, start the exporter with --web.enable-lifecycle; SIGHUP always does")
        async with self._reloading:  # waiting here takes no thread
            faults = await run_in_threadpool(self._reload)
        if faults:
            told = "".join(f"{clean(fault, _MAX_FAULT)}\n" for fault in faults)
            return PlainTextResponse(f"reload failed:\n{told}", 500)
        return PlainTextResponse("configuration reloaded\n")

    async def _openapi(self, _: Request) -> Response:
        return api.answer(openapi.DOCUMENT)

    async def _explained(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        detail, headers = error.detail, dict(error.headers or {})
        if error.status_code == 404 and detail == "Not Found":
            detail = f"nothing is served here; / is the status page, {self._telemetry_path} has the metrics"
        elif error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
            detail = f"this address answers {headers['Allow']} only"
        return self._refusal(request.scope, error.status_code, detail, headers)

    def _refusal(self, scope: Scope, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
        route = next((one.path for one in self._routes if one.matches(scope)[0] is not Match.NONE), "other")
        self._telemetry.rejected(path=route, reason=str(status))
        if scope["path"].startswith(_FOR_PROGRAMS):
            return api.refusal(status, detail, headers)
        return PlainTextResponse(f"{detail}\n", status, headers)
