"""Handshakes are bounded, and connections with TLS have the same limits as those without."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from exporter.web import connections, crowd, handshake
from exporter.web.crowd import Crowd
from exporter.web.pieces import PIECE_BYTES
from exporter.websecurity.current import WebConfig
from tests.certificates import client_context
from tests.conftest import wait_until
from tests.web.conftest import Serve, Served, read_to_end
from tests.websecurity.conftest import TLS, write

BIG = 8 * 1024 * 1024
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_BIG = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CLIENTS = f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"x" * BIG if scope["path"] == "/big" else scope["scheme"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Refused(list[tuple[int | str, str]]):
    """The status and the reason of each refusal."""

    def note(self, client: str, status: int | str, reason: str) -> None:
        assert client == "127.0.0.1"
        self.append((status, reason))


@pytest.fixture
def refused() -> Refused:
    return Refused()


@pytest.fixture(autouse=True)
def time_by_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends by time unless the test says so. Else a busy machine is a slow client."""
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 600.0)
    monkeypatch.setattr(handshake, "END_SECONDS", 600.0)
    monkeypatch.setattr(connections, "CHECK_SECONDS", 600.0)


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch, time_by_the_test: None) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_SECONDS", 0.2)


@pytest.fixture
def at_most_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MAX_CONNECTIONS", 5)


@pytest.fixture
def served(serve: Serve, folder: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with TLS. After the test it does not wait for the clients that are still connected."""
    yield serve(app, Crowd(refused=refused.note), WebConfig(write(folder, TLS)))
    monkeypatch.setattr(connections, "CLOSING_CHECK_SECONDS", 0.05)


def read_answer(client: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith((b"https", b"http")):
        part = client.recv(4096)
        assert part, "closed"
        answer += part
    return answer


def test_a_request_over_tls_is_answered(served: Served, folder: Path) -> None:
    assert read_to_end(served.send_tls(folder, CLOSE)).endswith(b"https")


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(served: Served, folder: Path) -> None:
    """In one segment. A client of TLS 1.3 sends its request without waiting for the server."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context(folder).wrap_bio(incoming, outgoing, server_hostname="localhost")
    client = served.connect()
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    client.sendall(outgoing.read())
    done = False
    while not done:
        incoming.write(client.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            done = True
    tls.write(CLOSE.encode())
    client.sendall(outgoing.read())
    answer = b""
    while not answer.endswith(b"https"):
        part = client.recv(65536)
        assert part
        incoming.write(part)
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while part := tls.read(65536):
                answer += part


@pytest.mark.parametrize("request_text", [GET, "nonsense\r\n", "GET /" + "x" * 2**22], ids=["GET", "nonsense", "long"])
def test_a_client_without_tls_gets_the_answer_of_go_servers(
    served: Served, refused: Refused, request_text: str
) -> None:
    """Also if it is still sending: a reset of the connection would discard the response."""
    client = served.connect()
    with contextlib.suppress(ConnectionError):
        client.sendall(request_text.encode())
    answer = client.recv(4096) + client.recv(4096)
    assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
    assert refused == [(400, "this is HTTP without TLS")]


def test_a_port_check_is_no_refusal(served: Served, refused: Refused, folder: Path) -> None:
    served.connect().close()
    read_answer(served.send_tls(folder, GET))
    assert refused == []


@pytest.mark.usefixtures("no_time")
@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "a byte", "a part"])
def test_a_client_that_does_not_complete_the_handshake_is_closed(served: Served, refused: Refused, sent: bytes) -> None:
    client = served.connect()
    client.sendall(sent)
    with contextlib.suppress(ConnectionResetError):  # Linux resets a connection whose bytes were not read
        assert client.recv(1) == b""
    wait_until(lambda: served.crowd.count("idle") == 0)
    assert refused == [("tls", "neither a TLS handshake nor a request in time")]


@pytest.mark.usefixtures("no_time")
def test_a_client_without_tls_that_stays_is_closed(served: Served) -> None:
    client = served.send(GET)
    assert b"400" in client.recv(4096)
    wait_until(lambda: served.crowd.count("idle") == 0)


