"""Faults of the connection, seen on a raw socket."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable

import pytest

from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from tests.conftest import wait_until

RawCall = Callable[..., socket.socket]
Read = Callable[[socket.socket], bytes]


def _answer(connection: socket.socket, *, reads: list[bytes] | None = None) -> tuple[bytes, bytes]:
    """Head and body of one answer; `reads` collects what each read brought."""
    data = b""
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head):
            return head, body
        part = connection.recv(65536)
        assert part, data
        data += part
        if reads is not None:
            reads.append(part)


def _until(error: type[OSError], connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of what comes before the connection ends in this error, and in no other way."""
    data = b""
    with connection:
        try:
            while part := connection.recv(1024):
                data += part
        except error:
            head, _, body = data.partition(b"\r\n\r\n")
            return head, body
    pytest.fail(f"no {error.__name__}")


def _length(head: bytes) -> int:
    match = re.search(rb"Content-Length: (\d+)", head)
    assert match
    return int(match[1])


def test_answers_share_a_connection(simulator: Simulator, raw_call: RawCall) -> None:
    with raw_call(simulator, "GetVideoList") as connection:
        first = _answer(connection)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        second = _answer(connection)
    assert first[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert "VideoList" in json.loads(first[1])
    assert second[1].startswith(b"A simulated ApsaraVideo VOD service")


def test_delay_waits_and_then_tells_the_truth(simulator: Simulator, raw_call: RawCall) -> None:
    simulator.faults.add(Fault(kind="delay", seconds=0.2))
    began = time.monotonic()
    with raw_call(simulator, "GetVideoList") as connection:
        _, body = _answer(connection)
    assert time.monotonic() - began >= 0.2
    assert json.loads(body)["Total"] > 0


@pytest.mark.parametrize("kind", ["drip", "drip-headers"])
def test_drips_come_in_many_pieces_and_whole(simulator: Simulator, raw_call: RawCall, kind: str) -> None:
    simulator.faults.add(Fault(kind=kind, seconds=0.001))
    reads: list[bytes] = []
    with raw_call(simulator, "GetVideoList", {"PageSize": "1"}) as connection:
        head, body = _answer(connection, reads=reads)
    assert json.loads(body)["Total"] > 0
    dripped = len(body) if kind == "drip" else len(head)
    # Bytes may meet on the way, many of them on a busy machine.
    assert len(reads) > dripped / 10


def test_truncated_closes_after_half_of_the_body(simulator: Simulator, raw_call: RawCall, read: Read) -> None:
    simulator.faults.add(Fault(kind="truncated"))
    head, _, body = read(raw_call(simulator, "GetVideoList")).partition(b"\r\n\r\n")
    assert len(body) == _length(head) // 2 > 0


def test_reset_comes_mid_body(simulator: Simulator, raw_call: RawCall) -> None:
    simulator.faults.add(Fault(kind="reset"))
    head, body = _until(ConnectionResetError, raw_call(simulator, "GetVideoList"))
    assert len(body) == _length(head) // 2 > 0


def test_stall_sends_half_and_nothing_more(simulator: Simulator, raw_call: RawCall) -> None:
    simulator.faults.add(Fault(kind="stall"))
    connection = raw_call(simulator, "GetVideoList")
    connection.settimeout(0.3)
    head, body = _until(TimeoutError, connection)
    assert len(body) == _length(head) // 2 > 0


def test_hang_sends_nothing_and_close_closes(simulator: Simulator, raw_call: RawCall, read: Read) -> None:
    simulator.faults.add(Fault(kind="hang", count=1))
    simulator.faults.add(Fault(kind="close"))
    with raw_call(simulator, "GetVideoList") as connection:
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert read(raw_call(simulator, "GetVideoList")) == b""


def _threads() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("kind", ["hang", "stall", "drip", "delay"])
def test_a_client_that_leaves_gives_its_thread_back(simulator: Simulator, raw_call: RawCall, kind: str) -> None:
    simulator.faults.add(Fault(kind=kind, seconds=60))
    connections = [raw_call(simulator, "GetVideoList") for _ in range(5)]
    wait_until(lambda: _threads() >= 5)
    for connection in connections:
        connection.close()
    wait_until(lambda: _threads() == 0)


def test_ended_connections_are_forgotten(simulator: Simulator, raw_call: RawCall) -> None:
    for _ in range(5):
        with raw_call(simulator, "GetVideoList") as connection:
            _answer(connection)
    wait_until(lambda: not simulator._server._connections)


@pytest.mark.parametrize("kind", ["hang", "stall", "drip", "delay", ""])
def test_stopping_ends_every_connection(raw_call: RawCall, kind: str) -> None:
    simulator = Simulator()
    simulator.start()
    if kind:
        simulator.faults.add(Fault(kind=kind, seconds=60))
    with raw_call(simulator, "GetVideoList") as connection:
        while not simulator.quota.calls:
            time.sleep(0.01)
        simulator.stop()
        simulator.stop()
        while connection.recv(65536):
            pass
