"""Makes the calls of one account, and hands what comes back to those who keep it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from exporter.deadline import Deadline
from exporter.errors import NotFoundError, RequestRejected, VodError
from exporter.model import Task
from exporter.scrape.plan import Call, GetJobs, GetTask, ListTasks, ListVideos
from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import VIDEOS
from exporter.tracking.videos import Videos
from exporter.vod.client import Client

_log = logging.getLogger(__name__)

_JOB_IDS_REFUSED_SECONDS = 3600.0
_OPTION_UNKNOWN = ("MissingParameter", "InvalidParameter")  # how a service refuses a parameter that it does not know


class Recorder(Protocol):
    """Counts how the requests of an account ended, and which fields of the replies were malformed."""

    def called(self, *, action: str, seconds: float | None, error: VodError | None) -> None: ...

    def malformed(self, fields: Iterable[str]) -> None: ...


class Calls:
    """Safe to use from several threads. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        *,
        account: str,
        client: Client,
        ledger: Ledger,
        videos: Videos,
        recorder: Recorder,
        discovery: Discovery | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._client = client
        self._ledger = ledger
        self._videos = videos
        self._recorder = recorder
        self._discovery = discovery
        self._clock = clock
        self._lock = threading.Lock()
        self._job_ids_refused_at: float | None = None

    @property
    def by_job_ids(self) -> bool:
        """False for an hour after the service refused to tell of jobs by their ids."""
        refused_at = self._job_ids_refused_at
        return refused_at is None or self._clock() - refused_at > _JOB_IDS_REFUSED_SECONDS

    def make(self, call: Call, deadline: Deadline) -> None:
        """Raises `VodError` where the call failed. It then waits its turn again, whatever came of it."""
        try:
            match call:
                case ListVideos(query):
                    self._list_videos(query, deadline)
                case ListTasks(video_id):
                    self._list_tasks(video_id, deadline)
                case GetTask(task_id):
                    self._ledger.asking(task_id=task_id)
                    self._get_task(task_id, deadline)
                case GetJobs(job_ids):
                    self._ledger.asking(job_ids=job_ids)
                    self._get_jobs(job_ids, deadline)
        finally:
            self._made(call)

    def _made(self, call: Call) -> None:
        match call:
            case ListVideos(query) if self._discovery is not None:
                self._discovery.asked(query)
            case ListTasks(video_id):
                self._videos.asked(video_id)
            case GetTask(task_id):
                self._ledger.asked_task(task_id)
            case GetJobs(job_ids) if self.by_job_ids:  # else their tasks are asked in its place
                self._ledger.asked_jobs(job_ids)

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
        except NotFoundError as error:
            if self._videos.not_found(video_id):
                self._ledger.name(f"video {video_id}", (), source=VIDEOS)
                extra = {"account": self._account, "video_id": video_id, "error": str(error)}
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
                _log.warning(
                    "task not found", extra={"account": self._account, "task_id": task_id, "error": str(error)}
                )
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
                first, self._job_ids_refused_at = self._job_ids_refused_at is None, self._clock()
            if first:
                extra = {"account": self._account, "error": str(error)}
                _log.warning("JobIds refused: one call per task instead of one per ten jobs", extra=extra)
        else:
            self._job_ids_refused_at = None
            self._recorder.malformed(reply.malformed)
            self._ledger.observe_jobs(job_ids, reply.jobs)
