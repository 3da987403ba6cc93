"""Sends an answer over a connection. A fault can make it late, slow or incomplete."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from http import HTTPStatus

from exporter.simulator.distort import Answer
from exporter.simulator.faults import Fault

# Waits for a number of seconds. Returns False if the connection ends earlier.
Wait = Callable[[float], bool]

_LINGER = struct.Struct("ii")


def head(answer: Answer, *, close: bool) -> bytes:
    """The status line and the headers of an answer."""
    reasons = {status.value: status.phrase for status in HTTPStatus}
    lines = [
        f"HTTP/1.1 {answer.status} {reasons.get(answer.status, 'Unknown')}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
        *(["Connection: close"] if close else []),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def send(connection: socket.socket, answer: Answer, *, close: bool, fault: Fault | None, wait: Wait) -> bool:
    """Send the answer as the fault asks. Returns False if the connection must be closed."""
    first, body = head(answer, close=close), answer.body
    pause = fault.pause if fault else 0.0
    match fault.kind if fault else "":
        case "drip":
            connection.sendall(first)
            return _drip(connection, body, pause, wait)
        case "drip-headers":
            if not _drip(connection, first, pause, wait):
                return False
            connection.sendall(body)
            return True
        case "hang" | "close":
            wait(pause)
            return False
        case "truncated" | "reset" | "stall" as kind:
            connection.sendall(first + body[: len(body) // 2])
            wait(pause)
            if kind == "reset":
                # A linger time of 0 makes `close` send a reset (RST) in place of an orderly end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))
            return False
    if pause and not wait(pause):
        return False
    connection.sendall(first + body)
    return True


def _drip(connection: socket.socket, data: bytes, interval: float, wait: Wait) -> bool:
    for place in range(len(data)):
        connection.sendall(data[place : place + 1])
        if not wait(interval):
            return False
    return True


def resets(connection: socket.socket) -> bool:
    """Whether closing this connection sends a reset."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.size) == _LINGER.pack(1, 0)
