"""The HTTP server: uvicorn on sockets that are already open, with an orderly `stop`."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import socket
from asyncio import Protocol
from collections.abc import Iterator, Sequence
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from exporter.web.acceptor import Acceptor
from exporter.web.connections import BoundedProtocol
from exporter.web.crowd import Crowd
from exporter.websecurity.current import WebConfig

KEEP_ALIVE_SECONDS = 120  # longer than usual scrape intervals, so that Prometheus can reuse its connection
GRACE_SECONDS = 5.0  # to send responses after a stop, in addition to the time that a scrape may take


class Server(uvicorn.Server):
    """Serves `app` on the listening sockets `listeners`. `timeout` is the longest time of a request, in seconds.

    `crowd` bounds the connections. With `web`, they have TLS if its file says so.
    """

    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[socket.socket],
        *,
        timeout: float,
        crowd: Crowd | None = None,
        web: WebConfig | None = None,
    ) -> None:
        self._crowd = crowd or Crowd()
        self._web = web
        super().__init__(
            uvicorn.Config(
                app,
                http=cast("type[Protocol]", partial(BoundedProtocol, crowd=self._crowd)),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(timeout + GRACE_SECONDS),
            )
        )
        self._listeners = listeners

    def serve_until_stopped(self) -> None:
        """Block until `stop` is called. Then wait up to `timeout` + `GRACE_SECONDS` until requests are answered."""
        _allow_more_descriptors()
        with contextlib.ExitStack() as opened:
            for listener in self._listeners:  # uvicorn does not close them in every version that pyproject.toml allows
                opened.enter_context(listener)
            self.run(sockets=list(self._listeners))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections. uvicorn itself does that without a web configuration file."""
        if self._web is None:
            await super().startup(sockets)
            return
        await self.lifespan.startup()
        acceptors = [Acceptor(listener, self._web, self._crowd, self._connect) for listener in sockets or ()]
        self.servers = cast("list[asyncio.Server]", acceptors)
        self.started = True

    def _connect(self) -> BoundedProtocol:
        state, loop = self.lifespan.state, asyncio.get_running_loop()
        return BoundedProtocol(self.config, self.server_state, state, loop, crowd=self._crowd)

    def stop(self, *, timeout: float = 0.0) -> None:
        """End `serve_until_stopped`. Safe to call from a signal handler or another thread, also before it starts.

        `timeout` is the longest time of a request now, in seconds. It applies if it is larger than the value of the
        constructor, because a reload may have raised `scrape.timeout`.
        """
        grace = self.config.timeout_graceful_shutdown or 0
        self.config.timeout_graceful_shutdown = max(grace, math.ceil(timeout + GRACE_SECONDS))
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's handlers, which end the process by the signal. The command line handles signals itself."""
        yield


def _allow_more_descriptors() -> None:
    """Raise the soft limit of file descriptors to the hard limit, as Go programs do.

    The soft limit, often 1024, only protects programs that use `select`. Nothing here does.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
