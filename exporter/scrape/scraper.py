"""Answers scrapes: refreshes all accounts in parallel, and shares each refresh among those who wait for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.deadline import Deadline
from exporter.scrape.refresh import Account
from exporter.snapshot import Snapshot

_log = logging.getLogger(__name__)

_SNAPSHOT_SECONDS = 0.02  # what it takes, mostly, to look at what is known


@dataclass(slots=True)
class _Flight:
    """A refresh under way or done; `started` is monotonic."""

    started: float
    done: threading.Event = field(default_factory=threading.Event)


class Scraper:
    """Safe to use from several threads. `min_interval` is in seconds."""

    def __init__(self, accounts: Sequence[Account], *, min_interval: float) -> None:
        self._accounts = accounts
        self._min_interval = min_interval
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}

    @property
    def accounts(self) -> Mapping[str, Account]:
        """By name."""
        return {account.name: account for account in self._accounts}

    def close(self) -> None:
        for account in self._accounts:
            account.close()

    def scrape(self, deadline: Deadline, *, account: str | None = None) -> Snapshot:
        """Refresh what is due and answer before the deadline, with what is known by then.

        With `account` that one alone; raises `KeyError` where there is none of this name.
        """
        accounts = self._accounts if account is None else [self.accounts[account]]
        flights = [self._flight(one, deadline) for one in accounts]
        for flight in flights:
            flight.done.wait(max(0.0, deadline.remaining() - _SNAPSHOT_SECONDS))
        return Snapshot(tuple(one.snapshot() for one in accounts))

    def snapshot(self) -> Snapshot:
        """What is known now; asks nothing."""
        return Snapshot(tuple(one.snapshot() for one in self._accounts))

    def _flight(self, account: Account, deadline: Deadline) -> _Flight:
        """The refresh to wait for: the one under way, the last one if it is recent, or a new one."""
        with self._lock:
            now = time.monotonic()
            flight = self._flights.get(account.name)
            if flight is not None and (not flight.done.is_set() or now - flight.started < self._min_interval):
                return flight
            flight = self._flights[account.name] = _Flight(now)
        thread = threading.Thread(
            target=self._fly, args=(account, flight, deadline), name=f"refresh {account.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread to be had
            _log.exception("cannot refresh", extra={"account": account.name})
            flight.done.set()  # or every scrape to come would wait for it
        return flight

    @staticmethod
    def _fly(account: Account, flight: _Flight, deadline: Deadline) -> None:
        try:
            account.refresh(deadline)
        finally:
            flight.done.set()
