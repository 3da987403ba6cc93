"""Answers scrapes: refreshes all accounts in parallel, and shares each refresh among those who wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from exporter.deadline import Deadline
from exporter.scrape.account import Account
from exporter.snapshot import Snapshot

_PATIENCE_SECONDS = 5.0  # of those who look without a scrape, where a store is slow
_LOOKING_SECONDS = 0.25  # kept at least for the look at what is known; on a busy machine it takes longer than last time


@dataclass(slots=True)
class _Flight:
    """A refresh: when it began (monotonic), its end, and until when somebody waits for it."""

    began: float
    done: threading.Event
    until: Deadline


class Scraper:
    """Safe to use from several threads. `min_interval` is in seconds."""

    def __init__(self, accounts: Sequence[Account], *, min_interval: float) -> None:
        self._accounts = tuple(accounts)
        self._min_interval = min_interval
        self._lock = threading.Lock()
        self._flights: WeakKeyDictionary[Account, _Flight] = WeakKeyDictionary()
        self._looking = 0.0  # seconds that it took last to look at what is known

    @property
    def accounts(self) -> Mapping[str, Account]:
        """By name."""
        return {account.name: account for account in self._accounts}

    def replace(self, accounts: Sequence[Account], *, min_interval: float) -> None:
        """Scrape these from now on. Scrapes under way go on with those they began with."""
        self._accounts = tuple(accounts)
        self._min_interval = min_interval

    def close(self) -> None:
        """End the refreshes under way."""
        for account in self._accounts:
            account.close()

    def scrape(self, deadline: Deadline, *, account: str | None = None) -> Snapshot:
        """Refresh what is due and answer before the deadline, with what is known by then. The refresh then goes on.

        With `account` that one alone; raises `KeyError` where there is none of this name.
        """
        began = time.monotonic()
        accounts = self._accounts if account is None else [self.accounts[account]]
        answer = deadline.less(min(max(3 * self._looking, _LOOKING_SECONDS), deadline.remaining() / 2))
        flights = [self._flight(one, answer) for one in accounts]
        for one, flight in zip(accounts, flights, strict=True):
            if not flight.done.wait(answer.remaining()):
                one.late(began)
        return self._look(accounts, deadline)

    def snapshot(self) -> Snapshot:
        """What is known now; asks nothing."""
        return self._look(self._accounts, Deadline.after(_PATIENCE_SECONDS))

    def _look(self, accounts: Sequence[Account], deadline: Deadline) -> Snapshot:
        began = time.monotonic()
        looks = [one.look() for one in accounts]
        snapshot = Snapshot(tuple(result(deadline) for result in looks))
        self._looking = time.monotonic() - began
        return snapshot

    def _flight(self, account: Account, until: Deadline) -> _Flight:
        """The refresh to wait for: the last one, if it is recent or others still wait for it, or a new one."""
        with self._lock:
            now = time.monotonic()
            flight = self._flights.get(account)
            if flight is not None:
                recent = now - flight.began < self._min_interval
                if recent or not (flight.done.is_set() or flight.until.expired):
                    flight.until = max(flight.until, until)
                    return flight
            flight = self._flights[account] = _Flight(now, account.refresh(), until)
            return flight
