"""HTTP against scripted servers: bounds in time and size, TLS, proxies, connections."""

from __future__ import annotations

import gzip
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.deadline import Deadline
from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse, VodError
from exporter.vod.transport import MAX_BODY_BYTES, Answer, Http

pytestmark = pytest.mark.usefixtures("bare_environment")

SHORT = 0.5
LONG = 20.0
SOON = 3.0  # much later than SHORT, and much earlier than the timeouts of the scripted servers
MUCH = 8 * MAX_BODY_BYTES
HEADERS = {"host": "vod.example", "x-acs-action": "GetTranscodeTask", "authorization": "ACS3-HMAC-SHA256 canary"}

Start = Callable[..., Any]
Make = Callable[..., bytes]


@pytest.fixture
def http_() -> Iterator[Http]:
    made = Http(4)
    yield made
    made.close()


def post(http_: Http, url: str, seconds: float = LONG, **headers: str) -> Answer:
    return http_.post(
        f"{url}/?A=1", headers=HEADERS | headers, deadline=Deadline.after(seconds), name="GetTranscodeTask"
    )


def failure(http_: Http, url: str, seconds: float = LONG, **headers: str) -> VodError:
    with pytest.raises(VodError) as caught:
        post(http_, url, seconds, **headers)
    assert str(caught.value).startswith("GetTranscodeTask: ")
    return caught.value


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number


# --- what is sent ---


def test_the_request_is_a_post_without_a_body(http_: Http, wire: Start, answer: Make) -> None:
    """Some servers refuse a POST without `Content-Length: 0`. No signed header is changed before it is sent."""
    server = wire(answer(b"[]"))
    assert post(http_, server.url).content == b"[]"
    lines = server.heads[0].decode().lower().split("\r\n")
    assert lines[0] == "post /?a=1 http/1.1"
    assert "content-length: 0" in lines
    assert [line for line in lines if line.startswith("host:")] == ["host: vod.example"]
    assert "authorization: acs3-hmac-sha256 canary" in lines


def test_a_netrc_does_not_overwrite_the_signature(
    http_: Http, wire: Start, answer: Make, bare_environment: Path
) -> None:
    netrc = bare_environment / ".netrc"
    netrc.write_text("default login someone password hush\nmachine 127.0.0.1 login someone password hush\n")
    netrc.chmod(0o600)
    server = wire(answer())
    post(http_, server.url)
    assert b"\r\nauthorization: ACS3-HMAC-SHA256 canary\r\n" in server.heads[0]
    assert b"Basic" not in server.heads[0]


def test_no_cookie_is_kept(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"{}", "Set-Cookie: a=1; Path=/"))
    post(http_, server.url)
    post(http_, server.url)
    assert b"cookie" not in server.heads[1].lower()


def test_after_the_deadline_nothing_is_sent(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer())
    assert isinstance(failure(http_, server.url, 0), DeadlineError)
    assert server.heads == []


# --- time ---


def dripped_head(server: Any, connection: socket.socket) -> None:
    server.drip(connection, b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10_000)


