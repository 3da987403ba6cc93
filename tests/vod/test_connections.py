"""Connections end by the deadline, are reused, and verify TLS."""

from __future__ import annotations

import gzip
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import ConnectionFailed, DeadlineError, MalformedResponse, VodError
from exporter.vod.connections import MAX_ANSWER_LINES
from exporter.vod.transport import Http
from tests.conftest import fastest, wait_until
from tests.vod.behaviours import (
    LONG,
    MUCH,
    SHORT,
    SOON,
    dripped_body,
    dripped_chunk_size,
    dripped_chunks,
    dripped_continue,
    dripped_endless_body,
    dripped_gzip,
    dripped_head,
    dripped_headers,
    dripped_redirect,
    dripped_trailers,
    endless_chunk_extensions,
    endless_interim_answers,
    endless_proxy_headers,
    endless_trailers,
    failure,
    hang,
    post,
    stall,
)

pytestmark = pytest.mark.usefixtures("bare_environment")

Start = Callable[..., Any]
Make = Callable[..., bytes]


SLOW = [
    *(dripped_head, dripped_headers, dripped_continue, dripped_body, dripped_endless_body, dripped_chunks),
    *(dripped_chunk_size, dripped_trailers, dripped_gzip, dripped_redirect, hang, stall),
]


@pytest.mark.slow
@pytest.mark.parametrize("slowly", SLOW)
def test_the_deadline_holds_for_slow_headers_bodies_and_chunks(http_: Http, wire: Start, slowly: Any) -> None:
    """The timeout of `requests` is per read, so each of these servers would block it for ever."""
    server = wire(slowly)
    started = time.monotonic()
    error = failure(http_, server.url, SHORT)
    assert time.monotonic() - started < SOON
    assert (type(error), error.code) == (DeadlineError, "timeout")
    assert len(server.heads) == 1


FLOODS = [endless_trailers, endless_chunk_extensions, endless_interim_answers]


@pytest.mark.no_cover
@pytest.mark.parametrize("flood", FLOODS, ids=["trailers", "chunk extensions", "interim answers"])
def test_all_bytes_of_an_answer_are_bounded(http_: Http, wire: Start, flood: Any) -> None:
    """They are no part of the body, and `http.client` reads them without a limit."""
    server = wire(flood)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "too_large")
    server.stop()
    assert server.sent < MUCH  # this includes data in the buffers of the sockets


@pytest.mark.no_cover
def test_the_headers_of_a_proxy_are_bounded(http_: Http, behind: Start) -> None:
    proxy = behind(endless_proxy_headers)
    # From Python 3.12 on, http.client itself refuses more than 100 headers of a proxy.
    assert failure(http_, "https://vod.example").code in ("too_large", "not_http")
    proxy.stop()
    assert proxy.sent < MUCH


def test_an_answer_after_interim_answers_and_with_trailers_is_read(http_: Http, wire: Start, chunked: Make) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * 3
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = wire(interim + head + chunked(b"{", b"}", end=b"0\r\nX-T: 1\r\n\r\n"))
    assert [post(http_, server.url).content for _ in range(2)] == [b"{}"] * 2


