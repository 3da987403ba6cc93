"""The server stops in order: it answers requests in progress, and does not wait for clients that do not read."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from starlette.types import Receive, Scope, Send

from exporter.web.listener import listen, url
from exporter.web.server import Server
from tests.conftest import wait_until
from tests.web.conftest import read_to_end

GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
Serve = Callable[..., Any]


gate = threading.Event()


@pytest.fixture(autouse=True)
def closed_gate() -> Iterator[None]:
    """Requests for `/slow` wait until `gate` is set. It is set at the end of the test."""
    gate.clear()
    yield
    gate.set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await asyncio.to_thread(gate.wait, 60)
    body = b"x" * (8 * 1024 * 1024 if scope["path"] == "/big" else 5)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def test_all_sockets_are_served_and_closed_at_the_end() -> None:
    listeners = [listen(f"127.0.0.{number}:0") for number in (1, 2)]
    server = Server(app, listeners, timeout=5.0)
    thread = threading.Thread(target=server.serve_until_stopped, daemon=True)
    thread.start()
    try:
        assert [requests.get(url(each), timeout=20).text for each in listeners] == ["xxxxx", "xxxxx"]
    finally:
        server.stop()
        thread.join(20)
    assert [listener.fileno() for listener in listeners] == [-1, -1]


def test_a_request_in_progress_is_answered_after_a_stop(serve: Serve) -> None:
    served = serve(app)
    client = served.send(GET.format("/slow"))
    wait_until(lambda: served.server.server_state.tasks)
    served.begin_stop()
    assert served.is_running
    gate.set()
    assert read_to_end(client).endswith(b"xxxxx")


def test_a_timeout_that_was_raised_since_the_start_counts_at_the_stop(serve: Serve) -> None:
    """As after a reload of `scrape.timeout`. A lower timeout does not shorten the time of earlier requests."""
    served = serve(app)
    served.server.config.timeout_graceful_shutdown = 0.2
    client = served.send(GET.format("/slow"))
    wait_until(lambda: served.server.server_state.tasks)
    served.server.stop(timeout=30.0)
    wait_until(lambda: not served.listens())
    time.sleep(0.5)  # longer than the timeout of the start
    gate.set()
    assert read_to_end(client).endswith(b"xxxxx")
    grace = served.server.config.timeout_graceful_shutdown
    served.server.stop(timeout=1.0)
    assert served.server.config.timeout_graceful_shutdown == grace > 30.0


def test_a_large_response_in_progress_is_sent_completely(serve: Serve) -> None:
    served = serve(app)
    client = served.send(GET.format("/big"), receive_buffer=65536)
    wait_until(lambda: served.server.server_state.total_requests)
    served.begin_stop()
    assert len(read_to_end(client)) > 8 * 1024 * 1024


@pytest.mark.slow
def test_a_stop_does_not_wait_for_idle_and_unreading_clients(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A new connection, half a request, an idle connection, and a response that is not read."""
    served = serve(app)
    served.server.config.timeout_graceful_shutdown = 600
    served.connect()
    served.send("GET / HTTP/1.1\r\nHo")
    idle = served.send(GET.format("/"))
    assert idle.recv(4096)
    served.send(GET.format("/big"), receive_buffer=4096)
    wait_until(lambda: served.server.server_state.total_requests == 2)
    assert served.connections == 4
    served.stop()
    assert served.connections == 0
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_no_connection_is_accepted_after_the_stop(serve: Serve) -> None:
    served = serve(app)
    assert requests.get(served.url, timeout=10).status_code == 200
    served.stop()
    with pytest.raises(ConnectionRefusedError):
        served.connect()


def test_a_stop_before_the_start_ends_the_server(serve: Serve) -> None:
    served = serve(app)
    served.stop()


def test_signal_handlers_are_left_to_the_caller(serve: Serve) -> None:
    """uvicorn alone would replace them, and end the process by the signal instead of with status 0."""
    before = signal.getsignal(signal.SIGTERM)
    served = serve(app)
    with served.server.capture_signals():
        assert signal.getsignal(signal.SIGTERM) is before


def test_the_port_and_threads_are_released(serve: Serve) -> None:
    threads = threading.active_count()
    served = serve(app)
    requests.get(served.url, timeout=10)
    served.stop()
    assert threading.active_count() <= threads
    assert not served.listens()
