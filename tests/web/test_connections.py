"""Connections of slow or silent clients are closed, and those of others are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web import connections
from tests.conftest import wait_until

CHECK = 0.2
BIG = 8 * 1024 * 1024
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_BIG = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
Serve = Callable[..., Any]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Small, large and slow responses."""
    body = b"x" * BIG if scope["path"] == "/big" else b"small"
    if scope["path"] == "/slow":
        await asyncio.sleep(CHECK * 6)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHECK_SECONDS", CHECK)


def read_answer(client: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"small"):
        part = client.recv(4096)
        assert part, "closed"
        answer += part
    return answer


def drip(client: socket.socket, text: str) -> None:
    """Send a byte at a time, faster than the checks, until the server closes the connection."""
    for char in text:
        client.sendall(char.encode())
        time.sleep(CHECK / 8)


def test_a_silent_connection_is_closed(serve: Serve) -> None:
    assert serve(app).connect().recv(1) == b""


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("", "GET / HTTP/1.1\r\nHost: " + "x" * 1000),
        (GET, "GET / HTTP/1.1\r\nHost: " + "x" * 1000),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", "x" * 1000),
    ],
    ids=["first request", "second request of a connection", "body after its response"],
)
def test_a_dripping_client_is_closed(serve: Serve, first: str, rest: str) -> None:
    """Single bytes are no progress; only a complete request is."""
    served = serve(app)
    client = served.connect()
    if first:
        client.sendall(first.encode())
        read_answer(client)
    with pytest.raises(OSError, match=r"reset|[Bb]roken"):
        drip(client, rest)
    wait_until(lambda: served.connections == 0)


def test_a_client_that_never_reads_is_closed(serve: Serve) -> None:
    """With twelve such clients of 8 MB each, another client is still answered."""
    served = serve(app)
    for _ in range(12):
        served.send(GET_BIG, receive_buffer=4096)
    began = time.monotonic()
    read_answer(served.send(GET))
    assert time.monotonic() - began < 2
    wait_until(lambda: served.connections <= 1)


@pytest.mark.slow
def test_unread_answers_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest responses are dropped at once, not at the next check."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 60.0)
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", 3 * BIG)
    served = serve(app)
    clients = []
    for count in range(8):
        clients.append(served.send(GET_BIG, receive_buffer=4096))
        wait_until(lambda wanted=count + 1: served.server.server_state.total_requests == wanted)  # type: ignore[misc]
    unread = [connection.unread for connection in served.server.server_state.connections]
    assert 2 <= len(unread) < 8
    assert sum(unread) <= 3 * BIG
    with contextlib.suppress(ConnectionResetError):  # the first response is cut off
        while len(clients[0].recv(65536)):
            pass
    taken = 0
    while taken < BIG:  # the last response is complete
        part = clients[-1].recv(65536)
        assert part
        taken += len(part)


def test_a_slow_but_steady_reader_gets_the_whole_response(serve: Serve) -> None:
    client = serve(app).send(GET_BIG, receive_buffer=65536)
    taken = 0
    while taken < BIG:
        part = client.recv(BIG // 16)
        assert part, f"closed after {taken} bytes"
        taken += len(part)
        time.sleep(CHECK / 32)


def test_a_response_that_takes_long_to_make_is_sent(serve: Serve) -> None:
    assert b"200 OK" in read_answer(serve(app).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))


def test_an_idle_connection_is_kept(serve: Serve) -> None:
    """Prometheus uses it again after its scrape interval. Only the keep-alive timeout closes it."""
    client = serve(app).send(GET)
    read_answer(client)
    time.sleep(CHECK * 4)
    client.sendall(GET.encode())
    assert b"200 OK" in read_answer(client)


def test_connections_over_the_limit_are_refused_until_others_close(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "CHECK_SECONDS", 60.0)  # idle connections stay open, however slow the machine is
    served = serve(app)
    idle = [served.connect() for _ in range(5)]
    wait_until(lambda: served.connections == 5)
    # The server closes the connection. The client sees an end or a reset: it depends on whether its request came first.
    with contextlib.suppress(ConnectionError):
        assert served.send(GET).recv(1) == b""
    idle[0].close()
    wait_until(lambda: served.connections == 4)
    assert b"200 OK" in read_answer(served.send(GET))


def test_invalid_bytes_in_a_body_make_no_traceback(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn alone would try to send a second response."""
    client = serve(app).send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    read_answer(client)
    client.sendall(b"nonsense\r\n")
    with contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == [
        "Invalid HTTP request received."
    ]
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("request_text", ["nonsense\r\n\r\n", "GET /" + "x" * 2**24], ids=["nonsense", "endless"])
def test_an_invalid_request_gets_a_400_that_arrives(serve: Serve, request_text: str) -> None:
    """Also if the client is still sending: a reset of the connection would discard the response."""
    served = serve(app)
    answer = served.talk(request_text)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "64 KiB" in answer


def test_a_client_that_leaves_during_its_400_makes_no_traceback(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(app)
    client = served.connect()
    wait_until(lambda: served.connections == 1)
    transport = next(iter(served.server.server_state.connections)).transport
    write_eof = transport.write_eof

    def reset_first() -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()  # sends a reset, because of the linger time of 0
        write_eof()

    monkeypatch.setattr(transport, "write_eof", reset_first)
    client.sendall(GET.encode() + b"nonsense\r\n\r\n")  # the end of the good response leads to the 400
    wait_until(lambda: served.connections == 0)
    assert client.fileno() == -1
    assert not [record for record in caplog.records if record.exc_info]


def test_a_refused_client_that_stays_is_closed(serve: Serve) -> None:
    served = serve(app)
    client = served.send("nonsense\r\n\r\n")
    assert b"400" in client.recv(4096)
    wait_until(lambda: served.connections == 0)


def test_an_upgrade_header_is_ignored_without_a_log_line(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"200 OK" in read_answer(serve(app).send(request))
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
