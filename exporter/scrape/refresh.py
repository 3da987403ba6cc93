"""Runs the plan of one account: asks, hands what comes back to the ledger, and notes how it went."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent, CredentialsError, DeadlineError, NotFoundError, RequestRejected, VodError
from exporter.model import Task
from exporter.scrape.health import Health
from exporter.scrape.plan import Call, GetJobs, GetTask, ListTasks, plan
from exporter.snapshot import AccountSnapshot
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import NamedVideos
from exporter.vod.client import Client

_log = logging.getLogger(__name__)

_ANSWER_MARGIN_SECONDS = 0.1  # calls end this long before the scrape's answer, so that it tells of their failure
_JOB_IDS_REFUSED_SECONDS = 3600.0


class Recorder(Protocol):
    """Counts what the replies of an account brought beside tasks and jobs."""

    def malformed(self, fields: Iterable[str]) -> None: ...

    def dropped(self, reason: str) -> None: ...


@dataclass(slots=True)
class _Asked:
    """What one refresh has asked so far."""

    count: int = 0
    videos: set[str] = field(default_factory=set)
    denied: set[type[Call]] = field(default_factory=set)


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
        videos: NamedVideos,
        recorder: Recorder,
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
        self._concurrency = concurrency
        self._clock = clock
        self._health = Health(name, clock=clock)
        self._duration: float | None = None
        self._job_ids_refused_at: float | None = None

    def close(self) -> None:
        self._client.close()

    def snapshot(self) -> AccountSnapshot:
        return AccountSnapshot(
            name=self.name,
            region=self._region,
            endpoint=self._endpoint,
            up=self._health.up,
            last_success=self._health.last_success,
            last_error=self._health.last_error,
            last_error_at=self._health.last_error_at,
            refresh_duration=self._duration,
            view=self._ledger.view(),
        )

    def refresh(self, deadline: Deadline) -> None:
        """Ask what there is to ask until it is done or the deadline has come. Failures are noted, not raised.

        What one round of calls finds out, such as the tasks of a video, the next round asks about. Nothing is asked
        twice.
        """
        started = time.monotonic()
        calls_end = Deadline(deadline.at - min(_ANSWER_MARGIN_SECONDS, deadline.remaining() / 10))
        self._ledger.begin_refresh()
        self._health.begin()
        asked = _Asked()
        while not calls_end.expired and (calls := self._plan(asked)):
            before = asked.count
            self._run(calls, asked, calls_end=calls_end, deadline=deadline)
            if asked.count == before:
                break
        self._duration = time.monotonic() - started

    def _plan(self, asked: _Asked) -> deque[Call]:
        videos = [video_id for video_id in self._videos.due() if video_id not in asked.videos]
        return deque(plan(self._ledger.work(), videos=videos, by_job_ids=self._by_job_ids()))

    def _by_job_ids(self) -> bool:
        refused_at = self._job_ids_refused_at
        return refused_at is None or time.monotonic() - refused_at > _JOB_IDS_REFUSED_SECONDS

    def _run(self, calls: deque[Call], asked: _Asked, *, calls_end: Deadline, deadline: Deadline) -> None:
        """Make these calls, `concurrency` at a time."""
        threads = [
            threading.Thread(
                target=self._work, args=(calls, asked, calls_end), name=f"refresh {self.name}", daemon=True
            )
            for _ in range(min(self._concurrency, len(calls)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(deadline.remaining())
        if any(thread.is_alive() for thread in threads):  # the look-up of a name cannot be interrupted
            self._health.failure(DeadlineError("no answer before the deadline", code="timeout"))

    def _work(self, calls: deque[Call], asked: _Asked, deadline: Deadline) -> None:
        while not deadline.expired and self._health.failed_in_a_row < self._concurrency:
            try:
                call = calls.popleft()
            except IndexError:
                return
            if type(call) not in asked.denied:
                self._make(call, asked, deadline)

    def _make(self, call: Call, asked: _Asked, deadline: Deadline) -> None:
        try:
            self._ask(call, deadline)
        except BudgetSpent:
            return
        except VodError as error:
            if isinstance(error, CredentialsError):
                asked.denied.add(type(call))
            self._health.failure(error)
        except Exception as error:  # noqa: BLE001 - a bug that one reply brings out must not cost the account
            _log.exception("bug in a refresh", extra={"account": self.name})
            self._health.failure(VodError(f"bug: {type(error).__name__}", code="bug"))
        else:
            self._health.success()
        asked.count += 1
        match call:
            case ListTasks(video_id):
                asked.videos.add(video_id)
            case GetTask(task_id):
                self._ledger.asked_task(task_id)
            case GetJobs(job_ids):
                self._ledger.asked_jobs(job_ids)

    def _ask(self, call: Call, deadline: Deadline) -> None:
        match call:
            case ListTasks(video_id):
                self._list_tasks(video_id, deadline)
            case GetTask(task_id):
                self._get_task(task_id, deadline)
            case GetJobs(job_ids):
                self._get_jobs(job_ids, deadline)

    def _list_tasks(self, video_id: str, deadline: Deadline) -> None:
        tasks: list[Task] = []
        try:
            for page in self._client.list_tasks(video_id, deadline):
                self._recorder.malformed(page.malformed)
                tasks += page.tasks
        except NotFoundError as error:
            _log.warning("video not found", extra={"account": self.name, "video_id": video_id, "error": str(error)})
        self._ledger.name(f"video {video_id}", self._videos.selected(tasks), source="videos")
        self._videos.listed(video_id)

    def _get_task(self, task_id: str, deadline: Deadline) -> None:
        try:
            task, malformed = self._client.get_task(task_id, deadline)
        except NotFoundError as error:
            if self._ledger.observe_not_found(task_id):
                self._recorder.dropped("not_found")
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
            self._job_ids_refused_at = time.monotonic()
            extra = {"account": self.name, "error": str(error)}
            _log.warning("JobIds refused: for an hour, one call per task instead of one per ten jobs", extra=extra)
        else:
            self._recorder.malformed(reply.malformed)
            self._ledger.observe_jobs(job_ids, reply.jobs)
