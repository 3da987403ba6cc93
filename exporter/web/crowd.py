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
    """A connection, as the crowd sees it.

    `idle`: it waits for the next request, also if a part of that has come. `can_leave`: the server does not work on a
    response to it. `rests_since`: when it was made, or when its last response was complete. `address` is an IP address.
    """

    @property
    def idle(self) -> bool: ...
    @property
    def can_leave(self) -> bool: ...
    @property
    def rests_since(self) -> float: ...
    @property
    def address(self) -> str: ...

    def leave(self) -> None:
        """Close the connection."""


class Crowd:
    """At most `MAX_CONNECTIONS`: for a new one, the idle connection that rests longest is closed.

    If no connection is idle, it is the one that waits longest for its client, and if the server works on responses to
    all of them, the new one. This is logged once a minute. `malformed` is called with the IP address of each client
    that sends no HTTP/1.1 request. `clock` returns seconds. For the event loop, but for `count`.
    """

    def __init__(
        self, *, malformed: Callable[[str], None] = lambda _: None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.malformed = malformed
        self._clock = clock
        self._members: set[Member] = set()
        self._logged: float | None = None
        self._closed = 0  # since the last log line

    def enter(self, new: Member) -> None:
        """A connection was made."""
        self._members.add(new)
        if len(self._members) > MAX_CONNECTIONS:
            others = [member for member in self._members if member is not new and member.can_leave]
            leaving = min(others, key=lambda member: (not member.idle, member.rests_since), default=new)
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
            _log.warning("too many connections, so the one that rests longest is closed for each new one", extra=fields)
            self._logged, self._closed = now, 0