def dripped_headers(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.stopping.wait(0.1):
        connection.sendall(b"X: x\r\n")


def dripped_continue(server: Any, connection: socket.socket) -> None:
    while not server.stopping.wait(0.05):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def dripped_body(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    server.drip(connection, b" " * 10_000)


def dripped_endless_body(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    server.drip(connection, b" " * 10_000)


def dripped_chunks(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not server.stopping.wait(0.05):
        connection.sendall(b"1\r\n \r\n")


def dripped_chunk_size(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.drip(connection, b"1;" + b"x" * 10_000)


def dripped_trailers(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
    while not server.stopping.wait(0.05):
        connection.sendall(b"X: x\r\n")


def dripped_gzip(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 65536\r\n\r\n")
    server.drip(connection, gzip.compress(bytes(10_000)) * 10)


def dripped_redirect(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 10000\r\n\r\n")
    server.drip(connection, b" " * 10_000)


def hang(server: Any, connection: socket.socket) -> None:
    server.stopping.wait(20)


def stall(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
    server.stopping.wait(20)


SLOW = [
    *(dripped_head, dripped_headers, dripped_continue, dripped_body, dripped_endless_body, dripped_chunks),
    *(dripped_chunk_size, dripped_trailers, dripped_gzip, dripped_redirect, hang, stall),
]


@pytest.mark.parametrize("slowly", SLOW)
def test_the_deadline_holds_for_slow_headers_bodies_and_chunks(http_: Http, wire: Start, slowly: Any) -> None:
    """The timeout of `requests` is per read, so each of these servers would block it for ever."""
    server = wire(slowly)
    started = time.monotonic()
    error = failure(http_, server.url, SHORT)
    assert time.monotonic() - started < SOON
    assert (type(error), error.code) == (DeadlineError, "timeout")
    assert len(server.heads) == 1


def test_silence_after_late_bytes_gets_no_extra_time(http_: Http, wire: Start) -> None:
    """Each read waits for the time left, not for the whole time again."""

    def late(server: Any, connection: socket.socket) -> None:
        server.stopping.wait(1.3)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        server.stopping.wait(20)

    started = time.monotonic()
    assert failure(http_, wire(late).url, 1.5).code == "timeout"
    assert time.monotonic() - started < 2.4


@pytest.mark.parametrize("slowly", [dripped_head, dripped_body, hang])
@pytest.mark.usefixtures("trusted")
def test_the_deadline_holds_over_tls(http_: Http, wire: Start, tls: Start, slowly: Any) -> None:
    server = wire(slowly, tls())
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON


def test_the_deadline_holds_on_a_connection_used_before(http_: Http, wire: Start, answer: Make) -> None:
    """The time left for the answer before does not limit the next answer."""

    def slower_each_time(server: Any, connection: socket.socket) -> bool:
        if len(server.heads) < 3:
            server.stopping.wait(0.3 * len(server.heads))
            connection.sendall(answer())
            return True
        return bool(server.stopping.wait(20))

    server = wire(slower_each_time)
    post(http_, server.url, 1.0)
    post(http_, server.url, LONG)
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON
    assert server.connections == 1


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


def test_the_deadline_holds_over_all_addresses_of_a_name(
    http_: Http, full_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`urllib3` gives each address the whole time."""
    names(monkeypatch, *["127.0.0.1"] * 8)
    started = time.monotonic()
    error = failure(http_, f"http://vod.example:{full_port}", SHORT)
    assert time.monotonic() - started < SOON
    assert (type(error), error.code) == (ConnectionFailed, "connect_timeout")


def test_an_address_that_does_not_respond_leaves_time_for_the_next(
    http_: Http, wire: Start, full_port: int, monkeypatch: pytest.MonkeyPatch, answer: Make
) -> None:
    """This happens if a host name has IPv6 addresses and the network does not support IPv6."""
    server = wire(answer(), listen=("127.0.0.2", full_port))
    names(monkeypatch, "127.0.0.1", "127.0.0.2")
    assert post(http_, f"http://vod.example:{full_port}", 2 * SHORT).status == 200
    assert server.connections == 1


@pytest.mark.usefixtures("trusted")
def test_tls_gets_all_the_time_left_and_not_the_share_of_an_address(
    http_: Http, wire: Start, tls: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire(answer(), tls("vod.example"), delay=1.0)
    names(monkeypatch, *["127.0.0.1"] * 40)
    assert post(http_, f"https://vod.example:{server.port}").status == 200


# --- no connection, or a broken one ---


def test_a_host_name_that_does_not_resolve_is_an_error(http_: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = failure(http_, "http://vod.nowhere.example")
    assert (type(error), error.code) == (ConnectionFailed, "dns")
    assert str(error).endswith("the host name of the endpoint does not resolve; check region and DNS")


def test_a_refused_connection_is_an_error(http_: Http, wire: Start) -> None:
    server = wire(b"")
    server.stop()
    error = failure(http_, server.url)
    assert (type(error), error.code) == (ConnectionFailed, "connect")


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 70 + ".b", "http://[::1", "ftp://vod.example"])
def test_an_invalid_endpoint_is_an_error(http_: Http, url: str) -> None:
    """The error must not name the keys as the cause."""
    error = failure(http_, url)
    assert (type(error), error.code) == (ConnectionFailed, "url")


def close(server: Any, connection: socket.socket) -> None:
    pass


def reset(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def truncated(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")


def truncated_chunk(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{}")


def missing_last_chunk(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")


@pytest.mark.parametrize("breaks", [close, reset, truncated, truncated_chunk, missing_last_chunk])
def test_a_broken_connection_is_an_error(http_: Http, wire: Start, breaks: Any) -> None:
    """An incomplete answer is never used, and neither `requests` nor `urllib3` retries by itself."""
    server = wire(breaks)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (ConnectionFailed, "reset")
    assert (server.connections, len(server.heads)) == (1, 1)


def test_urllib3_does_not_retry_after_a_503(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"", "Retry-After: 0", status="503 Busy"))
    assert post(http_, server.url).status == 503
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
    ],
    ids=["banner", "no status", "long header", "many headers", "two lengths"],
)
def test_an_answer_that_is_not_http_is_malformed(http_: Http, wire: Start, garbage: bytes) -> None:
    server = wire(garbage)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "not_http")


def test_an_answer_longer_than_its_content_length_is_cut(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"{}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", length=2))
    assert [post(http_, server.url).content for _ in range(3)] == [b"{}"] * 3


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(http_: Http, wire: Start, answer: Make, status: int) -> None:
    """Otherwise a server in between could make the exporter call the metadata service of its machine."""
    metadata = wire(answer(b"role credentials"))
    server = wire(answer(b"", f"Location: {metadata.url}/latest/meta-data/", status=f"{status} Elsewhere"))
    assert post(http_, server.url).status == status
    assert (len(server.heads), metadata.connections) == (1, 0)


def test_the_body_of_a_redirect_is_not_read_without_a_bound(
    http_: Http, wire: Start, answer: Make, bomb: bytes
) -> None:
    """`requests` reads and unpacks the whole body even if redirects are not allowed."""
    server = wire(answer(bomb, "Content-Encoding: gzip", "Location: /", status="302 Found"))
    assert failure(http_, server.url).code == "too_large"


@pytest.mark.parametrize("location", ["http://[", "//", "http://\xe9/", ""])
def test_a_malformed_location_header_is_ignored(http_: Http, wire: Start, answer: Make, location: str) -> None:
    server = wire(answer(b"", f"Location: {location}", status="302 Found"))
    assert post(http_, server.url).status == 302


# --- size ---


def endless(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    server.sent = 0
    while server.sent < MUCH:
        server.sent += connection.send(b" " * 65536)
    server.stopping.wait(20)


def test_a_body_over_the_limit_is_cut_there(http_: Http, wire: Start) -> None:
    server = wire(endless)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "too_large")
    server.stop()
    assert server.sent < MUCH  # this includes data in the buffers of the sockets


def test_a_body_of_exactly_the_limit_is_read(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b" " * MAX_BODY_BYTES))
    assert len(post(http_, server.url).content) == MAX_BODY_BYTES


@pytest.mark.parametrize("over", [0, 1])
def test_the_limit_applies_to_the_unpacked_body(http_: Http, wire: Start, answer: Make, over: int) -> None:
    server = wire(answer(gzip.compress(b" " * (MAX_BODY_BYTES + over)), "Content-Encoding: gzip"))
    if over:
        assert failure(http_, server.url).code == "too_large"
    else:
        assert len(post(http_, server.url).content) == MAX_BODY_BYTES


@pytest.mark.parametrize("members", [1, 3])
def test_a_gzip_bomb_is_cut_at_the_limit(http_: Http, wire: Start, answer: Make, bomb: bytes, members: int) -> None:
    """This holds for the first member and later members."""
    server = wire(answer(gzip.compress(b"{}") * (members - 1) + bomb, "Content-Encoding: gzip"))
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "too_large")


@pytest.mark.parametrize("tail", [gzip.compress(b""), b"\0"], ids=["empty members", "zeros"])
def test_the_limit_applies_to_the_compressed_body_too(http_: Http, wire: Start, tail: bytes) -> None:
    """`zlib` collects bytes after the end of the gzip data without a limit."""

    def send(server: Any, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}"))
        block = tail * (65536 // len(tail))
        for _ in range(MUCH // 65536):
            connection.sendall(block)
        server.stopping.wait(20)

    server = wire(send)
    assert failure(http_, server.url).code in ("too_large", "encoding")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"{}")[:-4], "gzip"),
        (gzip.compress(b"{}") + gzip.compress(b"{}")[:5], "gzip"),
        (gzip.compress(b"{}") + b"garbage", "gzip"),
        (b"{}", "gzip"),
        (b"{}", "br"),
        (b"{}", "gzip, gzip"),
        (b"{}", "x" * 1000),
    ],
    ids=["cut", "second member cut", "garbage after", "no gzip", "brotli", "twice", "long name"],
)
def test_a_broken_or_unknown_encoding_is_malformed(
    http_: Http, wire: Start, answer: Make, body: bytes, encoding: str
) -> None:
    server = wire(answer(body, f"Content-Encoding: {encoding}"))
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "encoding")
    assert len(str(error)) < 150


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.binary(max_size=300), min_size=1, max_size=5), sizes=st.lists(st.integers(1, 40), max_size=8))
def test_any_gzip_in_any_chunks_unpacks_whole(
    http_: Http, wire: Start, chunked: Make, parts: list[bytes], sizes: list[int]
) -> None:
    """There may be several members, and chunks may cut them anywhere."""
    packed = b"".join(map(gzip.compress, parts))
    pieces: list[bytes] = []
    for size in sizes:
        pieces, packed = [*pieces, packed[:size]], packed[size:]
    body = chunked(*filter(None, [*pieces, packed]))
    server = wire(b"HTTP/1.1 200 OK\r\nContent-Encoding: GZip\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert post(http_, server.url).content == b"".join(parts)
    server.stop()


# --- connections ---


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
        time.sleep(0.1)
    assert (server.connections, len(server.heads)) == (3, 3)


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
    # The server may still be closing the last connections.
    until = time.monotonic() + SOON
    while open_files() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert open_files() <= before + 4


# --- TLS ---


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


# --- proxies ---


def tunnel(server: Any, connection: socket.socket) -> None:
    """A forward proxy: connects to the address in the request line, and forwards both directions."""
    host, _, port = server.heads[-1].split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as target:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def carry(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        back = threading.Thread(target=carry, args=(target, connection), daemon=True)
        back.start()
        carry(connection, target)
        back.join(LONG)


@pytest.fixture
def behind(wire: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a scripted proxy, and sets it in the environment."""

    def start(does: Any) -> Any:
        proxy = wire(does)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:hush-proxy@"))
        return proxy

    return start


@pytest.mark.usefixtures("trusted")
def test_https_proxy_is_honoured(http_: Http, wire: Start, tls: Start, answer: Make, behind: Start) -> None:
    """TLS reaches the endpoint and is verified; the proxy sees only the host name and its own password."""
    server, proxy = wire(answer(), tls()), behind(tunnel)
    assert [post(http_, server.url).content for _ in range(2)] == [b"{}"] * 2
    assert (proxy.connections, server.connections) == (1, 1)
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
    assert b"Proxy-Authorization: Basic" in proxy.heads[0]
    assert b"canary" not in proxy.heads[0]
    assert b"Proxy-Authorization" not in server.heads[0]


def test_tls_is_verified_through_a_proxy(http_: Http, wire: Start, tls: Start, answer: Make, behind: Start) -> None:
    server, _ = wire(answer(), tls()), behind(tunnel)
    assert failure(http_, server.url).code == "tls"
    assert server.heads == []


@pytest.mark.usefixtures("trusted")
def test_the_environment_is_read_at_each_call(
    http_: Http, wire: Start, tls: Start, answer: Make, behind: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, proxy = wire(answer(), tls()), behind(tunnel)
    post(http_, server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    post(http_, server.url)
    assert (proxy.connections, server.connections) == (1, 2)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("slowly", [dripped_body, dripped_head, hang])
def test_the_deadline_holds_through_a_proxy(http_: Http, wire: Start, tls: Start, behind: Start, slowly: Any) -> None:
    server, _ = wire(slowly, tls()), behind(tunnel)
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON


def slow_tunnel(server: Any, connection: socket.socket) -> None:
    """A server that takes most of the time to connect, and then does not respond to TLS."""
    server.drip(connection, b"HTTP/1.1 200 Connection established\r\n\r\n", interval=0.01)
    server.stopping.wait(20)


@pytest.mark.parametrize("slowly", [hang, dripped_head, dripped_headers, slow_tunnel])
def test_the_deadline_holds_against_a_slow_proxy(http_: Http, behind: Start, slowly: Any) -> None:
    """Connecting to the proxy, its answer and TLS share the same deadline."""
    behind(slowly)
    started = time.monotonic()
    error = failure(http_, "https://vod.example", 2 * SHORT)
    assert time.monotonic() - started < 2 * SHORT + 0.9
    assert isinstance(error, (DeadlineError, ConnectionFailed))
    assert error.code in ("timeout", "proxy")


def test_a_proxy_that_refuses_to_connect_is_an_error(http_: Http, behind: Start, answer: Make) -> None:
    """The status of the proxy is not the status of VOD."""
    proxy = behind(answer(b"", status="407 Proxy Authentication Required"))
    error = failure(http_, "https://vod.example")
    assert (type(error), error.code) == (ConnectionFailed, "proxy")
    assert "check HTTPS_PROXY" in str(error)
    assert len(proxy.heads) == 1


def test_a_proxy_that_closes_the_connection_is_an_error(http_: Http, behind: Start) -> None:
    proxy = behind(close)
    error = failure(http_, "https://vod.example")
    assert (type(error), error.code) == (ConnectionFailed, "proxy")
    assert len(proxy.heads) == 1


def test_a_proxy_that_does_not_listen_is_an_error(http_: Http, behind: Start) -> None:
    behind(b"").stop()
    assert failure(http_, "https://vod.example").code == "proxy"


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "SOCKS5h://127.0.0.1:1", "gopher://127.0.0.1:1", "http://"])
def test_a_socks_proxy_is_refused_and_not_bypassed(
    http_: Http, wire: Start, tls: Start, answer: Make, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire(answer(), tls())
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert failure(http_, server.url).code == "proxy"
    assert server.connections == 0


@pytest.mark.parametrize("value", ["http://[", "http://a..b:1", "http://:x:"])
def test_a_proxy_url_that_is_invalid_is_an_error(http_: Http, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = failure(http_, "https://vod.example")
    assert error.code in ("url", "proxy")
    assert "HTTPS_PROXY" in str(error)


# --- secrets ---


@pytest.mark.parametrize("value", ["canary\n", "canary\r\nx: y", " canary", "canary密", "canary\udcff"])
def test_a_header_that_cannot_be_sent_is_not_shown(
    http_: Http, wire: Start, answer: Make, rendered: Callable[[BaseException], str], value: str
) -> None:
    server = wire(answer())
    error = failure(http_, server.url, authorization=value)
    assert (type(error), error.code) == (CredentialsError, "keys")
    assert "canary" not in rendered(error)
    assert server.heads == []


@pytest.mark.parametrize("does", [close, reset, truncated, hang, endless, dripped_body])
def test_nothing_that_was_sent_is_in_a_log_or_error(
    http_: Http, wire: Start, rendered: Callable[[BaseException], str], caplog: pytest.LogCaptureFixture, does: Any
) -> None:
    """faults 34: this includes every log level, also of `urllib3`."""
    caplog.set_level(logging.DEBUG)
    server = wire(does)
    error = failure(http_, server.url, SHORT)
    shown = rendered(error) + caplog.text
    assert "urllib3" in caplog.text
    assert "canary" not in shown
    assert error.__context__ is None


def test_a_proxys_password_is_in_no_log_or_error(
    http_: Http, behind: Start, answer: Make, rendered: Callable[[BaseException], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    behind(answer(b"", status="403 Forbidden"))
    assert "hush-proxy" not in rendered(failure(http_, "https://vod.example")) + caplog.text
