"""Bodies go out over TLS in pieces, so that a client that does not read holds little memory of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIECE_BYTES = 64 * 1024


class Pieces:
    """The app of one connection, with its bodies cut. uvicorn waits between two pieces while the client does not read.

    Over TLS a whole body would be encrypted at once, into buffers of twice its size. `waits` is called once for
    each body of several pieces, after the first piece.
    """

    def __init__(self, app: ASGIApp, *, waits: Callable[[], None]) -> None:
        self._app = app
        self._waits = waits
        self.rest = 0
        """Bytes of the body that are still to be sent."""
        self.held = 0
        """Bytes of the body, all of which stay in memory until the last one is sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def cut(message: Message) -> None:
            body: bytes = message.get("body", b"")
            if len(body) <= PIECE_BYTES:
                await send(message)
                return
            await self._send(body, {**message, "more_body": True}, send)
            await send({**message, "body": b""})

        await self._app(scope, receive, cut)

    async def _send(self, body: bytes, message: dict[str, Any], send: Send) -> None:
        self.held = len(body)
        try:
            for start in range(0, len(body), PIECE_BYTES):
                self.rest = len(body) - start
                if start == PIECE_BYTES:
                    self._waits()
                await send({**message, "body": body[start : start + PIECE_BYTES]})
        finally:
            self.rest = self.held = 0
