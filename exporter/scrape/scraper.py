"""Answers scrapes: refreshes all accounts in parallel. Simultaneous scrapes share a refresh."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from itertools import islice
from weakref import WeakKeyDictionary, WeakSet

from exporter.deadline import Deadline, Reserve
from exporter.scrape.account import Account
from exporter.scrape.inbox import Remote
from exporter.snapshot import AccountSnapshot, Snapshot
from exporter.tracking.holdings import Holdings

_PATIENCE_SECONDS = 5.0  # how long the status page waits for a slow store
_CONFIRMED_SECONDS = 0.5  # how long a scrape waits for the database to say that the accounts are still held
# Time that a scrape reserves for the views at its end: a minimum, and a part for each tracked job.
_VIEW_SECONDS, _VIEW_SECONDS_PER_JOB = 0.25, 10e-6
_VIEWS_AT_ONCE = 64  # views of a scrape that are taken at the same time
_STEP_SECONDS = 0.25  # how often a waiting scrape counts the jobs again


@dataclass(slots=True)
class _Flight:
    """A refresh: its start (monotonic clock), its end, and the last deadline of the scrapes that wait for it.

    Scrapes that come `from_state` do not wait for it.
    """

    started: float
    done: Future[None]
    until: Deadline
    from_state: bool


class Scraper:
    """Safe to use from several threads. `min_interval` is in seconds.

    `holdings` says which accounts are held, and where the others are.
    """

    def __init__(self, accounts: Sequence[Account], *, min_interval: float, holdings: Holdings | None = None) -> None:
        self._holdings = holdings
        self.replace(accounts, min_interval=min_interval)
        self._lock = threading.Lock()
        self._flights: WeakKeyDictionary[Account, _Flight] = WeakKeyDictionary()
        self._from_state: WeakSet[Account] = WeakSet()  # accounts whose first scrapes show the stored state
        self._views = Reserve(_VIEW_SECONDS_PER_JOB, least=_VIEW_SECONDS)

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The accounts by name, in the order of the configuration: the same object until `replace`."""
        return self._accounts

    @property
    def remote(self) -> Mapping[str, Remote]:
        """The accounts of the configuration that this exporter does not hold, by name."""
        if self._holdings is None:
            return {}
        post, holders = self._holdings.post, self._holdings.holders()
        return {name: Remote(name, holder, post) for name, holder in holders.items() if name not in self._accounts}

    def replace(self, accounts: Sequence[Account], *, min_interval: float) -> None:
        """Scrape these accounts from now on. A scrape under way continues with its own accounts."""
        self._accounts: Mapping[str, Account] = {account.name: account for account in accounts}
        self._min_interval = min_interval

    def show_state_first(self) -> None:
        """Answer the first scrapes of accounts with a stored state from that, while the first refresh is under way."""
        self._from_state = WeakSet(account for account in self._accounts.values() if account.has_state)

    def close(self) -> None:
        """Close all accounts: end their refreshes and save the results."""
        for account in self._accounts.values():
            account.close()

    def scrape(self, deadline: Deadline, *, account: str | None = None, rendering: Reserve | None = None) -> Snapshot:
        """Refresh, and return a snapshot before the deadline. The refresh may continue after that.

        With `account`, only the account with this name. `rendering` reserves time for each shown job, and the
        snapshot is returned that much earlier. Raises `KeyError` if there is no such account.
        """
        since = time.monotonic()
        accounts = self._chosen(account)
        rendering = rendering or Reserve(0.0)

        def ends() -> tuple[Deadline, Deadline]:
            """When to stop waiting for VOD, and for the store. New jobs make both earlier."""
            views = rendering.before(deadline, sum(one.shown_jobs for one in accounts), since=since)
            return self._views.before(views, sum(one.tracked_jobs for one in accounts), since=since), views

        until = ends()[0]
        flights = [self._flight(refreshed, until) for refreshed in accounts]
        pending, due = {flight.done for flight in flights if not flight.from_state}, since
        while pending and not (end := ends()[0]).expired:
            for refreshed in accounts:
                refreshed.save_early()
            step = min(end.remaining(), _STEP_SECONDS)
            due = time.monotonic() + step
            _, pending = wait(pending, timeout=step)
        for refreshed, flight in zip(accounts, flights, strict=True):
            if not (flight.done.done() or flight.from_state):
                refreshed.late(since)
        # On a busy machine a thread wakes up late. This belongs to the time that the next scrape keeps back.
        snapshot = self._snapshot(accounts, ends()[1], since=due if pending else time.monotonic())
        if account is None:
            return snapshot
        return replace(snapshot, elsewhere={name: at for name, at in snapshot.elsewhere.items() if name == account})

    def snapshot(self) -> Snapshot:
        """The present snapshot. Makes no call to VOD."""
        return self._snapshot(self._chosen(None), Deadline.after(_PATIENCE_SECONDS), since=time.monotonic())

    def _snapshot(self, accounts: Sequence[Account], deadline: Deadline, *, since: float) -> Snapshot:
        snapshots: list[AccountSnapshot] = []
        in_time, others = True, iter(accounts)
        # Several at a time, because the store may be slow, but not all, because each takes a thread.
        started = deque((account, account.start_view()) for account in islice(others, _VIEWS_AT_ONCE))
        while started:
            account, view = started.popleft()
            snapshots.append(account.finish_snapshot(view, deadline))
            in_time = in_time and view.done()  # else the store hangs, which says nothing about the next views
            started.extend((other, other.start_view()) for other in islice(others, 1))
        if in_time:
            self._views.took(time.monotonic() - since, sum(account.tracked_jobs for account in accounts))
        return self._held(accounts, snapshots, deadline)

    def _held(self, accounts: Sequence[Account], snapshots: Sequence[AccountSnapshot], deadline: Deadline) -> Snapshot:
        """Only what is still held after the snapshots were made, because another replica may have taken an account."""
        if self._holdings is None:
            return Snapshot(tuple(snapshots))
        self._holdings.confirm(min(_CONFIRMED_SECONDS, deadline.remaining()))
        held = tuple(made for account, made in zip(accounts, snapshots, strict=True) if account.held())
        names, holders = {made.name for made in held}, self._holdings.holders()
        return Snapshot(held, {name: holder for name, holder in holders.items() if name not in names})

    def _chosen(self, account: str | None) -> Sequence[Account]:
        accounts = self._accounts
        return tuple(accounts.values()) if account is None else (accounts[account],)

    def _flight(self, account: Account, until: Deadline) -> _Flight:
        """The refresh to wait for: the last one if it is recent or other scrapes wait for it, else a new one."""
        with self._lock:
            now = time.monotonic()
            flight = self._flights.get(account)
            if flight is not None:
                recent = now - flight.started < self._min_interval
                if recent or not (flight.done.done() or flight.until.expired):
                    flight.until = max(flight.until, until)
                    return flight
            from_state = account in self._from_state
            self._from_state.discard(account)
            flight = self._flights[account] = _Flight(now, account.refresh(), until, from_state)
            return flight
