"""One account: the interface for scrapes, the registration API and events."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace

from exporter.deadline import Deadline
from exporter.errors import StateError
from exporter.model import ACTIONS, API, DESCRIBE_VOD_TRANSCODE_DATA, EVENTS, EndedJob, Task
from exporter.scrape.health import Health
from exporter.scrape.refresh import Refresh
from exporter.scrape.threads import Threads
from exporter.scrape.usage import BilledUsage
from exporter.snapshot import AccountSnapshot, LedgerView
from exporter.tracking.tracker import Tracker
from exporter.vod.client import Client
from exporter.vod.limiter import Limiter

_log = logging.getLogger(__name__)

_MANY_UNSAVED = 5_000  # jobs; to save them takes about 0.2 s


class Account:
    """Puts together the parts of one account. `empty` is its snapshot before anything is known. Thread-safe.

    `has_state` is whether the store knew jobs when the account started. While `held` returns True, no other exporter
    shows the account.
    """

    def __init__(
        self,
        empty: AccountSnapshot,
        *,
        client: Client,
        limiter: Limiter,
        tracker: Tracker,
        health: Health,
        refresh: Refresh,
        threads: Threads,
        usage: BilledUsage | None = None,
        held: Callable[[], bool] = lambda: True,
    ) -> None:
        self.held = held
        self.name = empty.name
        self._client = client
        self._limiter = limiter
        self._ledger = tracker.ledger
        self._videos = tracker.videos
        self._discovery = tracker.discovery
        self._health = health
        self._refresh = refresh
        self._threads = threads
        self._usage = usage
        self.has_state = tracker.ledger.has_state
        self._refreshed_at: float | None = None
        self._empty = empty
        self._lock = threading.Lock()
        self._next: Future[LedgerView] | None = None  # the queued view that has not started yet

    def close(self) -> None:
        """End the refresh and save its results. After that, nothing more is saved."""
        try:
            self._client.close()
            if self._usage is not None:
                self._usage.close()
        finally:
            try:
                self._refresh.close()
            finally:
                self._ledger.close()

    def refresh(self) -> Future[None]:
        """Start a refresh. The future is done when the refresh has ended; it raises no failures of calls."""
        self._refreshed_at = time.time()
        if self._usage is not None:
            self._usage.refresh()
        return self._refresh.start()

    def late(self, since: float) -> None:
        """Judge the health now: a scrape from `since` (monotonic clock) is answered before the refresh ends."""
        sent, now = self._client.waiting_since, time.monotonic()
        waiting = now - sent if sent is not None else 0.0
        # If the request was sent in the second half of the scrape, VOD had too little time for an answer.
        self._health.judge(waiting=waiting if waiting > (now - since) / 2 else 0.0)

    @property
    def tracked_jobs(self) -> int:
        """How many jobs are tracked. A view takes time for each."""
        return self._ledger.tracked_jobs

    @property
    def shown_jobs(self) -> int:
        """How many jobs a view may show now. The exposition takes time for each."""
        return self._ledger.shown_jobs

    def save_early(self) -> None:
        """Take a view before the end of a scrape if very many jobs are unsaved, so that the last view has few to save.

        Seen: 100,000 new jobs took longer to save than the time that was left, so the scrape showed none of them.
        """
        if self._ledger.unsaved_jobs >= _MANY_UNSAVED:
            self.start_view()

    def start_view(self) -> Future[LedgerView]:
        """Start to take a view of the ledger, for `finish_snapshot`. It may have to wait for the store.

        Readers share a view that has not started yet. So at most two views of an account wait for the store.
        """
        with self._lock:
            if self._next is None:
                try:
                    self._next = self._threads.submit(self._take_view)
                except RuntimeError as error:  # the system allows no further thread
                    failed: Future[LedgerView] = Future()
                    failed.set_exception(error)
                    return failed
            return self._next

    def _take_view(self) -> LedgerView:
        with ExitStack() as turn:
            try:
                turn.enter_context(self._ledger.turn())
            finally:
                with self._lock:
                    self._next = None  # readers that come now need a newer view
            return self._ledger.view()

    def finish_snapshot(self, view: Future[LedgerView], deadline: Deadline) -> AccountSnapshot:
        """The snapshot with this view; with the last view if the store hangs, or is slower than the deadline."""
        try:
            return self._snapshot(view.result(deadline.remaining()))
        except (TimeoutError, StateError):
            pass
        except Exception as error:  # noqa: BLE001 - the scrape must be answered in spite of a bug
            _log.error("bug in a snapshot", exc_info=error, extra={"account": self.name})
        return self._snapshot(self._ledger.last_view())

    def _snapshot(self, view: LedgerView) -> AccountSnapshot:
        """Everything but the view is as it is now, because only the view depends on the store."""
        health = self._health.state
        return replace(
            self._empty,
            up=health.up,
            down_since=health.down_since,
            refreshed_at=self._refreshed_at,
            last_success=health.last_success,
            last_error=health.last_error,
            last_error_at=health.last_error_at,
            refused=health.refused,
            refresh_duration=self._refresh.duration,
            videos=self._discovery.totals if self._discovery is not None else {},
            pending_calls=self._refresh.pending,
            budget={action: self._limiter.rate(action) for action in self._actions()},
            usage=self._usage.seconds if self._usage is not None else {},
            view=view,
        )

    def _actions(self) -> Sequence[str]:
        return ACTIONS if self._usage is None else (*ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA)

    def register(self, task_ids: Sequence[str]) -> dict[str, bool]:
        """See `Ledger.register`."""
        registered = self._ledger.register(task_ids, source=API)
        self._refresh.outdate()
        return registered

    def delete(self, task_id: str) -> bool:
        """See `Ledger.delete`."""
        return self._ledger.delete(task_id)

    def tracked(self) -> list[tuple[str, str, Task | None]]:
        """See `Ledger.tasks`."""
        return self._ledger.tasks()

    def event(self, video_id: str, *jobs: EndedJob) -> None:
        """An event reported that jobs have ended: ask about them first, or list the tasks of their video first.

        Without jobs, their task failed before it had jobs. Raises `StateError` if their times cannot be saved.
        """
        known = self._ledger.observe_event(*jobs) and bool(jobs)
        if not known and video_id:
            self._videos.prioritize(video_id, source=EVENTS)
        self._refresh.outdate()
