"""Connections are given back, whatever the peer does or leaves undone, and good ones are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web import connections

CHECK = 0.2
BIG = 8 * 1024 * 1024
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_BIG = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
Serve = Callable[..., Any]
Eventually = Callable[[Callable[[], object]], None]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Small, big and slow answers."""
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
    """Sends a byte at a time, faster than the checks, until the server has closed."""
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
    ids=["first request", "second request of a connection", "body after its answer"],
)
def test_a_dripping_client_is_closed(serve: Serve, eventually: Eventually, first: str, rest: str) -> None:
    """Bytes are no progress: only a whole request is."""
    served = serve(app)
    client = served.connect()
    if first:
        client.sendall(first.encode())
        read_answer(client)
    with pytest.raises(OSError, match=r"reset|[Bb]roken"):
        drip(client, rest)
    eventually(lambda: served.connections == 0)


def test_a_client_that_never_reads_is_closed(serve: Serve, eventually: Eventually) -> None:
    """A dozen of them with 8 MB each; a good client is answered meanwhile."""
    served = serve(app)
    for _ in range(12):
        served.send(GET_BIG, receive_buffer=4096)
    began = time.monotonic()
    read_answer(served.send(GET))
    assert time.monotonic() - began < 2
    eventually(lambda: served.connections <= 1)


def test_unread_answers_are_bounded(serve: Serve, eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound those go that wait longest, at once and not with the next check."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 60.0)
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", 3 * BIG)
    served = serve(app)
    clients = []
    for count in range(8):
        clients.append(served.send(GET_BIG, receive_buffer=4096))
        eventually(lambda wanted=count + 1: served.server.server_state.total_requests == wanted)  # type: ignore[misc]
    unread = [one.unread for one in served.server.server_state.connections]
    assert 2 <= len(unread) < 8
    assert sum(unread) <= 3 * BIG
    with contextlib.suppress(ConnectionResetError):  # the first: cut
        while len(clients[0].recv(65536)):
            pass
    taken = 0
    while taken < BIG:  # the last: whole
        part = clients[-1].recv(65536)
        assert part
        taken += len(part)


def test_a_slow_but_steady_reader_gets_all(serve: Serve) -> None:
    client = serve(app).send(GET_BIG, receive_buffer=65536)
    taken = 0
    while taken < BIG:
        part = client.recv(BIG // 16)
        assert part, f"closed after {taken} bytes"
        taken += len(part)
        time.sleep(CHECK / 32)


def test_an_answer_that_takes_long_to_make_is_waited_for(serve: Serve) -> None:
    assert b"200 OK" in read_answer(serve(app).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))


def test_a_connection_at_rest_is_kept(serve: Serve) -> None:
    """Prometheus comes again after its interval; the keep-alive timeout alone ends the wait."""
    client = serve(app).send(GET)
    read_answer(client)
    time.sleep(CHECK * 4)
    client.sendall(GET.encode())
    assert b"200 OK" in read_answer(client)


def test_too_many_connections_are_refused_and_places_freed(
    serve: Serve, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "CHECK_SECONDS", 60.0)  # what is idle stays, however slow the machine
    served = serve(app)
    idle = [served.connect() for _ in range(5)]
    eventually(lambda: served.connections == 5)
    with pytest.raises(ConnectionResetError):
        served.send(GET).recv(1)
    idle[0].close()
    eventually(lambda: served.connections == 4)
    assert b"200 OK" in read_answer(served.send(GET))


def test_nonsense_in_a_body_makes_no_traceback(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """uvicorn would try to answer a second time."""
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
def test_nonsense_is_answered_with_400_that_arrives(serve: Serve, request_text: str) -> None:
    """Also where the client is still sending: a reset would take the answer away. And then it is over."""
    served = serve(app)
    answer = served.talk(request_text)
    assert answer.startswith("HTTP/1.1 400 ")
    assert "64 KiB" in answer


def test_a_refused_client_that_stays_is_closed(serve: Serve, eventually: Eventually) -> None:
    served = serve(app)
    client = served.send("nonsense\r\n\r\n")
    assert b"400" in client.recv(4096)
    eventually(lambda: served.connections == 0)


def test_a_wish_to_upgrade_is_ignored_in_silence(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"200 OK" in read_answer(serve(app).send(request))
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
