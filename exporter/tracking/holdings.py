"""Which accounts this exporter holds: the right to ask VOD about an account, to count it and to show it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporter.errors import StateError
from exporter.tracking.store import Store


@dataclass(frozen=True, slots=True)
class Message:
    """What another replica accepted for the account: a registration, a deletion or an event, as JSON."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """The hold of one account, from when it was taken until it is lost or given back.

    While `valid` returns True, no other exporter holds the account. `messages` returns what others accepted for it.
    """

    store: Store
    valid: Callable[[], bool] = field(default=lambda: True)
    messages: Callable[[], Sequence[Message]] = field(default=tuple)


class Holdings(Protocol):
    """All holdings of this exporter. Safe to use from several threads."""

    def want(self, accounts: Collection[str]) -> None:
        """These are the accounts of the configuration. Those that are held and not wanted any more are given back."""

    def of(self, account: str) -> Holding | None:
        """The present hold of the account."""

    def confirm(self, seconds: float) -> None:
        """Wait until it is known again which holds are valid, but at most this time."""

    def holders(self) -> Mapping[str, str]:
        """The replica that holds each wanted account, `""` if none does; nothing if there are no replicas."""

    def post(self, account: str, text: bytes) -> None:
        """Leave a message for the holder of the account. Raises `StateError` if it cannot be stored."""

    def start(self, changed: Callable[[], None]) -> None:
        """From now on, call `changed` after accounts were gained or lost."""

    def close(self) -> None:
        """Give everything back. The accounts must be closed before."""


class Alone:
    """The holdings of an exporter that shares its state with nobody: it holds every account."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._holding = Holding(store)

    def want(self, accounts: Collection[str]) -> None:
        """Nothing to take."""

    def of(self, account: str) -> Holding | None:  # noqa: ARG002 - any account
        """See `Holdings.of`."""
        return self._holding

    def confirm(self, seconds: float) -> None:
        """Nothing to wait for."""

    def holders(self) -> Mapping[str, str]:
        """See `Holdings.holders`."""
        return {}

    def post(self, account: str, text: bytes) -> None:
        """There is no other holder."""
        raise StateError(f"no replica shares the account {account}: {len(text)} bytes are not stored")

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing changes."""

    def close(self) -> None:
        """Close the store."""
        self._store.close()
