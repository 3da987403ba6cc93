"""Accepts connections where a web configuration file asks for TLS.

uvicorn's own way bounds neither the number of handshakes nor the memory of connections before them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from exporter.web.crowd import Crowd
from exporter.web.handshake import Connect, Handshake
from exporter.websecurity.current import WebConfig

_log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0  # after the system had no descriptor or memory for a connection


class Acceptor:
    """Accepts connections on `listener` until it is closed. `connect` makes the protocol of each.

    It has the methods of an `asyncio.Server` that uvicorn calls. To be made in the event loop.
    """

    def __init__(self, listener: socket.socket, web: WebConfig, crowd: Crowd, connect: Connect) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._make_handshake: Callable[[socket.socket], Handshake] = lambda accepted: Handshake(
            accepted, web, crowd, connect
        )
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Accept no further connection, and end the handshakes in progress."""
        self._loop.remove_reader(self._listener)
        if self._retry is not None:
            self._retry.cancel()
        for task in self._handshakes:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until everything has ended."""
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _listen(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        # `loop.sock_accept` would lose a connection that comes at the moment of the end.
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            _log.error("no connection can be accepted", extra={"error": error.strerror})
            self._loop.remove_reader(self._listener)
            self._retry = self._loop.call_later(RETRY_SECONDS, self._listen)
            return
        accepted.setblocking(False)
        handshake = self._make_handshake(accepted)
        task = self._loop.create_task(handshake.complete())
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)
        task.add_done_callback(handshake.ended)
