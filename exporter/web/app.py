"""The HTTP interface: joins the routes of all parts and explains refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.keys import Key
from exporter.masks import mask
from exporter.metrics.telemetry import Telemetry
from exporter.model import OTHER
from exporter.scrape.account import Account
from exporter.scrape.inbox import Remote
from exporter.scrape.scraper import Scraper
from exporter.web import openapi
from exporter.web.api import Api
from exporter.web.callback import Callback, Callbacks
from exporter.web.crowd import STATES, Crowd
from exporter.web.guard import Guard, with_headers
from exporter.web.lifecycle import Lifecycle
from exporter.web.listing import Query
from exporter.web.pages import HEADERS, status_page
from exporter.web.proxied import origin_form
from exporter.web.refusals import Refusals
from exporter.web.requests import json_error, json_response
from exporter.web.runbooks import Runbooks
from exporter.web.scrapes import Scrapes
from exporter.web.sharing import Pause, SharedPages
from exporter.web.site import Site
from exporter.web.troubles import exporter_troubles

MAX_HEADERS = 100

_CLOSE = {"Connection": "close"}
_PROGRAM_PATHS = ("/api/", "/callback/")  # clients of these paths expect JSON


class Interface:
    """Answers HTTP requests from `scraper`. `timeout` and `offset` are those of section `scrape`, in seconds.

    Without `api_token` the API answers 403. `callbacks` maps account names to event callbacks. Keys are read for each
    request; if a key cannot be read, the request gets 503. `clock` returns Unix seconds.
    """

    def __init__(
        self,
        scraper: Scraper,
        telemetry: Telemetry,
        *,
        timeout: float,
        offset: float,
        site: Site | None = None,
        api_token: Key | None = None,
        callbacks: Mapping[str, Callback] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scraper = scraper
        self._telemetry = telemetry
        self._refusals = Refusals(telemetry)
        self.crowd = Crowd(refused=self._refused)
        telemetry.connections(STATES, self.crowd.count)
        self._site = site or Site()
        self._clock = clock
        self._scrapes = Scrapes(scraper, telemetry, self._site)
        self._lifecycle = Lifecycle()
        self._pages = SharedPages(self._status_page, self._scrapes)
        self.configure(timeout=timeout, offset=offset, api_token=api_token, callbacks=callbacks)

        def held() -> Mapping[str, Account]:
            return scraper.accounts

        def remote() -> Mapping[str, Remote]:
            return scraper.remote

        self._routes = [
            Route("/", self._status),
            *self._scrapes.routes(),
            *self._lifecycle.routes(),
            *Runbooks().routes(),
            Route("/api/v1/openapi.json", self._openapi),
            *Api(held, token=lambda: self._api_token, remote=remote).routes(),
            *Callbacks(held, lambda: self._callbacks, telemetry, clock=clock, remote=remote).routes(),
        ]

    def configure(
        self,
        *,
        timeout: float,
        offset: float,
        api_token: Key | None = None,
        callbacks: Mapping[str, Callback] | None = None,
    ) -> None:
        """Apply these settings to the requests that follow. Safe to call while requests are answered."""
        self._scrapes.configure(timeout=timeout, offset=offset)
        self._api_token = api_token
        self._callbacks = callbacks or {}

    @property
    def timeout(self) -> float:
        """`scrape.timeout` in seconds: the longest time that a scrape may take."""
        return self._scrapes.timeout

    def app(
        self,
        *,
        reload: Callable[[], Sequence[str]] | None = None,
        guard: Guard | None = None,
        between_scrapes: Callable[[], None] | None = None,
    ) -> ASGIApp:
        """The ASGI app. `reload` loads the configuration again and returns its faults; None turns `/-/reload` off.

        Requests that `guard` refuses are not answered. `between_scrapes` is as in `Scrapes`.
        """
        self._lifecycle.reload = reload
        self._scrapes.between = between_scrapes
        app = Starlette(routes=self._routes, exception_handlers={HTTPException: self._explained})
        # Starlette would redirect `/metrics/` to a URL with the Host header of the request, which the client chooses.
        app.router.redirect_slashes = False

        async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
            scope = origin_form(scope)
            within = self._site.within(scope)
            refused, headers = await guard.judge(within or scope) if guard is not None else (None, ())
            answer: ASGIApp | None = self._refused_at_once(within or scope, refused)
            if answer is None:
                answer = app if within is not None else self._outside(scope)
            await answer(within or scope, receive, with_headers(send, headers))

        return bounded

    def _refused_at_once(self, scope: Scope, refused: HTTPException | None) -> Response | None:
        """The response to a request that reaches no route."""
        if refused is not None:
            return self._refusal(scope, refused.status_code, refused.detail, refused.headers)
        if len(scope["headers"]) > MAX_HEADERS:
            return self._refusal(scope, 431, f"more than {MAX_HEADERS} headers; send fewer")
        if scope["http_version"] not in ("1.0", "1.1"):
            # The preface of HTTP/2 looks like a request. Its other bytes are no HTTP/1.1, so the connection ends.
            return self._refusal(scope, 505, "send HTTP/1.1; the exporter has no HTTP/2", _CLOSE)
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            # Servers and proxies disagree about where such a request ends: RFC 9112, section 6.3.
            detail = "the request has both Content-Length and Transfer-Encoding; send one of them"
            return self._refusal(scope, 400, detail, _CLOSE)
        return None

    def _outside(self, scope: Scope) -> Response:
        """The response to a request outside the prefix. Its path has no route, also if it is `/metrics`."""
        if (url := self._site.redirect(scope)) is not None:
            return RedirectResponse(url, 302)
        return self._refusal(scope, 404, self._no_such_path, route=OTHER)

    @property
    def _no_such_path(self) -> str:
        prefix = self._site.route_prefix
        metrics = f"{prefix}{self._site.telemetry_path}"
        return f"this path does not exist; {prefix}/ is the status page, {metrics} has the metrics"

    def _refused(self, client: str, status: int | str, reason: str) -> None:
        self._refusals.note(route=OTHER, path="", status=status, client=client, reason=reason)

    async def _status(self, request: Request) -> Response:
        page = await self._pages.page(Query.of(request.query_params))
        return HTMLResponse(page, headers=HEADERS)

    def _status_page(self, query: Query, pause: Pause) -> str:
        return status_page(
            self._scraper.snapshot(),
            query,
            self._site,
            exporter_troubles(
                reload_failed=not self._telemetry.reload_successful, refused=self._refusals.unauthorized()
            ),
            now=self._clock(),
            pause=pause,
        )

    async def _openapi(self, _: Request) -> Response:
        return json_response({**openapi.DOCUMENT, "servers": [{"url": self._site.url or "/"}]})

    async def _explained(self, request: Request, error: Exception) -> Response:
        """The response to an `HTTPException`, with what the client can do instead."""
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
        detail, headers = error.detail, dict(error.headers or {})
        if error.status_code == 404 and detail == "Not Found":
            detail = self._no_such_path
        elif error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
            detail = f"this path accepts the methods {headers['Allow']} only"
        return self._refusal(request.scope, error.status_code, detail, headers)

    def _refusal(
        self,
        scope: Scope,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        route: str | None = None,
    ) -> Response:
        """Note the refusal by its route, because each invented path would be a series. Returns the response."""
        detail = mask(detail)
        route = route or next(
            (known.path for known in self._routes if known.matches(scope)[0] is not Match.NONE), OTHER
        )
        client = scope["client"][0] if scope["client"] else ""
        self._refusals.note(route=route, path=scope["path"], status=status, client=client, reason=detail)
        if scope["path"].startswith(_PROGRAM_PATHS):
            return json_error(status, detail, headers)
        return PlainTextResponse(f"{detail}\n", status, headers)
