"""Plans the calls of one refresh, gives them out one by one, and plans again after their results."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from exporter import config
from exporter.errors import CredentialsError, PermissionDenied
from exporter.model import ACTIONS, GET_TRANSCODE_TASK, LIST_TRANSCODE_TASK
from exporter.scrape.plan import (
    Call,
    GetJobs,
    GetSummaries,
    GetTask,
    ListTasks,
    ListVideos,
    action,
    plan,
    sizes,
    without,
)
from exporter.tracking.discovery import VideoQuery
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Due
from exporter.tracking.work import Work
from exporter.vod.client import JOB_IDS_PER_CALL
from exporter.vod.limiter import Limiter

_log = logging.getLogger(__name__)

_HORIZON_SECONDS = 10.0  # the length of a plan; later calls are left to the next plan, which has newer results
_PLANNING_SECONDS = 1.0  # at most one new plan in this time, unless something urgent comes
_PLANNING_SHARE = 0.02  # the maximum share of the time for new plans
# A refresh ends after this number of failed calls in a row, or after `concurrency` failed calls if that is more. An
# operation ends after this number of refusals in a row of ids that VOD refused before.
_FAILURES_IN_A_ROW = 4
_MARGIN = 1.25  # so many times the calls that the mean latency needs may be under way
_MAX_REFUSED = 100_000  # ids that are remembered; beyond that the memory starts again


class Agenda:
    """Plans the calls of one account. No call is made twice in a refresh.

    A plan is for the next ten seconds. It is made again after results, but at most once a second: sooner only if an
    event or a registration came, or if the plan is done and a list may have named more. `by_job_ids` and `by_summaries`
    say whether VOD accepts the parameter `JobIds` and the operation GetTranscodeSummary. `concurrency` calls may be
    under way at the same time, and more if `latency`, the mean seconds of an answer, needs it. Not safe to use from
    several threads.
    """

    def __init__(
        self,
        tracker: Tracker,
        limiter: Limiter,
        *,
        by_job_ids: Callable[[], bool],
        by_summaries: Callable[[], bool],
        concurrency: int,
        latency: Callable[[], float] = lambda: 0.0,
        account: str = "",
    ) -> None:
        self._account = account
        self._ledger = tracker.ledger
        self._videos = tracker.videos
        self._discovery = tracker.discovery
        self._limiter = limiter
        self._by_job_ids = by_job_ids
        self._by_summaries = by_summaries
        self._concurrency = concurrency
        self._latency = latency
        self._most_failures = max(concurrency, _FAILURES_IN_A_ROW)
        self._closed = False
        self._under_way: list[Call] = []
        self._taken: Counter[str] = Counter()  # calls so far, by operation
        self._refused: dict[str, set[str]] = {}  # ids that VOD refused since its last answer, by operation
        self._reset()

    def _reset(self) -> None:
        self._queries: list[VideoQuery] = []  # still to be made
        self._listed: set[str] = set()  # videos
        self._summarized: set[str] = set()  # videos
        self._denied: set[str] = set()  # operations
        self._refusals: Counter[str] = Counter()  # by operation: in a row, of ids that VOD refused before
        self._failed_in_a_row = 0
        self._plan: list[Call] = []
        self._beyond: Counter[str] = Counter()  # calls that come after the plan, by operation
        self._rate = 0.0  # the calls per second of all operations in the plan
        self.outdate()

    def ask_again(self) -> None:
        """A refresh is about to start: ask about everything unfinished again. Takes no lock, and is always safe to
        call.

        Calls that end from now on count for the new refresh, because their answers are new enough.
        """
        self._ledger.start_refresh()

    def restart(self) -> None:
        """The refresh starts. Calls under way belong to it."""
        self._reset()
        self._queries = list(self._discovery.due()) if self._discovery is not None else []

    def outdate(self) -> None:
        """Make a new plan before the next call, because the work has changed."""
        self._outdated, self._plan_again_at = True, -math.inf

    def close(self) -> None:
        """Plan no further calls. Takes effect with the next `take`."""
        self._closed = True

    def skip(self) -> None:
        """Drop the present plan, because its calls cannot be made. The next refresh plans again."""
        self._plan, self._outdated = [], False

    @property
    def pending(self) -> Mapping[str, int]:
        """How many calls of each operation the present refresh has not started yet."""
        planned = _by_action(list(self._plan))  # a copy, because other threads read this at any time
        return {name: self._beyond[name] + planned[name] for name in ACTIONS}

    @property
    def workers(self) -> int:
        """How many calls can be made at the same time now."""
        return min(self._most, len(self._under_way) + len(self._plan))

    @property
    def _most(self) -> int:
        """How many calls may be under way: as many as the budget allows at the present latency, by Little's law.

        So a slow service does not make the calls fewer. Those that wait for their turn are under way, too.
        """
        return min(max(self._concurrency, math.ceil(_MARGIN * self._rate * self._latency())), config.MOST_CALLS)

    @property
    def under_way(self) -> bool:
        """Whether at least one call has no result yet."""
        return bool(self._under_way)

    def take(self) -> Call | None:
        """The next call to make; None if no call is left, or if enough calls are under way.

        The operation with the fewest calls under way comes first, because each operation has its own budget.
        """
        under_way = Counter(map(action, self._under_way))
        self._plan_again(under_way)
        if len(self._under_way) >= self._most:
            return None
        names = sorted(ACTIONS, key=lambda name: (under_way[name], self._taken[name]))
        call = next((call for name in names for call in self._plan if action(call) == name), None)
        if call is not None:
            self._taken[action(call)] += 1
            self._plan.remove(call)
            self._under_way.append(call)
        return call

    def ended(self, call: Call, error: Exception | None) -> None:
        """The call has a result: an answer, or an error."""
        self._under_way.remove(call)
        self._outdated = True
        if not _is_of_ids(call, error):
            self._failed_in_a_row = self._failed_in_a_row + 1 if error is not None else 0
        if self._is_denied(call, error):  # VOD would reject the other calls of this operation too
            self._denied.add(action(call))
            self._drop_plan()
        elif (isinstance(call, GetJobs) and not self._by_job_ids()) or (
            isinstance(call, GetSummaries) and not self._by_summaries()
        ):
            self._drop_plan()
        elif not self._plan and (not isinstance(call, GetJobs) or self._ledger.has_due_tasks):
            self.outdate()  # the answer may have named something new, or the last job of a task has ended
        match call:
            case ListTasks(video_id):
                self._listed.add(video_id)
            case GetSummaries(video_ids):
                self._summarized.update(video_ids)
            case ListVideos(query):
                self._queries = [other for other in self._queries if other != query]

    def _drop_plan(self) -> None:
        self._plan = []
        self.outdate()

    def _is_denied(self, call: Call, error: Exception | None) -> bool:
        """Whether the credentials may not call the operation.

        A refusal of ids does not say that, because VOD may answer about the other ids. So all of them are asked about
        once. As long as VOD answers none of them, each further refresh makes only a few calls.
        """
        name = action(call)
        if not isinstance(error, CredentialsError):
            self._refusals[name] = 0
            if error is None:
                self._refused.pop(name, None)
            return False
        if not _is_of_ids(call, error):
            return True
        refused, ids = self._refused.setdefault(name, set()), _ids(call)
        if refused.issuperset(ids):
            self._refusals[name] += 1
        if len(refused) >= _MAX_REFUSED:
            refused.clear()
        refused.update(ids)
        return self._refusals[name] >= _FAILURES_IN_A_ROW

    def end_refresh(self) -> None:
        """Nothing is left to ask."""
        self._beyond = Counter()

    def _plan_again(self, under_way: Mapping[str, int]) -> None:
        now = time.monotonic()
        if self._closed or self._failed_in_a_row >= self._most_failures:
            self._plan = []
        elif self._outdated and (now >= self._plan_again_at or not (self._plan or self._under_way)):
            by_job_ids = self._by_job_ids()
            budget = {name: self._budget(name, under_way) for name in ACTIONS}
            work = self._work(budget[GET_TRANSCODE_TASK] + len(self._under_way), by_job_ids=by_job_ids)
            videos = self._due_videos()
            queries = [query for query in self._queries if ListVideos(query) not in self._under_way]
            self._plan = plan(
                work,
                budget=budget,
                by_job_ids=by_job_ids,
                made=self._taken[GET_TRANSCODE_TASK],
                lists_made=self._taken[LIST_TRANSCODE_TASK],
                videos=videos,
                queries=queries,
            )
            self._beyond = Counter(sizes(work, videos, queries, by_job_ids=by_job_ids)) - _by_action(self._plan)
            self._rate = sum(self._limiter.rate(name) for name in _by_action(self._plan))
            self._outdated = False
            self._plan_again_at = now + max(_PLANNING_SECONDS, (time.monotonic() - now) / _PLANNING_SHARE)
            self._log_plan()

    def _log_plan(self) -> None:
        if (self._plan or self._beyond) and _log.isEnabledFor(logging.DEBUG):
            planned = {f"calls_{name}": count for name, count in _by_action(self._plan).items()}
            later = self._beyond.total()  # calls that do not fit into the plan
            _log.debug("planned", extra={"account": self._account, **planned, "later": later})

    def _work(self, calls: int, *, by_job_ids: bool) -> Work:
        """What no call is about: enough for this many calls, or all if VOD refuses `JobIds`."""
        if by_job_ids:
            work = self._ledger.work(most_tasks=calls, most_jobs=calls * JOB_IDS_PER_CALL)
        else:
            work = self._ledger.work()
        return without(work, self._under_way)

    def _due_videos(self) -> Due:
        """The videos that no call of this refresh was about."""
        due = self._videos.due(by_summaries=self._by_summaries())
        listed, summarized = set(self._listed), set(self._summarized)
        for call in self._under_way:
            match call:
                case ListTasks(video_id):
                    listed.add(video_id)
                case GetSummaries(video_ids):
                    summarized.update(video_ids)
        return Due(
            lists=tuple(video_id for video_id in due.lists if video_id not in listed),
            hints=tuple(video_id for video_id in due.hints if video_id not in listed),
            summaries=tuple(video_id for video_id in due.summaries if video_id not in summarized),
        )

    def _budget(self, name: str, under_way: Mapping[str, int]) -> int:
        """How many calls of the operation fit into the horizon. If none does, one call at a time waits for its turn."""
        if name in self._denied:
            return 0
        return self._limiter.calls_within(name, _HORIZON_SECONDS) or int(not under_way.get(name))


def _is_of_ids(call: Call, error: Exception | None) -> bool:
    """Whether VOD refused a permission, and it may be that for these ids only."""
    return isinstance(error, PermissionDenied) and bool(_ids(call))


def _ids(call: Call) -> tuple[str, ...]:
    """The ids of an operation that is refused as a whole only if VOD refuses all ids."""
    match call:
        case ListTasks(id_) | GetTask(id_):
            return (id_,)
        case GetJobs(ids):
            return ids
    return ()


def _by_action(calls: Iterable[Call]) -> Counter[str]:
    return Counter(map(action, calls))
