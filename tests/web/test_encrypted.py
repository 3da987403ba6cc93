"""The transport of a connection with TLS can be closed twice and aborted, and counts the bytes of both layers."""

from __future__ import annotations

import asyncio

from exporter.web.encrypted import Encrypted


class Layer(asyncio.Transport):
    """A transport that notes its calls."""

    def __init__(self, buffered: int) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.buffered = buffered

    def is_closing(self) -> bool:
        return "close" in self.calls

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")

    def get_write_buffer_size(self) -> int:
        return self.buffered


def test_bytes_that_are_encrypted_and_not_sent_count() -> None:
    assert Encrypted(Layer(3), Layer(4)).get_write_buffer_size() == 7


def test_tls_is_closed_once_and_can_be_aborted_after_that() -> None:
    """asyncio's transport of TLS forgets its connection when it is closed twice."""
    tls, inner = Layer(0), Layer(0)
    encrypted = Encrypted(tls, inner)
    encrypted.close()
    encrypted.close()
    encrypted.abort()
    assert (tls.calls, inner.calls) == (["close"], ["abort"])
