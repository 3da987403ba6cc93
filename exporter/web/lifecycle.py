"""The management routes: health, readiness, and reloading the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.masks import mask
from exporter.text import clean

_MAX_FAULT = 1000  # characters


class Lifecycle:
    """Serves `/-/healthy`, `/-/ready` and `/-/reload`.

    `reload` loads the configuration again and returns its faults; while it is None, `/-/reload` answers 403.
    """

    def __init__(self) -> None:
        self.reload: Callable[[], Sequence[str]] | None = None
        self._reloading = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The routes to add to the app."""
        return [
            Route("/-/healthy", self._healthy),
            Route("/-/ready", self._ready),
            Route("/-/reload", self._reload, methods=["POST"]),
        ]

    async def _healthy(self, _: Request) -> Response:
        return PlainTextResponse("vod-transcode-exporter is healthy.\n")

    async def _ready(self, _: Request) -> Response:
        return PlainTextResponse("vod-transcode-exporter is ready.\n")

    async def _reload(self, request: Request) -> Response:
        if self.reload is None:
            raise HTTPException(
                403, "reloading by HTTP is off; start the exporter with --web.enable-lifecycle, or send it SIGHUP"
            )
        if _is_of_another_site(request):
            raise HTTPException(
                403,
                "a page of another site sent this request; send it without a browser (curl -X POST), or send SIGHUP",
            )
        # Requests wait for this lock in the event loop. In worker threads, they would block threads for other requests.
        async with self._reloading:
            faults = await run_in_threadpool(self.reload)
        if faults:
            lines = "".join(f"{mask(clean(fault), limit=_MAX_FAULT)}\n" for fault in faults)
            return PlainTextResponse(f"reload failed:\n{lines}", 500)
        return PlainTextResponse("configuration reloaded\n")


def _is_of_another_site(request: Request) -> bool:
    """Whether a browser sent the request for a page that the exporter did not serve.

    Other programs send neither of these headers. A browser sends `Sec-Fetch-Site` only over TLS or to this machine:
    https://www.w3.org/TR/fetch-metadata/
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2].lower() != request.headers.get("host", "").lower()
