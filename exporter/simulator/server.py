"""The simulator: a VOD service over HTTP on loopback.

The API is at `/`, as in VOD. The paths `/simulator/truth`, `/simulator/faults` and `/simulator/clock` are
for tests and for users of the simulator.
"""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Unpack

from exporter.errors import ListenError
from exporter.simulator.handler import Handler
from exporter.simulator.service import Options, Service
from exporter.simulator.wire import resets

_CLOSE_SECONDS = 1.0


class Simulator(Service):
    """A `Service` with an HTTP server on loopback. Use it in a `with`, or call `start()` and `stop()`.

    It serves from a daemon thread at `url`. `listen` is host and port; port 0 takes a free port. The other arguments
    are those of `Service`. Raises `ListenError` if it cannot listen, and `ValueError` as `Service` does.
    """

    def __init__(self, *, listen: tuple[str, int] = ("127.0.0.1", 0), **service: Unpack[Options]) -> None:
        super().__init__(**service)
        self._server = _Server(listen, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="simulator", daemon=True)

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        host, port = self._server.server_address[:2]
        text = str(host)
        return f"http://[{text}]:{port}" if ":" in text else f"http://{text}:{port}"

    def start(self) -> None:
        """Plan the history of the world, then serve."""
        self.world.advance()
        self._thread.start()

    def stop(self) -> None:
        """Close the server and every connection. Safe to call twice, and before `start()`."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Simulator:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 512  # benchmarks open hundreds of connections at once

    def __init__(self, listen: tuple[str, int], service: Service) -> None:
        host, port = listen
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connections: set[socket.socket] = set()
        try:
            super().__init__(listen, partial(Handler, service))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            where = f"{host} port {port}" if host else f"port {port}"
            raise ListenError(
                f"the simulator cannot listen on {where}: {reason}; choose another address or port 0"
            ) from error

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket) and resets(request):
            # The base class would first end the connection normally, and the client would see no reset.
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            self._connections.discard(request)
        super().close_request(request)

    def close_connections(self) -> None:
        """Shut down every open connection, and wait up to a second until their threads have closed them."""
        for connection in list(self._connections):
            # The thread of the connection wakes up, reads the end of the connection and closes it.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # A thread that is still busy with a long answer is left alone: it is a daemon thread.
        until = time.monotonic() + _CLOSE_SECONDS
        while self._connections and time.monotonic() < until:
            time.sleep(0.005)

    def handle_error(self, request: object, client_address: object) -> None:
        """Do nothing. A closed connection is not an error, and the handler answers all other exceptions with 500."""
