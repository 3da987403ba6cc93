"""Runs the plan of one account: asks, hands what comes back to the ledger, and notes how it went."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent, CredentialsError, DeadlineError, NotFoundError, RequestRejected, VodError
from exporter.model import Task
from exporter.scrape.health import Health
from exporter.scrape.plan import Call, GetJobs, GetTask, ListTasks, ListVideos, plan
from exporter.snapshot import AccountSnapshot
from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import API, EVENTS, VIDEOS, Source
from exporter.tracking.videos import Videos
from exporter.vod.client import Client

_log = logging.getLogger(__name__)

_ANSWER_MARGIN_SECONDS = 0.1  # calls end this long before the deadline, so that the answer tells of their failure
_JOB_IDS_REFUSED_SECONDS = 3600.0
_OPTION_UNKNOWN = ("MissingParameter", "InvalidParameter")  # how a service refuses a parameter that it does not know
_FAILURES_IN_A_ROW = 4  # end a refresh, or as many as are under way at a time: one odd task must not end it


class Recorder(Protocol):
    """Counts what the replies of an account brought beside tasks and jobs."""

    def malformed(self, fields: Iterable[str]) -> None: ...


@dataclass(slots=True)
class _Refresh:
    """One refresh, and what it has asked so far. A call that outlives it changes this one, not the next."""

    number: int
    calls_end: Deadline
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: int = 0
    failed_in_a_row: int = 0
    answered: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    videos: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def success(self, action: str) -> None:
        with self.lock:
            self.made += 1
            self.answered.add(action)
            self.failed_in_a_row = 0

    def failure(self, action: str | None) -> None:
        """A call failed, or, without an action, something that cannot be told to be of one operation."""
        with self.lock:
            self.made += 1
            self.failed_in_a_row += 1
            if action is not None:
                self.failed.add(action)

    @property
    def up(self) -> bool:
        """Each operation that was asked was answered at least once, and none was denied."""
        return bool(self.answered) and not (self.denied or self.failed - self.answered)


class Account:
    """One account: its client, its ledger, its sources. One thread refreshes at a time, any may take a snapshot."""

    def __init__(
        self,
        *,
        name: str,
        region: str,
        endpoint: str,
        client: Client,
        ledger: Ledger,
        videos: Videos,
        recorder: Recorder,
        sources: Sequence[Source] = (),
        discovery: Discovery | None = None,
        concurrency: int = 8,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._region = region
        self._endpoint = endpoint
        self._client = client
        self._ledger = ledger
        self._videos = videos
        self._recorder = recorder
        self._sources = sources
        self._discovery = discovery
        self._concurrency = concurrency
        self._most_failures = max(concurrency, _FAILURES_IN_A_ROW)
        self._clock = clock
        self._health = Health(name, clock=clock)
        self._duration: float | None = None
        self._job_ids_refused_at: float | None = None
        self._hanging: list[threading.Thread] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        self._client.close()

    def snapshot(self) -> AccountSnapshot:
        health = self._health.state
        return AccountSnapshot(
            name=self.name,
            region=self._region,
            endpoint=self._endpoint,
            up=health.up,
            last_success=health.last_success,
            last_error=health.last_error,
            last_error_at=health.last_error_at,
            refresh_duration=self._duration,
            view=self._ledger.view(),
        )

    def register(self, task_ids: Sequence[str]) -> dict[str, bool]:
        """See `Ledger.register`."""
        return self._ledger.register(task_ids, source=API)

    def delete(self, task_id: str) -> bool:
        """See `Ledger.delete`."""
        return self._ledger.delete(task_id)

    def tracked(self) -> list[tuple[str, str, Task | None]]:
        """See `Ledger.tasks`."""
        return self._ledger.tasks()

    def event(self, *, job_id: str, video_id: str, processing: float | None) -> None:
        """An event told that a job has ended: its job, or the tasks of its video, are asked about first."""
        known = self._ledger.observe_event(job_id, processing=processing)
        if not known and video_id:
            self._videos.hint(video_id, source=EVENTS)

    def refresh(self, deadline: Deadline) -> None:
        """Ask what there is to ask until it is done or the deadline has come. Failures are noted, not raised.

        What one round of calls finds out, such as the tasks of a video, the next round asks about. Nothing is asked
        twice.
        """
        started = time.monotonic()
        margin = min(_ANSWER_MARGIN_SECONDS, deadline.remaining() / 10)
        refresh = _Refresh(self._ledger.begin_refresh(), calls_end=Deadline(deadline.at - margin))
        try:
            for source in self._sources:
                source.name(self._ledger, self._videos)
            for video_id in self._videos.left():
                self._ledger.name(f"video {video_id}", (), source=VIDEOS)
            while not refresh.calls_end.expired and (calls := self._plan(refresh)):
                before = refresh.made
                started_any = self._run(calls, refresh, end=Deadline(deadline.at - margin / 2))
                if refresh.made == before or not started_any:
                    break
        except Exception as error:  # noqa: BLE001 - the next scrape refreshes again, and this one has an answer
            self._bug(error, None, refresh)
        if refresh.made:
            self._health.judge(up=refresh.up)
        self._duration = time.monotonic() - started

    def _plan(self, refresh: _Refresh) -> deque[Call]:
        return deque(
            plan(
                self._ledger.work(),
                by_job_ids=self._by_job_ids(),
                videos=[video_id for video_id in self._videos.due() if video_id not in refresh.videos],
                queries=self._discovery.due() if self._discovery is not None else (),
            )
        )

    def _by_job_ids(self) -> bool:
        refused_at = self._job_ids_refused_at
        return refused_at is None or time.monotonic() - refused_at > _JOB_IDS_REFUSED_SECONDS

    def _run(self, calls: Sequence[Call], refresh: _Refresh, *, end: Deadline) -> bool:
        """Make these calls, `concurrency` at a time, those counted that hang from an earlier refresh.

        False where all hang. Half of the threads begin with lists, half with gets: those of one operation that wait
        for their turns in the budget do not keep the other from its own.
        """
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        count = min(self._concurrency - len(self._hanging), len(calls))
        lists = deque(call for call in calls if isinstance(call, ListVideos | ListTasks))
        gets = deque(call for call in calls if isinstance(call, GetTask | GetJobs))
        queues = [(gets, lists), (lists, gets)] if count > 1 else [(deque(calls),)]
        threads = [
            threading.Thread(
                target=self._work, args=(queues[place % len(queues)], refresh), name=f"refresh {self.name}", daemon=True
            )
            for place in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(end.remaining())
        self._hanging += [thread for thread in threads if thread.is_alive()]
        if len(self._hanging) == self._concurrency or any(thread.is_alive() for thread in threads):
            # The look-up of a name cannot be interrupted.
            self._failed(DeadlineError("no answer before the deadline", code="timeout"), None, refresh)
        return count > 0

    def _work(self, queues: Sequence[deque[Call]], refresh: _Refresh) -> None:
        while not refresh.calls_end.expired and refresh.failed_in_a_row < self._most_failures:
            call = _next(queues)
            if call is None:
                return
            refused = isinstance(call, GetJobs) and not self._by_job_ids()
            if not refused and _action(call) not in refresh.denied:
                self._make(call, refresh)

    def _make(self, call: Call, refresh: _Refresh) -> None:
        try:
            self._ask(call, refresh.calls_end)
        except BudgetSpent:
            return
        except VodError as error:
            if isinstance(error, CredentialsError):
                refresh.denied.add(_action(call))
            self._failed(error, _action(call), refresh)
        except Exception as error:  # noqa: BLE001 - a bug that one reply brings out must not cost the account
            self._bug(error, _action(call), refresh)
        else:
            self._health.success()
            refresh.success(_action(call))
        match call:
            case ListVideos(query) if self._discovery is not None:
                self._discovery.asked(query)
            case ListTasks(video_id):
                refresh.videos.add(video_id)
                self._videos.asked(video_id)
            case GetTask(task_id):
                self._ledger.asked_task(task_id, refresh=refresh.number)
            case GetJobs(job_ids) if self._by_job_ids():  # else their tasks are asked in its place
                self._ledger.asked_jobs(job_ids, refresh=refresh.number)

    def _failed(self, error: VodError, action: str | None, refresh: _Refresh) -> None:
        self._health.failure(error)
        refresh.failure(action)

    def _bug(self, error: Exception, action: str | None, refresh: _Refresh) -> None:
        _log.error("bug in a refresh", exc_info=error, extra={"account": self.name})
        self._failed(VodError(f"bug: {type(error).__name__}", code="bug"), action, refresh)

    def _ask(self, call: Call, deadline: Deadline) -> None:
        match call:
            case ListVideos(query):
                self._list_videos(query, deadline)
            case ListTasks(video_id):
                self._list_tasks(video_id, deadline)
            case GetTask(task_id):
                self._get_task(task_id, deadline)
            case GetJobs(job_ids):
                self._get_jobs(job_ids, deadline)

    def _list_videos(self, query: VideoQuery, deadline: Deadline) -> None:
        assert self._discovery is not None  # noqa: S101 - it made the query
        found: set[str] = set()
        pages = self._client.list_videos(
            deadline, statuses=query.statuses, created=query.created, first_page=self._discovery.next_page(query)
        )
        for page in pages:
            self._recorder.malformed(page.malformed)
            self._discovery.read(query)
            for video in page.videos:
                self._discovery.found(video.id, status=video.status, created=video.created)
                found.add(video.id)
        self._discovery.done(query, found)

    def _list_tasks(self, video_id: str, deadline: Deadline) -> None:
        tasks: list[Task] = []
        try:
            for page in self._client.list_tasks(video_id, deadline):
                self._recorder.malformed(page.malformed)
                tasks += page.tasks
                self._videos.asked(video_id)  # even where the budget ends before the last page
        except NotFoundError as error:
            if self._videos.not_found(video_id):
                self._ledger.name(f"video {video_id}", (), source="videos")
                extra = {"account": self.name, "video_id": video_id, "error": str(error)}
                _log.warning("video not found", extra=extra)
            return
        source = self._videos.source(video_id)
        if self._videos.is_named(video_id):
            self._ledger.name(f"video {video_id}", self._videos.selected(tasks, newest=True), source=source)
        else:
            self._ledger.discover(self._videos.selected(tasks, newest=False), source=source)
        self._videos.listed(video_id)

    def _get_task(self, task_id: str, deadline: Deadline) -> None:
        try:
            task, malformed = self._client.get_task(task_id, deadline)
        except NotFoundError as error:
            if self._ledger.observe_not_found(task_id):
                _log.warning("task not found", extra={"account": self.name, "task_id": task_id, "error": str(error)})
            return
        self._recorder.malformed(malformed)
        self._ledger.observe_task(task_id, task)

    def _get_jobs(self, job_ids: tuple[str, ...], deadline: Deadline) -> None:
        try:
            reply = self._client.get_jobs(job_ids, deadline)
        except NotFoundError:
            self._ledger.observe_jobs(job_ids, ())
        except RequestRejected as error:
            if not error.code.startswith(_OPTION_UNKNOWN):
                raise
            with self._lock:
                first, self._job_ids_refused_at = self._job_ids_refused_at is None, time.monotonic()
            if first:
                extra = {"account": self.name, "error": str(error)}
                _log.warning("JobIds refused: one call per task instead of one per ten jobs", extra=extra)
        else:
            self._job_ids_refused_at = None
            self._recorder.malformed(reply.malformed)
            self._ledger.observe_jobs(job_ids, reply.jobs)


def _next(queues: Sequence[deque[Call]]) -> Call | None:
    """The next call of the first queue that has one."""
    for queue in queues:
        with suppress(IndexError):
            return queue.popleft()
    return None


def _action(call: Call) -> str:
    match call:
        case ListVideos():
            return "GetVideoList"
        case ListTasks():
            return "ListTranscodeTask"
        case _:
            return "GetTranscodeTask"
