"""The size of a body is limited, before and after decompression."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import MalformedResponse
from exporter.vod.body import MAX_BODY_BYTES
from exporter.vod.transport import Http
from tests.vod.behaviours import (
    MUCH,
    endless,
    failure,
    post,
)

pytestmark = pytest.mark.usefixtures("bare_environment")

Start = Callable[..., Any]
Make = Callable[..., bytes]


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


@pytest.mark.no_cover
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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