def test_a_silent_client_costs_a_socket_and_no_memory_of_tls(served: Served) -> None:
    clients = [served.connect() for _ in range(5)]
    wait_until(lambda: served.crowd.count("idle") == len(clients))
    assert [member._transport for member in served.crowd._members] == [None] * 5  # type: ignore[attr-defined]
    assert served.connections == 0


@pytest.mark.usefixtures("at_most_five")
@pytest.mark.parametrize("sent", [b"", b"\x16", GET.encode()], ids=["silent", "a byte", "without TLS"])
def test_the_handshake_that_waits_longest_gives_way_and_no_connection_with_tls(
    served: Served, folder: Path, sent: bytes
) -> None:
    idle = served.send_tls(folder, GET)
    read_answer(idle)
    waiting = []
    for count in range(4):
        waiting.append(served.connect())
        waiting[-1].sendall(sent)
        wait_until(lambda wanted=count + 2: served.crowd.count("idle") == wanted)  # type: ignore[misc]
    for _ in range(3):
        read_answer(served.send_tls(folder, GET))
    wait_until(lambda: served.crowd.count("idle") <= 5)
    idle.sendall(GET.encode())
    assert b"200 OK" in read_answer(idle)
    for client in waiting[:3]:
        with contextlib.suppress(ConnectionResetError):
            read_to_end(client)  # closed by the server
    waiting[3].setblocking(False)
    with contextlib.suppress(BlockingIOError):
        assert waiting[3].recv(4096), "closed"


@pytest.mark.usefixtures("at_most_five")
def test_a_flood_of_connections_is_bounded_and_shuts_nobody_out(served: Served, folder: Path) -> None:
    flood = [served.connect() for _ in range(40)]
    assert b"200 OK" in read_answer(served.send_tls(folder, GET))
    assert len(flood) == 40
    wait_until(lambda: served.crowd.count("idle") <= 5)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_version_of_tls_is_refused_and_noted(served: Served, folder: Path, refused: Refused) -> None:
    context = client_context(folder)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(OSError, match=r"."), served.connect() as client:
        context.wrap_socket(client, server_hostname="localhost")
    wait_until(lambda: refused)
    assert refused == [("tls", "TLS handshake failed: unsupported protocol")]
    wait_until(lambda: served.crowd.count("idle") == 0)


def test_a_client_that_resets_during_the_handshake_makes_no_traceback(
    served: Served, refused: Refused, caplog: pytest.LogCaptureFixture
) -> None:
    for sent in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", GET.encode()):
        client = served.connect()
        wait_until(lambda: served.crowd.count("idle") == 1)
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait_until(lambda: served.crowd.count("idle") == 0)
    assert {reason for status, reason in refused if status == "tls"} <= {
        "the connection was closed during the TLS handshake"
    }
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_only_clients_with_an_allowed_name_are_let_in(serve: Serve, folder: Path, refused: Refused) -> None:
    path = write(folder, f"{CLIENTS}  client_allowed_sans: ['2001:db8::1']\n")
    served = serve(app, Crowd(refused=refused.note), WebConfig(path))
    client = served.connect_tls(folder, "client")
    client.sendall(GET.encode())
    assert b"200 OK" in read_answer(client)
    with contextlib.suppress(OSError):
        assert served.connect_tls(folder, "other").recv(1) == b""
    assert refused == [("tls", "the client certificate has no name of client_allowed_sans")]


def test_the_next_handshake_has_the_new_certificate(served: Served, folder: Path) -> None:
    def certificate() -> bytes | None:
        return served.connect_tls(folder).getpeercert(binary_form=True)

    before = certificate()
    for kind in ("crt", "key"):
        (folder / f"other.{kind}").rename(folder / f"server.{kind}")
    assert certificate() not in (before, None)


def test_a_file_without_tls_serves_http_until_it_has_tls(serve: Serve, folder: Path) -> None:
    path = write(folder, "rate_limit: {interval: 0}\n")
    served = serve(app, None, WebConfig(path))
    assert read_answer(served.send(GET)).endswith(b"http")
    write(folder, TLS)
    assert read_answer(served.send_tls(folder, GET)).endswith(b"https")
    assert "HTTPS server" in served.talk(GET)


