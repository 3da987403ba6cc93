"""The transport of a connection with TLS, as `exporter.web.connections` needs it."""

from __future__ import annotations

import asyncio
from typing import Any


class Encrypted(asyncio.Transport):
    """Passes everything on to `tls`, which sends its bytes over `inner`. Both are transports of asyncio.

    It counts the bytes that are encrypted and not sent yet. It can be closed twice, and aborted after that: asyncio's
    own transport forgets its connection then, up to Python 3.13 at least.
    """

    def __init__(self, tls: asyncio.Transport, inner: asyncio.Transport) -> None:
        super().__init__()
        self._tls = tls
        self._inner = inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._tls.is_closing()

    def close(self) -> None:
        """Send what is written and the `close_notify` of TLS; then wait for that of the client."""
        if not self._tls.is_closing():
            self._tls.close()

    def abort(self) -> None:
        self._inner.abort()

    def pause_reading(self) -> None:
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tls.write(data)

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._tls.get_write_buffer_size() + self._inner.get_write_buffer_size()
