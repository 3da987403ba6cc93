"""The server: uvicorn on a socket of ours, ended in order by `stop`."""

from __future__ import annotations

import contextlib
import math
import resource
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from exporter.web.connections import BoundedProtocol

KEEP_ALIVE_SECONDS = 120  # longer than scrape intervals, so that Prometheus keeps its connection
GRACE_SECONDS = 5.0  # for answers, beyond the time that a scrape may take


class Server(uvicorn.Server):
    """Serves `app` on `listener` until `stop`. Requests take up to `timeout` seconds."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, timeout: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
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
        self._listener = listener

    def serve_until_stopped(self) -> None:
        """Requests under way when it is stopped are answered, within `timeout` and `GRACE_SECONDS`."""
        _allow_more_descriptors()
        self.run(sockets=[self._listener])

    def stop(self, *, timeout: float = 0.0) -> None:
        """`timeout` is what requests may take now, where that is more than it was."""
        grace = self.config.timeout_graceful_shutdown or 0
        self.config.timeout_graceful_shutdown = max(grace, math.ceil(timeout + GRACE_SECONDS))
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """In place of uvicorn's, which ends the process by the signal: who runs the server handles signals."""
        yield


def _allow_more_descriptors() -> None:
    """As Go programs do: the soft limit, often 1024, guards programs that use `select`; nothing here does."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