def test_the_lines_of_an_answer_are_bounded(http_: Http, wire: Start, chunked: Make) -> None:
    """Each takes time to read: endless trailers took two thirds of a core."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    few, many = (
        head + chunked(b"{", b"}", end=b"0\r\n" + b"X-T: 1\r\n" * lines + b"\r\n")
        for lines in (MAX_ANSWER_LINES - 10, MAX_ANSWER_LINES)
    )
    assert post(http_, wire(few).url).content == b"{}"
    assert failure(http_, wire(many).url).code == "too_large"


@pytest.mark.slow
def test_silence_after_late_bytes_gets_no_extra_time(http_: Http, wire: Start) -> None:
    """Each read waits for the time left, not for the whole time again."""

    def late(server: Any, connection: socket.socket) -> None:
        server.stopping.wait(3.0)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        server.stopping.wait(20)

    url, codes = wire(late).url, list[str]()
    # With the whole time again it ends after 6.5 s.
    assert fastest(lambda: codes.append(failure(http_, url, 3.5).code), wanted=5.0) < 6.5
    assert set(codes) == {"timeout"}


@pytest.mark.slow
@pytest.mark.parametrize("slowly", [dripped_head, dripped_body, hang])
@pytest.mark.usefixtures("trusted")
def test_the_deadline_holds_over_tls(http_: Http, wire: Start, tls: Start, slowly: Any) -> None:
    server = wire(slowly, tls())
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON


@pytest.mark.slow
def test_the_deadline_holds_on_a_connection_used_before(http_: Http, wire: Start, answer: Make) -> None:
    """The time left for the answer before does not limit the next answer."""

    def slower_each_time(server: Any, connection: socket.socket) -> bool:
        if len(server.heads) < 3:
            server.stopping.wait(3.2 * (len(server.heads) - 1))
            connection.sendall(answer())
            return True
        return bool(server.stopping.wait(20))

    server = wire(slower_each_time)
    post(http_, server.url, 3.0)
    post(http_, server.url, LONG)
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON
    assert server.connections == 1


@pytest.mark.slow
def test_the_deadline_holds_if_a_tls_peer_does_not_respond(http_: Http, wire: Start) -> None:
    server = wire(hang)  # waits for a request head that is never sent
    started = time.monotonic()
    error = failure(http_, server.url.replace("http:", "https:"), SHORT)
    assert time.monotonic() - started < SOON
    assert (type(error), error.code) == (DeadlineError, "timeout")


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose backlog is full, so that further connections hang."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(("127.0.0.1", port))
            waiting.append(client)
        time.sleep(0.05)
        yield port
        for client in waiting:
            client.close()


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every host name resolves to these addresses."""
    real = socket.getaddrinfo

    def found(host: str, port: int, *more: Any) -> list[Any]:
        if host == "vod.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
        return real(host, port, *more)

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.slow
def test_the_deadline_holds_over_all_addresses_of_a_name(
    http_: Http, full_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`urllib3` gives each address the whole time."""
    names(monkeypatch, *["127.0.0.1"] * 8)
    started = time.monotonic()
    error = failure(http_, f"http://vod.example:{full_port}", SHORT)
    assert time.monotonic() - started < SOON
    assert (type(error), error.code) == (ConnectionFailed, "connect_timeout")


@pytest.mark.slow
def test_an_address_that_does_not_respond_leaves_time_for_the_next(
    http_: Http, wire: Start, full_port: int, monkeypatch: pytest.MonkeyPatch, answer: Make
) -> None:
    """This happens if a host name has IPv6 addresses and the network does not support IPv6."""
    server = wire(answer(), listen=("127.0.0.2", full_port))
    names(monkeypatch, "127.0.0.1", "127.0.0.2")
    assert post(http_, f"http://vod.example:{full_port}", 4.0).status == 200
    assert server.connections == 1


@pytest.mark.slow
@pytest.mark.usefixtures("trusted")
def test_tls_gets_all_the_time_left_and_not_the_share_of_an_address(
    http_: Http, wire: Start, tls: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire(answer(), tls("vod.example"), delay=1.0)
    names(monkeypatch, *["127.0.0.1"] * 40)
    assert post(http_, f"https://vod.example:{server.port}").status == 200


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number


@pytest.mark.parametrize("form", ["length", "empty", "chunked", "gzip", "gzip chunked", "error", "redirect"])
def test_one_connection_serves_many_calls(http_: Http, wire: Start, answer: Make, chunked: Make, form: str) -> None:
    packed = gzip.compress(b"{}")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    forms = {
        "length": answer(),
        "empty": answer(b""),
        "chunked": head + b"\r\n" + chunked(b"{", b"}"),
        "gzip": answer(packed, "Content-Encoding: gzip"),
        "gzip chunked": head + b"Content-Encoding: gzip\r\n\r\n" + chunked(packed[:7], packed[7:]),
        "error": answer(b"{}", status="400 Bad"),
        "redirect": answer(b"moved", "Location: /", status="302 Found"),
    }
    server = wire(forms[form])
    for _ in range(5):
        post(http_, server.url)
    assert (server.connections, len(server.heads)) == (1, 5)


def test_a_pooled_connection_that_the_server_closed_is_not_used(http_: Http, wire: Start, answer: Make) -> None:
    """Load balancers close idle connections; the next call must open a new one without an error."""

    def then_close(server: Any, connection: socket.socket) -> None:
        connection.sendall(answer())

    server = wire(then_close)
    for _ in range(3):
        assert post(http_, server.url).status == 200
        wait_until(server.ended)
    assert (server.connections, len(server.heads)) == (3, 3)


@pytest.mark.no_cover
@pytest.mark.slow
def test_a_thousand_calls_leave_no_descriptors(http_: Http, wire: Start, answer: Make) -> None:
    """The number of open descriptors stays the same over aborted, broken and complete answers."""
    answers = (
        answer(b"x" * 100_000, "Content-Encoding: br"),
        answer(b"{}", length=10),
        answer(b"{}"),
        answer(b"x" * 70_000, "Content-Encoding: gzip"),
    )

    def in_turn(server: Any, connection: socket.socket) -> bool:
        turn = (len(server.heads) - 1) % len(answers)
        connection.sendall(answers[turn])
        return turn != 1  # a wrong length, and then the connection is closed

    server = wire(in_turn)

    def calls(number: int) -> None:
        for _ in range(number):
            with suppress(VodError):
                post(http_, server.url)

    calls(20)
    before = open_files()
    calls(1000)
    assert len(server.heads) == 1020
    wait_until(lambda: open_files() <= before + 4)  # the server may still be closing the last connections


def test_an_unknown_authority_is_refused(http_: Http, wire: Start, tls: Start, answer: Make) -> None:
    server = wire(answer(), tls())
    error = failure(http_, server.url)
    assert (type(error), error.code) == (ConnectionFailed, "tls")
    assert "check the endpoint and the CA certificates" in str(error)
    assert server.heads == []


@pytest.mark.usefixtures("trusted")
def test_a_trusted_authority_is_accepted(http_: Http, wire: Start, tls: Start, answer: Make) -> None:
    server = wire(answer(), tls())
    assert [post(http_, server.url).content for _ in range(3)] == [b"{}"] * 3
    assert server.connections == 1


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(http_: Http, wire: Start, tls: Start, answer: Make) -> None:
    server = wire(answer(), tls("vod.other.example"))
    assert failure(http_, server.url).code == "tls"
    assert server.heads == []


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_a_ca_bundle_without_certificates_is_named(
    http_: Http,
    wire: Start,
    tls: Start,
    answer: Make,
    text: str | None,
    bare_environment: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = bare_environment / "bundle.pem"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    error = failure(http_, wire(answer(), tls()).url)
    assert (type(error), error.code) == (ConnectionFailed, "tls")
    assert "CA" in str(error)


def test_tls_to_a_port_without_tls_is_an_error(http_: Http, wire: Start) -> None:
    server = wire(b"", greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    error = failure(http_, server.url.replace("http:", "https:"))
    assert (type(error), error.code) == (ConnectionFailed, "tls")
