"""Connections of clients that send slowly or nothing are closed, and those of others are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web import connections, crowd
from tests.conftest import wait_until

BIG = 8 * 1024 * 1024
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_BIG = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
Serve = Callable[..., Any]

gate = threading.Event()


@pytest.fixture(autouse=True)
def closed_gate() -> Iterator[None]:
    """Requests for `/slow` wait until `gate` is set. It is set at the end of the test."""
    gate.clear()
    yield
    gate.set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Small, large and slow responses."""
    body = b"x" * BIG if scope["path"] == "/big" else b"small"
    if scope["path"] == "/slow":
        await asyncio.to_thread(gate.wait, 60)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(autouse=True)
def checks_by_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server checks a connection only when the test says so. Else a busy machine is a slow client."""
    monkeypatch.setattr(connections, "CHECK_SECONDS", 600.0)


@pytest.fixture
def quick_checks(checks_by_the_test: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.1)


def read_answer(client: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"small"):
        part = client.recv(4096)
        assert part, "closed"
        answer += part
    return answer


@pytest.mark.usefixtures("quick_checks")
def test_a_silent_connection_is_closed(serve: Serve) -> None:
    assert serve(app).connect().recv(1) == b""


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("", "GET / HTTP/1.1\r\nHost: "),
        (GET, "GET / HTTP/1.1\r\nHost: "),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", "x"),
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
    client.sendall(rest.encode())
    wait_until(lambda: served.connections == 1)
    for _ in range(3):  # an idle connection is not waiting for the client at the first check
        with contextlib.suppress(OSError):  # closed already
            client.sendall(b"x")
        served.check()
    wait_until(lambda: served.connections == 0)


@pytest.mark.usefixtures("quick_checks")
def test_a_client_that_never_reads_is_closed(serve: Serve) -> None:
    served = serve(app)
    for _ in range(12):
        served.send(GET_BIG, receive_buffer=4096)
    wait_until(lambda: served.server.server_state.total_requests == 12)
    wait_until(lambda: served.connections == 0)


@pytest.mark.slow
def test_clients_that_never_read_delay_no_other_client(serve: Serve) -> None:
    """The server holds twelve responses of 8 MB each."""
    served = serve(app)
    for _ in range(12):
        served.send(GET_BIG, receive_buffer=4096)
    wait_until(lambda: served.server.server_state.total_requests == 12)
    read_answer(served.send(GET))
    assert served.connections == 13


@pytest.mark.slow
def test_unread_answers_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest responses are dropped at once, not at the next check, and each is a refusal."""
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", 3 * BIG)
    refused: list[tuple[str, int | str, str]] = []
    served = serve(app, crowd.Crowd(refused=lambda *refusal: refused.append(refusal)))
    clients = []
    for count in range(8):
        clients.append(served.send(GET_BIG, receive_buffer=4096))
        wait_until(lambda wanted=count + 1: served.server.server_state.total_requests == wanted)  # type: ignore[misc]

    def unread() -> list[int]:
        return [connection.unread for connection in list(served.server.server_state.connections)]

    wait_until(lambda: len(unread()) < 8 and sum(unread()) <= 3 * BIG)
    assert len(unread()) >= 2
    wait_until(lambda: len(refused) == 8 - len(unread()))
    assert {refusal[:2] for refusal in refused} == {("127.0.0.1", 503)}
    with contextlib.suppress(ConnectionResetError):  # the first response is cut off
        while len(clients[0].recv(65536)):
            pass
    taken = 0
    while taken < BIG:  # the last response is complete
        part = clients[-1].recv(65536)
        assert part
        taken += len(part)


def test_a_slow_but_steady_reader_gets_the_whole_response(serve: Serve) -> None:
    served = serve(app)
    client = served.send(GET_BIG, receive_buffer=65536)
    wait_until(lambda: served.server.server_state.total_requests == 1)
    (connection,) = served.server.server_state.connections
    taken = 0
    while taken < BIG:
        before = connection.unread
        while taken < BIG and connection.unread in (before, BIG):
            part = client.recv(BIG // 16)
            assert part, f"closed after {taken} bytes"
            taken += len(part)
        served.check()


def test_a_response_that_takes_long_to_make_is_sent(serve: Serve) -> None:
    served = serve(app)
    client = served.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: served.server.server_state.tasks)
    for _ in range(4):
        served.check()
    gate.set()
    assert b"200 OK" in read_answer(client)


def test_an_idle_connection_is_kept(serve: Serve) -> None:
    """Prometheus uses it again after its scrape interval. Only the keep-alive timeout closes it."""
    served = serve(app)
    client = served.send(GET)
    read_answer(client)
    for _ in range(4):
        served.check()
    client.sendall(GET.encode())
    assert b"200 OK" in read_answer(client)


def test_a_small_answer_does_not_wait_for_the_acknowledgement_of_its_head(serve: Serve) -> None:
    """It took 44 ms: Nagle's algorithm held the body back until the client's delayed acknowledgement."""
    served = serve(app)
    read_answer(served.send(GET))
    (connection,) = served.server.server_state.connections
    option = connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert option != 0


@pytest.fixture
def at_most_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MAX_CONNECTIONS", 5)


@pytest.mark.usefixtures("at_most_five")
def test_a_new_connection_takes_the_place_of_the_one_that_rests_longest(serve: Serve) -> None:
    """A thousand idle connections shut out everybody for minutes."""
    served = serve(app)
    resting = []
    for _ in range(5):
        resting.append(served.send(GET))
        read_answer(resting[-1])
    resting[1].sendall(GET.encode())
    read_answer(resting[1])  # now it is not the one that rests longest
    last = [served.send(GET) for _ in range(3)]
    assert all(b"200 OK" in read_answer(client) for client in last)
    wait_until(lambda: served.connections == 5)
    resting[1].sendall(GET.encode())
    assert b"200 OK" in read_answer(resting[1])
    assert [client.recv(1) for client in (resting[0], *resting[2:4])] == [b""] * 3


@pytest.mark.usefixtures("at_most_five")
@pytest.mark.parametrize(
    "sent", ["", "GET / HTTP/1.1\r\nHost: ", "POST / HTTP/1.1\r\nContent-Length: 9\r\nHost: x\r\n\r\n"]
)
def test_connections_that_wait_for_their_client_shut_nobody_out(serve: Serve, sent: str) -> None:
    """Without a request, with a part of one, or without the body of one."""
    served = serve(app)
    waiting = [served.send(sent) for _ in range(8)]
    assert b"200 OK" in read_answer(served.send(GET))
    assert waiting
    wait_until(lambda: served.connections <= 5)


@pytest.mark.usefixtures("at_most_five")
def test_a_connection_whose_response_is_being_made_is_not_closed_for_a_new_one(serve: Serve) -> None:
    served = serve(app)
    slow = served.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: served.crowd.count("active") == 1)
    for _ in range(9):
        read_answer(served.send(GET))
    gate.set()
    assert b"200 OK" in read_answer(slow)


def test_connections_are_active_during_a_request_and_idle_after_it(serve: Serve) -> None:
    served = serve(app)
    idle, slow = served.send(GET), served.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    read_answer(idle)
    wait_until(lambda: (served.crowd.count("active"), served.crowd.count("idle")) == (1, 1))
    gate.set()
    read_answer(slow)
    wait_until(lambda: (served.crowd.count("active"), served.crowd.count("idle")) == (0, 2))


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
    assert served.connections == 1
    for _ in range(2):
        served.check()
    wait_until(lambda: served.connections == 0)


def test_an_upgrade_header_is_ignored_without_a_log_line(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b"200 OK" in read_answer(serve(app).send(request))
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
