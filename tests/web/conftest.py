"""The exporter's server in a thread, and clients on raw sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from starlette.types import ASGIApp

from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.vod.client import Client
from exporter.web.app import Interface
from exporter.web.listener import listen, url
from exporter.web.server import Server


class Served:
    """An app on a free port; `stop` waits until the server has ended and returns how long that took."""

    def __init__(self, app: ASGIApp) -> None:
        self._listener = listen("127.0.0.1:0")
        self.url = url(self._listener)
        self._port = self._listener.getsockname()[1]
        self.server = Server(app, self._listener, timeout=5.0)
        self._thread = threading.Thread(target=self.server.serve_until_stopped, daemon=True)
        self._clients: list[socket.socket] = []
        self._thread.start()

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        self._clients.append(client)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(10)
        client.connect(("127.0.0.1", self._port))
        return client

    def send(self, text: str, **options: int) -> socket.socket:
        client = self.connect(**options)
        client.sendall(text.encode("latin-1"))
        return client

    def talk(self, text: str) -> str:
        """What comes back before the server closes the connection."""
        return everything(self.send(text))

    def stop(self) -> float:
        began = time.monotonic()
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        return time.monotonic() - began

    def close(self) -> None:
        self.stop()
        for client in self._clients:
            client.close()


def nothing_asks(*_: object) -> Client:
    """Connects to no VOD: nothing in these tests may ask it."""
    return cast(Client, None)


def everything(client: socket.socket) -> str:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts).decode("latin-1")


@pytest.fixture
def serve() -> Iterator[Callable[[ASGIApp], Served]]:
    """Serves apps until the test ends."""
    with contextlib.ExitStack() as stack:

        def start(app: ASGIApp) -> Served:
            served = Served(app)
            stack.callback(served.close)
            return served

        yield start


@pytest.fixture
def serve_interface(serve: Callable[[ASGIApp], Served]) -> Callable[..., Served]:
    """Serves the exporter's interface over `scraper`."""

    def start(scraper: Scraper, *, telemetry_path: str = "/metrics") -> Served:
        interface = Interface(scraper, Telemetry(), timeout=10.0, offset=0.5, telemetry_path=telemetry_path)
        return serve(interface.app())

    return start


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], object]) -> None:
        until = time.monotonic() + 15
        while not condition():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.02)

    return wait
