"""The open connections of the server: how many there are, and which one gives way when there are too many."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 1000
REPEAT_SECONDS = 60.0
ACTIVE, IDLE = STATES = ("active", "idle")


class Member(Protocol):
    """A connection, as the crowd sees it."""

    @property
    def established(self) -> bool:
        """Whether its TLS handshake is complete, if it needs one."""

    @property
    def idle(self) -> bool:
        """Whether it waits for the next request, even if a part of that request has come."""

    @property
    def can_leave(self) -> bool:
        """Whether the server works on no response for this connection."""

    @property
    def rests_since(self) -> float:
        """When it was made, or when its last response was complete or began to wait for the client.

        In seconds of the event loop's clock.
        """

    @property
    def address(self) -> str:
        """The IP address of the client."""

    def leave(self) -> None:
        """Close the connection."""


class Crowd:
    """At most `MAX_CONNECTIONS` connections. When there is one more, it closes one of them.

    It ends the TLS handshake that waits longest. Without handshakes, it closes the connection that is idle longest.
    If no connection is idle, it closes the one that waits longest for its client. If the server works on responses to
    all others, it closes the new one. This is logged once a minute.

    `refused` is called for each client that sends no HTTP/1.1 request: with its IP address, the HTTP status or `tls`,
    and the reason. `clock` returns seconds. Only `count` may be called outside the event loop.
    """

    def __init__(
        self,
        *,
        refused: Callable[[str, int | str, str], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused = refused
        self._clock = clock
        self._members: set[Member] = set()
        self._logged: float | None = None
        self._closed = 0  # since the last log line

    def enter(self, new: Member) -> None:
        """A connection was made."""
        self._members.add(new)
        if len(self._members) > MAX_CONNECTIONS:
            others = [member for member in self._members if member is not new and member.can_leave]
            leaving = min(others, key=_order, default=new)
            leaving.leave()
            self._note(new)

    def left(self, member: Member) -> None:
        """A connection was closed."""
        self._members.discard(member)

    def count(self, state: str) -> int:
        """How many connections are in this state, `active` or `idle`. Safe to call from any thread."""
        return sum(member.idle == (state == IDLE) for member in tuple(self._members))

    def _note(self, new: Member) -> None:
        self._closed += 1
        now = self._clock()
        if self._logged is None or now - self._logged >= REPEAT_SECONDS:
            fields = {"limit": MAX_CONNECTIONS, "closed": self._closed, "client": new.address}
            _log.warning(
                "too many connections, so for each new one, the one that waits longest is closed", extra=fields
            )
            self._logged, self._closed = now, 0


def _order(member: Member) -> tuple[bool, bool, float]:
    return member.established, not member.idle, member.rests_since
