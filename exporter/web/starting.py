"""Answers probes while a start waits for the disk of the state, so that nobody restarts the process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from exporter.web.lifecycle import Lifecycle
from exporter.web.server import Server
from exporter.websecurity.current import WebConfig

# Until then, clients wait for the start to end. A large state takes some seconds to load, more on a busy machine.
SECONDS = 60.0


@contextlib.contextmanager
def probes_answered(listeners: Sequence[socket.socket], *, prefix: str, web: WebConfig | None) -> Iterator[None]:
    """If the block takes longer than `SECONDS`, health and readiness are served meanwhile. All else gets 503.

    `prefix` is that of all paths. With `web`, connections have TLS if its file says so.
    """
    routes = [route for route in Lifecycle().routes() if route.path != "/-/reload"]
    others = Route("/{path:path}", _not_yet)
    app = Starlette(routes=[Mount(prefix, routes=[*routes, others]), others])
    copies = [listener.dup() for listener in listeners]  # a server closes its sockets
    server = Server(app, copies, timeout=0.0, web=web)
    ended = threading.Event()

    def serve() -> None:
        if not ended.wait(SECONDS):
            server.serve_until_stopped()

    thread = threading.Thread(target=serve, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        server.stop()
        thread.join()
        for copy in copies:
            copy.close()


async def _not_yet(_: Request) -> Response:
    text = "the exporter waits for the disk of its state; see its log\n"
    return PlainTextResponse(text, 503, headers={"Retry-After": "5"})
