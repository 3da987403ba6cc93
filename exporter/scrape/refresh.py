"""Refreshes one account: makes the calls of its agenda until nothing is left to ask."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait

from exporter.errors import BudgetSpent, VodError
from exporter.scrape.agenda import Agenda
from exporter.scrape.calls import Calls
from exporter.scrape.health import Health
from exporter.scrape.plan import Call, action
from exporter.scrape.threads import Threads

_log = logging.getLogger(__name__)

_CLOSING_SECONDS = 1.0


class Refresh:
    """The refreshes of one account, one after the other. Safe to use from several threads.

    A refresh continues even if no scrape waits for it. A new refresh replaces the present refresh and takes over its
    calls under way, so no call is made twice. `prepare` is called at the start of each refresh, and may be slow.
    """

    def __init__(
        self,
        account: str,
        agenda: Agenda,
        calls: Calls,
        health: Health,
        *,
        prepare: Callable[[], None],
        threads: Threads,
    ) -> None:
        self._account = account
        self._agenda = agenda
        self._calls = calls
        self._health = health
        self._prepare = prepare
        self._threads = threads

        # Two locks, because making a plan waits for the ledger, which may wait for a disk. `start` must not wait.
        self._lock = threading.Lock()
        self._start_lock = threading.Lock()
        self._next: Future[None] | None = None  # of a started refresh that has not yet replaced the present one
        self._present: Future[None] = Future()
        self._present.set_result(None)
        self._started = 0.0
        self._duration: float | None = None
        self._closed = False
        self._workers = 0  # in `_work`, or about to be
        self._running: set[Future[None]] = set()  # of the workers

    @property
    def duration(self) -> float | None:
        """Seconds that the last refresh took, until it was done or replaced. None before that."""
        return self._duration

    @property
    def pending(self) -> Mapping[str, int]:
        """How many calls of each operation the present refresh has not started yet."""
        return self._agenda.pending

    def start(self) -> Future[None]:
        """Start a refresh without waiting. The future is done when the refresh has ended or was replaced."""
        with self._start_lock:
            if self._next is not None:
                return self._next
            done: Future[None] = Future()
            if self._closed:
                done.set_result(None)
                return done
            self._next = done
        self._agenda.ask_again()
        if not self._submit(self._run):
            with self._start_lock:
                self._next = None
            done.set_result(None)  # the next scrape tries again
        return done

    def outdate(self) -> None:
        """Make a new plan before the next call, because the work has changed."""
        with self._lock:
            self._agenda.outdate()

    def close(self) -> None:
        """Make no further calls. Waits at most a second for calls under way, so close the client first."""
        self._closed = True
        self._agenda.close()
        wait(list(self._running), timeout=_CLOSING_SECONDS)

    def _run(self) -> None:
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - the known tasks can still be refreshed
            self._note_bug(error)
        with self._lock:
            self._workers += 1
            try:
                self._replace()
            except Exception as error:  # noqa: BLE001 - `_work` has to end the refresh, or every scrape waits for it
                self._note_bug(error)
        self._work()

    def _replace(self) -> None:
        self._end()
        with self._start_lock:
            assert self._next is not None  # noqa: S101 - `start` has set it
            self._present, self._next = self._next, None
        self._started = time.monotonic()
        self._calls.start_refresh()
        self._health.start_refresh()
        self._agenda.restart()

    def _end(self) -> None:
        if not self._present.done():
            self._duration = time.monotonic() - self._started
            self._present.set_result(None)

    def _work(self) -> None:
        while (call := self._take()) is not None:
            self._make(call)

    def _take(self) -> Call | None:
        with self._lock:
            try:
                call = self._agenda.take()
            except Exception as error:  # noqa: BLE001 - the scrape must be answered in spite of a bug in planning
                call = None
                self._agenda.skip()
                self._note_bug(error)
            while self._workers < self._agenda.workers and self._submit(self._work):
                self._workers += 1
            if call is None:
                self._workers -= 1
                if not self._agenda.under_way and not self._present.done():
                    self._agenda.end_refresh()
                    self._health.judge()
                    self._end()
            return call

    def _submit(self, work: Callable[[], None]) -> bool:
        """False if the system allows no further thread. Then the existing workers make all calls.

        Without any worker the refresh does not start, and the next scrape tries again.
        """
        try:
            running = self._threads.submit(work)
        except RuntimeError:
            _log.exception("cannot refresh in parallel", extra={"account": self._account})
            return False
        self._running.add(running)
        running.add_done_callback(self._ended)
        return True

    def _ended(self, running: Future[None]) -> None:
        self._running.discard(running)
        if (error := running.exception()) is not None:
            _log.error("bug in a refresh", exc_info=error, extra={"account": self._account})

    def _make(self, call: Call) -> None:
        failure: Exception | None = None
        try:
            self._calls.make(call)
        except BudgetSpent:  # the account was closed
            pass
        except VodError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - one answer that triggers a bug must not stop the account
            failure = error
            self._note_bug(error, action=action(call))
        with self._lock:
            self._agenda.ended(call, failure)

    def _note_bug(self, error: Exception, *, action: str = "") -> None:
        _log.error("bug in a refresh", exc_info=error, extra={"account": self._account})
        self._health.called(action=action, error=VodError(f"bug: {type(error).__name__}", code="bug"))
