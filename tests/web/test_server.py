"""The server stops in order: it answers requests in progress, and does not wait for clients that do not read."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from starlette.types import Receive, Scope, Send

from tests.conftest import wait_until

GET = "GET {} HTTP/1.1\r\nHost: x\r\n\r\n"
Serve = Callable[..., Any]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(1.0)
    body = b"x" * (8 * 1024 * 1024 if scope["path"] == "/big" else 5)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def test_a_request_in_progress_is_answered_after_a_stop(serve: Serve) -> None:
    served = serve(app)
    client = served.send(GET.format("/slow"))
    wait_until(lambda: served.server.server_state.tasks)
    assert served.stop() >= 0.5
    assert b"xxxxx" in client.recv(4096)
    assert client.recv(1) == b""


def test_a_timeout_that_was_raised_since_the_start_counts_at_the_stop(serve: Serve) -> None:
    """As after a reload of `scrape.timeout`. A lower timeout does not shorten the time of earlier requests."""
    served = serve(app)
    served.server.config.timeout_graceful_shutdown = 0.2
    client = served.send(GET.format("/slow"))
    wait_until(lambda: served.server.server_state.tasks)
    served.server.stop(timeout=3.0)
    answer = b""
    while part := client.recv(4096):
        answer += part
    assert answer.endswith(b"xxxxx")
    grace = served.server.config.timeout_graceful_shutdown
    served.server.stop(timeout=1.0)
    assert served.server.config.timeout_graceful_shutdown == grace > 3.0


def test_a_large_response_in_progress_is_sent_completely(serve: Serve) -> None:
    served = serve(app)
    client = served.send(GET.format("/big"), receive_buffer=65536)
    wait_until(lambda: served.server.server_state.total_requests)
    served.server.stop()
    taken = 0
    while part := client.recv(1024 * 1024):
        taken += len(part)
        time.sleep(0.02)
    assert taken > 8 * 1024 * 1024


def test_a_stop_does_not_wait_for_silent_and_unreading_clients(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A silent one, half a request, an idle connection, and a response that is not read."""
    served = serve(app)
    served.connect()
    served.send("GET / HTTP/1.1\r\nHo")
    idle = served.send(GET.format("/"))
    assert idle.recv(4096)
    served.send(GET.format("/big"), receive_buffer=4096)
    wait_until(lambda: served.server.server_state.total_requests == 2)
    assert served.connections == 4
    assert served.stop() < 6
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
    served.server.stop()
    assert served.stop() < 5


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", int(served.url.rpartition(":")[2])))
