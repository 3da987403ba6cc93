"""What scripted servers do with a connection after the head of a request, and how tests call them."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest

from exporter.deadline import Deadline
from exporter.errors import VodError
from exporter.vod.body import MAX_BODY_BYTES
from exporter.vod.transport import Answer, Http

SHORT = 1.0  # a busy machine needs some time to send a request
LONG = 60.0
SOON = 12.0  # much later than SHORT, and much earlier than the timeouts of the scripted servers
MUCH = 8 * MAX_BODY_BYTES
HEADERS = {"host": "vod.example", "x-acs-action": "GetTranscodeTask", "authorization": "ACS3-HMAC-SHA256 canary"}


def post(http_: Http, url: str, seconds: float = LONG, **headers: str) -> Answer:
    return http_.post(
        f"{url}/?A=1", headers=HEADERS | headers, deadline=Deadline.after(seconds), name="GetTranscodeTask"
    )


def failure(http_: Http, url: str, seconds: float = LONG, **headers: str) -> VodError:
    with pytest.raises(VodError) as caught:
        post(http_, url, seconds, **headers)
    assert str(caught.value).startswith("GetTranscodeTask: ")
    return caught.value


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


def endless(server: Any, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    server.sent = 0
    while server.sent < MUCH:
        server.sent += connection.send(b" " * 65536)
    server.stopping.wait(20)


def _flood(start: bytes, block: bytes) -> Any:
    def sends(server: Any, connection: socket.socket) -> None:
        connection.sendall(start)
        server.sent = 0
        while server.sent < MUCH:
            connection.sendall(block)
            server.sent += len(block)
        server.stopping.wait(20)

    return sends


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
endless_trailers = _flood(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-T: 1\r\n" * 4096)
endless_chunk_extensions = _flood(_CHUNKED, (b"1;" + b"x" * 60_000 + b"\r\n \r\n"))
endless_interim_answers = _flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)
endless_proxy_headers = _flood(b"HTTP/1.1 200 Connection established\r\n", b"X-T: 1\r\n" * 4096)


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


def slow_tunnel(server: Any, connection: socket.socket) -> None:
    """A server that takes most of the time to connect, and then does not respond to TLS."""
    server.drip(connection, b"HTTP/1.1 200 Connection established\r\n\r\n", interval=0.08)
    server.stopping.wait(20)


def refused(code: str, message: str = "because", **more: str) -> bytes:
    """The body of an error answer of VOD."""
    return json.dumps({"RequestId": "1", "HostId": "vod", "Code": code, "Message": message, **more}).encode()


def nonces(server: Any) -> set[bytes]:
    """The different nonces of the requests that the server got."""
    return {line for head in server.heads for line in head.split(b"\r\n") if line.startswith(b"x-acs-signature-nonce")}
