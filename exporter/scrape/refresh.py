"""Refreshes one account: plans, calls, and plans again, until nothing is left that is due."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent, CredentialsError, VodError
from exporter.model import ACTIONS
from exporter.scrape.calls import Calls
from exporter.scrape.health import Health
from exporter.scrape.plan import Call, GetJobs, ListTasks, ListVideos, action, plan, size, without
from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Videos
from exporter.vod.limiter import Limiter

_log = logging.getLogger(__name__)

_HORIZON_SECONDS = 10.0  # of a plan: what lies further ahead, a later plan knows better
_PLANNING_SHARE = 0.02  # of the time, at most, goes into planning anew while there still is a plan
_FAILURES_IN_A_ROW = 4  # end a refresh, or as many as are under way at a time: one odd task must not end it
_WHENEVER = Deadline(math.inf)
_CLOSING_SECONDS = 1.0


class Refresh:
    """The refreshes of one account, one at a time. Safe to use from several threads.

    A refresh goes on by itself, `concurrency` calls at a time, until all that is due was asked about. One that begins
    meanwhile takes its place: what is under way comes to its end, and counts for the new one. What a call finds out,
    such as the tasks of a video, has its place in the next plan; nothing is asked twice in a refresh. `prepare` is
    called first, and may take its time.
    """

    def __init__(
        self,
        account: str,
        *,
        calls: Calls,
        ledger: Ledger,
        videos: Videos,
        limiter: Limiter,
        health: Health,
        prepare: Callable[[], None],
        discovery: Discovery | None = None,
        concurrency: int = 8,
    ) -> None:
        self._account = account
        self._calls = calls
        self._ledger = ledger
        self._videos = videos
        self._limiter = limiter
        self._health = health
        self._prepare = prepare
        self._discovery = discovery
        self._concurrency = concurrency
        self._most_failures = max(concurrency, _FAILURES_IN_A_ROW)

        self._lock = threading.Lock()
        self._beginning_lock = threading.Lock()
        self._beginning: threading.Event | None = None  # of a refresh that has not taken over yet
        self._threads: set[threading.Thread] = set()
        self._stopped = False
        self._under_way: list[Call] = []
        self._taken: Counter[str] = Counter()  # calls, by operation
        self._done = threading.Event()
        self._done.set()
        self._begun = 0.0
        self._duration: float | None = None
        self._reset()

    def _reset(self) -> None:
        self._queries: list[VideoQuery] = []
        self._listed: set[str] = set()
        self._denied: set[str] = set()
        self._failed_in_a_row = 0
        self._plan: list[Call] = []
        self._later = 0  # calls beyond the plan
        self._outdate()

    @property
    def duration(self) -> float | None:
        """Seconds that the last refresh took, to its end or until the next took its place."""
        return self._duration

    @property
    def pending(self) -> int:
        """How many calls of GetTranscodeTask the present refresh still has before it."""
        return self._later + _gets(list(self._plan))

    def begin(self) -> threading.Event:
        """Plan anew, whatever is under way. The event is set when all of it is done, or a later refresh took over.

        Waits for nothing, whatever the disks and locks of others are doing.
        """
        with self._beginning_lock:
            if self._beginning is not None:
                return self._beginning
            done = threading.Event()
            if self._stopped:
                done.set()
                return done
            self._beginning = done
        self._ledger.begin_refresh()
        if not self._start_thread(self._begin):
            self._beginning = None
            done.set()  # or every scrape to come would wait for it
        return done

    def outdate(self) -> None:
        """Something has happened that a plan should know of."""
        with self._lock:
            self._outdate()

    def _outdate(self) -> None:
        self._outdated, self._plan_again_at = True, 0.0

    def close(self) -> None:
        """End, without waiting for long. The client is closed before, so that nobody waits for a turn."""
        self._stopped = True
        threads = list(self._threads)
        until = Deadline.after(_CLOSING_SECONDS)
        for thread in threads:
            if thread.is_alive():  # or about to start, and then to end at once
                thread.join(until.remaining())

    def _begin(self) -> None:
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - what is known already is refreshed all the same
            self._bug(error)
        with self._lock:
            self._take_over()
        self._work()

    def _take_over(self) -> None:
        now = time.monotonic()
        if not self._done.is_set():
            self._duration = now - self._begun
            self._done.set()
        with self._beginning_lock:
            assert self._beginning is not None  # noqa: S101 - this is what began
            self._done, self._beginning = self._beginning, None
        self._begun = now
        self._health.begin()
        self._reset()
        self._queries = list(self._discovery.due()) if self._discovery is not None else []

    def _work(self) -> None:
        while (call := self._next()) is not None:
            self._make(call)

    def _next(self) -> Call | None:
        """The next call of the operation of which the fewest are under way: each has a budget of its own."""
        with self._lock:
            under_way = Counter(map(action, self._under_way))
            try:
                self._plan_anew(under_way)
            except Exception as error:  # noqa: BLE001 - the next scrape plans again, and this one has an answer
                self._plan, self._outdated = [], False
                self._bug(error)
            self._staff()
            names = sorted(ACTIONS, key=lambda name: (under_way[name], self._taken[name]))
            call = next((call for name in names for call in self._plan if action(call) == name), None)
            if call is not None and len(self._under_way) < self._concurrency:
                self._taken[action(call)] += 1
                self._plan.remove(call)
                self._under_way.append(call)
                return call
            self._threads.discard(threading.current_thread())
            if not self._under_way:
                self._finish()
            return None

    def _plan_anew(self, under_way: Mapping[str, int]) -> None:
        now = time.monotonic()
        if self._stopped or self._failed_in_a_row >= self._most_failures:
            self._plan = []
        elif self._outdated and (not self._plan or now >= self._plan_again_at):
            work = without(self._ledger.work(), self._under_way)
            by_job_ids = self._calls.by_job_ids
            listed = self._listed | {call.video_id for call in self._under_way if isinstance(call, ListTasks)}
            self._plan = plan(
                work,
                budget={name: self._budget(name, under_way) for name in ACTIONS},
                by_job_ids=by_job_ids,
                made=self._taken["GetTranscodeTask"],
                videos=[one for one in self._videos.due() if one not in listed],
                queries=[one for one in self._queries if ListVideos(one) not in self._under_way],
            )
            self._later = size(work, by_job_ids=by_job_ids) - _gets(self._plan)
            self._outdated = False
            self._plan_again_at = now + (time.monotonic() - now) / _PLANNING_SHARE

    def _budget(self, name: str, under_way: Mapping[str, int]) -> int:
        """The turns within the horizon. Where they are further apart, one call waits for the next."""
        if name in self._denied:
            return 0
        return self._limiter.calls_within(name, _HORIZON_SECONDS) or int(not under_way.get(name))

    def _staff(self) -> None:
        for _ in range(min(self._concurrency, len(self._under_way) + len(self._plan)) - len(self._threads)):
            if not self._start_thread(self._work):
                return

    def _start_thread(self, target: Callable[[], None]) -> bool:
        """False where no thread is to be had: those there are do it all."""
        thread = threading.Thread(target=target, name=f"refresh {self._account}", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            _log.exception("cannot refresh in parallel", extra={"account": self._account})
            return False
        return True

    def _make(self, call: Call) -> None:
        failed = denied = False
        try:
            self._calls.make(call, _WHENEVER)
        except BudgetSpent:  # only where the account is closed
            pass
        except VodError as error:
            failed, denied = True, isinstance(error, CredentialsError)
        except Exception as error:  # noqa: BLE001 - a bug that one reply brings out must not cost the account
            failed = True
            self._bug(error, of=action(call))
        with self._lock:
            self._under_way.remove(call)
            self._outdated = True
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed else 0
            if denied:  # the operation is left alone for the rest of this refresh
                self._denied.add(action(call))
            if denied or (isinstance(call, GetJobs) and not self._calls.by_job_ids):
                self._plan = []
            if isinstance(call, ListTasks):
                self._listed.add(call.video_id)
            elif isinstance(call, ListVideos):
                self._queries = [one for one in self._queries if one != call.query]

    def _finish(self) -> None:
        if not self._done.is_set():
            self._duration = time.monotonic() - self._begun
            self._later = 0
            self._health.judge()
            self._done.set()

    def _bug(self, error: Exception, *, of: str = "") -> None:
        _log.error("bug in a refresh", exc_info=error, extra={"account": self._account})
        self._health.called(action=of, error=VodError(f"bug: {type(error).__name__}", code="bug"))


def _gets(calls: Iterable[Call]) -> int:
    return sum(action(call) == "GetTranscodeTask" for call in calls)
