"""The routes that Prometheus uses: the metrics of all accounts, of one account, and the list of accounts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.deadline import Deadline, scrape_timeout
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.account import Account
from exporter.scrape.scraper import Scraper
from exporter.web.admission import Admission
from exporter.web.requests import held_by, json_response
from exporter.web.site import Site
from exporter.web.targets import Target, host_of, target_groups

SCRAPES_AT_ONCE = 20  # of all accounts
PROBES_AT_ONCE = 4  # of one account; while VOD cannot be reached, each probe waits for its deadline
_BETWEEN_SECONDS = 1.0  # after a scrape: its answer has been sent
THREADS = 400  # for scrapes, which mostly wait; other requests have threads of their own


class Scrapes:
    """Serves the telemetry path, `/probe` and `/sd`. `in_progress` is the number of scrapes in progress.

    `between` is called in the event loop some time after a scrape, if none is in progress then.
    """

    def __init__(self, scraper: Scraper, telemetry: Telemetry, site: Site) -> None:
        self._scraper = scraper
        self._telemetry = telemetry
        self._site = site
        self._threads = CapacityLimiter(THREADS)
        # All probes together leave `SCRAPES_AT_ONCE` threads free, so `/metrics` always finds one.
        self._probes = Admission(
            THREADS - SCRAPES_AT_ONCE,
            f"{THREADS - SCRAPES_AT_ONCE} scrapes of single accounts are in progress; "
            f"scrape the accounts together at {site.telemetry_path}, or raise scrape_interval in Prometheus",
        )
        self._all = Target(scraper, telemetry.whole, scrapes_at_once=SCRAPES_AT_ONCE)
        self._targets: dict[str, Target] = {}
        self._targets_of: Mapping[str, Account] = {}
        self.in_progress = 0
        self.between: Callable[[], None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    def configure(self, *, timeout: float, offset: float) -> None:
        """Apply `scrape.timeout` and `scrape.offset`, in seconds, to the scrapes that follow."""
        self.timeout = timeout
        self._offset = offset

    def routes(self) -> list[Route]:
        """The routes to add to the app."""
        return [
            Route(self._site.telemetry_path, self._metrics),
            Route("/probe", self._probe),
            Route("/sd", self._sd),
        ]

    async def _metrics(self, request: Request) -> Response:
        with self._all.admission:
            return await self._scrape(request, self._all)

    async def _probe(self, request: Request) -> Response:
        names = request.query_params.getlist("account")
        if len(names) != 1 or not names[0]:
            raise HTTPException(400, "name one account in the parameter account of /probe; /sd lists the accounts")
        target = self._target(names[0])
        if target is None:
            self._refuse_remote(names[0])
            raise HTTPException(404, "no account has this name; /sd lists the accounts")
        try:
            with target.admission, self._probes:
                return await self._scrape(request, target)
        except KeyError:
            self._refuse_remote(names[0])
            if names[0] in self._scraper.accounts:
                raise
            raise HTTPException(404, "the account was just removed from the configuration") from None

    def _refuse_remote(self, name: str) -> None:
        remote = self._scraper.remote.get(name)
        if remote is not None:
            raise HTTPException(503, f"{held_by(remote)}; /sd of each replica lists the accounts that it holds")

    def _target(self, name: str) -> Target | None:
        """The target of an account. A target, and what it caches, lives as long as its account."""
        accounts, scraper, telemetry = self._scraper.accounts, self._scraper, self._telemetry
        if accounts is not self._targets_of:
            before, self._targets_of = self._targets, accounts
            self._targets = {
                name: before.get(name)
                or Target(scraper, telemetry.of_account(name), account=name, scrapes_at_once=PROBES_AT_ONCE)
                for name in accounts
            }
        return self._targets.get(name)

    async def _scrape(self, request: Request, target: Target) -> Response:
        header = request.headers.get("x-prometheus-scrape-timeout-seconds")
        deadline = Deadline.after(scrape_timeout(header, offset=self._offset, limit=self.timeout))
        self.in_progress += 1
        self._quiet.clear()
        try:
            return await to_thread.run_sync(target.scrape, request.headers, deadline, limiter=self._threads)
        finally:
            self.in_progress -= 1
            if not self.in_progress:
                self._quiet.set()
                asyncio.get_running_loop().call_later(_BETWEEN_SECONDS, self._use_the_quiet)

    def _use_the_quiet(self) -> None:
        if self.between is not None and not self.in_progress:
            self.between()

    async def quiet(self, seconds: float) -> None:
        """Wait until no scrape is in progress, but at most this time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)

    async def _sd(self, request: Request) -> Response:
        host = host_of(request.headers)
        if host is None:
            raise HTTPException(400, "the Host header is not HOST or HOST:PORT; request http://HOST:PORT/sd")
        host, scheme, prefix = self._site.seen_at(host, request.scope["scheme"])
        return json_response(target_groups(self._scraper.accounts, host=host, scheme=scheme, prefix=prefix))
