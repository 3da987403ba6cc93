"""Recognizes events that are sent again: by VOD after a failure, or by somebody who has seen them on the way."""

from __future__ import annotations

import hashlib

from exporter.vod import events

MAX_EVENTS = 100
"""How many different events one signature authenticates. VOD signs the second, and several jobs may end in it."""


class Replays:
    """Remembers each accepted event for as long as its signature is accepted. For the event loop only."""

    def __init__(self) -> None:
        self._accepted: dict[tuple[str, str], set[bytes]] = {}  # digests of bodies, by account and timestamp

    def signed(self, account: str, timestamp: str, *, now: float) -> set[bytes]:
        """The digests of the events that were accepted with this signature. The caller adds those that it accepts.

        VOD signs `timestamp` (X-VOD-TIMESTAMP), but not the body. `now` is in Unix seconds.
        """
        if (account, timestamp) not in self._accepted:
            fresh = {key: signed for key, signed in self._accepted.items() if events.fresh(key[1], now=now)}
            self._accepted = {**fresh, (account, timestamp): set()}
        return self._accepted[account, timestamp]


def digest(body: bytes) -> bytes:
    """A short value that identifies the body of an event."""
    return hashlib.sha256(body).digest()