def unread(served: Served) -> list[int]:
    return [connection.unread for connection in list(served.server.server_state.connections)]  # type: ignore[union-attr]


def buffered(served: Served) -> list[int]:
    """Bytes in the buffers of the connections, without the bodies."""
    return [
        connection.held - connection._pieces.held  # type: ignore[union-attr]
        for connection in list(served.server.server_state.connections)
    ]


def requested(served: Served, count: int) -> None:
    wait_until(lambda: sum(rest > PIECE_BYTES for rest in unread(served)) == count)


def test_clients_that_do_not_read_hold_little_memory_and_delay_nobody(served: Served, folder: Path) -> None:
    """uvicorn alone held 10 MB for a body of 6 MB."""
    clients = [served.send_tls(folder, GET_BIG, receive_buffer=4096) for _ in range(12)]
    requested(served, 12)
    assert max(buffered(served)) < 8 * PIECE_BYTES
    assert b"200 OK" in read_answer(served.send_tls(folder, GET))
    assert len(clients) == 12


def test_a_client_that_never_reads_is_closed(served: Served, folder: Path) -> None:
    client = served.send_tls(folder, GET_BIG, receive_buffer=4096)
    requested(served, 1)
    for _ in range(3):
        served.check()
    wait_until(lambda: served.connections == 0)
    assert client.fileno() >= 0


def test_unread_answers_are_bounded(served: Served, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not sent of a body counts. Beyond the limit the oldest responses are dropped at once."""
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", 3 * BIG)
    clients = []
    for _ in range(8):
        clients.append(served.send_tls(folder, GET_BIG, receive_buffer=4096))
        assert clients[-1].recv(1)
    wait_until(lambda: 0 < served.connections <= 3)  # a body stays in memory until its end is sent
    with contextlib.suppress(OSError):  # the first response is cut off
        read_to_end(clients[0])
    assert read_body(clients[-1]) == BIG


def read_body(client: socket.socket) -> int:
    """Reads to the end of a large body. Returns its length."""
    head, taken = b"", 0
    while b"\r\n\r\n" not in head:
        head += client.recv(1)
    while taken < BIG:
        part = client.recv(1 << 20)
        assert part, f"closed after {taken} bytes"
        taken += len(part)
    return taken


def test_a_slow_but_steady_reader_gets_the_whole_response(served: Served, folder: Path) -> None:
    client = served.send_tls(folder, GET_BIG, receive_buffer=65536)
    requested(served, 1)
    (connection,) = served.server.server_state.connections
    taken = 0
    while taken < BIG:
        before = connection.unread  # type: ignore[union-attr]
        while taken < BIG and connection.unread in (before, BIG):  # type: ignore[union-attr]
            part = client.recv(PIECE_BYTES)
            assert part, f"closed after {taken} bytes"
            taken += len(part)
        served.check()


@pytest.mark.usefixtures("at_most_five")
def test_clients_that_do_not_answer_the_end_of_tls_shut_nobody_out(served: Served, folder: Path) -> None:
    """The server closes after a malformed request, and waits for the client to close too."""
    staying = [served.send_tls(folder, "nonsense\r\n\r\n") for _ in range(8)]
    assert b"200 OK" in read_answer(served.send_tls(folder, GET))
    wait_until(lambda: served.connections <= 5)
    assert len(staying) == 8


def test_a_stop_waits_neither_for_handshakes_nor_for_clients_that_stay(
    served: Served, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served.server.config.timeout_graceful_shutdown = 600
    served.connect()
    served.connect().sendall(b"\x16")
    idle = served.send_tls(folder, GET)
    read_answer(idle)
    served.send_tls(folder, GET_BIG, receive_buffer=4096)
    requested(served, 1)
    wait_until(lambda: served.crowd.count("idle") == 3)
    served.stop()
    assert (served.connections, served.crowd.count("idle")) == (0, 0)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_large_response_in_progress_is_sent_completely_after_a_stop(served: Served, folder: Path) -> None:
    client = served.send_tls(folder, GET_BIG, receive_buffer=65536)
    requested(served, 1)
    served.begin_stop()
    assert read_body(client) == BIG
