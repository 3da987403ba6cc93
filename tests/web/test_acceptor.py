"""The acceptor goes on after the system was short of descriptors, and ends when it is closed."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest

from exporter.web import acceptor
from exporter.web.acceptor import Acceptor
from exporter.web.connections import BoundedProtocol
from exporter.web.crowd import Crowd, Member
from exporter.web.listener import listen
from exporter.websecurity.current import WebConfig
from tests.websecurity.conftest import TLS, write


def connect() -> BoundedProtocol:
    raise AssertionError("there is no handshake here")


class Short(socket.socket):
    """A listener whose first accepts fail."""

    failures: ClassVar[list[OSError]] = []

    def accept(self) -> tuple[socket.socket, Any]:
        if self.failures:
            raise self.failures.pop()
        return super().accept()


def test_connections_are_accepted_again_after_descriptors_were_short(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> str:
        with Short(fileno=listen("127.0.0.1:0").detach()) as listener:
            accepting = Acceptor(listener, WebConfig(write(folder, TLS)), Crowd(), connect)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await reader.read(2000)
            writer.close()
            accepting.close()
            await accepting.wait_closed()
            return answer.decode()

    monkeypatch.setattr(Short, "failures", [OSError(24, "Too many open files"), ConnectionAbortedError()])
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.0)
    assert "HTTPS server" in asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == ["no connection can be accepted"]


def test_a_connection_whose_handshake_has_not_begun_is_closed_at_the_end(folder: Path) -> None:
    async def run() -> bytes:
        with listen("127.0.0.1:0") as listener, socket.create_connection(listener.getsockname()) as client:
            accepting = Acceptor(listener, WebConfig(write(folder, TLS)), Crowd(), connect)
            accepting._accept()
            accepting.close()
            await accepting.wait_closed()
            await asyncio.sleep(0)
            client.settimeout(10)
            return client.recv(1)

    assert asyncio.run(run()) == b""


def test_a_closed_acceptor_ends_the_handshakes_in_progress(folder: Path) -> None:
    async def run() -> int:
        entered = asyncio.Event()

        class Noting(Crowd):
            def enter(self, new: Member) -> None:
                super().enter(new)
                entered.set()

        crowd = Noting()
        with listen("127.0.0.1:0") as listener:
            accepting = Acceptor(listener, WebConfig(write(folder, TLS)), crowd, connect)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            await entered.wait()
            accepting.close()
            await accepting.wait_closed()
            assert await reader.read() == b""
            writer.close()
        return crowd.count("idle")

    assert asyncio.run(run()) == 0
