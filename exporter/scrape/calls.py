"""Makes the calls of one account, and passes the answers to the ledger, the videos and discovery."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from exporter.deadline import NO_DEADLINE
from exporter.errors import NotFoundError, PermissionDenied, RequestRejected, VodError
from exporter.model import GET_TRANSCODE_TASK, LIST_TRANSCODE_TASK, Task
from exporter.scrape.fallback import Fallback, refuses_operation
from exporter.scrape.forbidden import Forbidden
from exporter.scrape.health import Health
from exporter.scrape.plan import Call, GetJobs, GetSummaries, GetTask, ListTasks, ListVideos
from exporter.tracking.discovery import VideoQuery
from exporter.tracking.tracker import Tracker
from exporter.vod.client import Client

_log = logging.getLogger(__name__)

_UNKNOWN_PARAMETER = ("MissingParameter", "InvalidParameter")  # how VOD refuses a parameter that it does not know


class Recorder(Protocol):
    """Counts the requests of an account by their result, and the malformed fields of answers."""

    def called(self, *, action: str, seconds: float | None, error: VodError | None) -> None:
        """See `exporter.vod.client.Observer`."""

    def malformed(self, fields: Iterable[str]) -> None:
        """An answer had these malformed fields; a field may be there several times."""

    def dropped(self, reason: str) -> None:
        """A task or video is not tracked any more. `reason` is a value of the label."""


class Calls:
    """Safe to use from several threads. `clock` is monotonic, in seconds.

    A refresh may last longer than the scrape that started it, so its calls do not have the deadline of the scrape. A
    call waits until the budget allows it. Then the client limits it to `scrape.timeout`.
    """

    def __init__(
        self,
        account: str,
        client: Client,
        tracker: Tracker,
        recorder: Recorder,
        health: Health,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._client = client
        self._tracker = tracker
        self._ledger = tracker.ledger
        self._videos = tracker.videos
        self._discovery = tracker.discovery
        self._recorder = recorder
        self._health = health
        self._forbidden = Forbidden()
        self.job_ids = Fallback(account, "JobIds refused: one call per task instead of one per ten jobs", clock=clock)
        self.summaries = Fallback(
            account, "GetTranscodeSummary refused: one call per video instead of one per ten videos", clock=clock
        )

    def start_refresh(self) -> None:
        """A refresh starts. While the account is down, the cause of that may have caused the refusal of summaries."""
        if self._health.state.up is False:
            self.summaries.forget()

    def make(self, call: Call) -> None:
        """Make the call and handle its answer. Raises `VodError` if it failed."""
        try:
            match call:
                case ListVideos(query):
                    self._list_videos(query)
                case GetSummaries(video_ids):
                    self._get_summaries(video_ids)
                case ListTasks(video_id):
                    self._list_tasks(video_id)
                case GetTask(task_id):
                    self._ledger.asking(task_id=task_id)
                    self._get_task(task_id)
                case GetJobs(job_ids, urgent):
                    self._ledger.asking(job_ids=job_ids)
                    self._get_jobs(job_ids, urgent=urgent)
        finally:
            self._note_made(call)

    def _note_made(self, call: Call) -> None:
        """The call has ended, with or without an answer. Its tasks, jobs or videos are the last to ask about again."""
        match call:
            case ListVideos(query) if self._discovery is not None:
                self._discovery.asked(query)
            case ListTasks(video_id):
                self._videos.asked([video_id])
            case GetTask(task_id):
                self._ledger.asked_task(task_id)
            case GetJobs(job_ids) if self.job_ids.usable:  # otherwise the exporter asks for their tasks instead
                self._ledger.asked_jobs(job_ids)

    def _list_videos(self, query: VideoQuery) -> None:
        assert self._discovery is not None  # noqa: S101 - discovery has made the query
        found: set[str] = set()
        pages = self._client.list_videos(NO_DEADLINE, statuses=query.statuses, created=self._discovery.unread(query))
        for number, page in enumerate(pages):
            self._recorder.malformed(page.malformed)
            if number == 0 and page.total is not None:
                self._discovery.counted(query, page.total)
            for video in page.videos:
                self._discovery.found(video.id, status=video.status, created=video.created)
                found.add(video.id)
            created = [video.created for video in page.videos if video.created is not None]
            self._discovery.read(query, oldest=min(created, default=math.inf))
        self._discovery.done(query, found)

    def _get_summaries(self, video_ids: tuple[str, ...]) -> None:
        try:
            reply = self._client.get_summaries(video_ids, NO_DEADLINE)
        except NotFoundError:
            self._videos.summarized(video_ids, ())
        except VodError as error:
            if refuses_operation(error):  # the exporter lists the tasks of these videos instead
                self.summaries.refused(error)
                return
            self._videos.asked(video_ids)
            raise
        else:
            self.summaries.accepted()
            self._recorder.malformed(reply.malformed)
            self._videos.summarized(video_ids, reply.tasks)

    def _list_tasks(self, video_id: str) -> None:
        tasks: list[Task] = []
        try:
            for page in self._client.list_tasks(video_id, NO_DEADLINE):
                self._recorder.malformed(page.malformed)
                tasks += page.tasks
        except NotFoundError as error:
            self._forbidden.answered(LIST_TRANSCODE_TASK, video_id)
            if self._videos.not_found(video_id):
                self._drop_video(video_id, "not_found", "video not found", error)
            return
        except PermissionDenied as error:
            if not self._is_forbidden(LIST_TRANSCODE_TASK, video_id):
                self._videos.list_another(video_id)
                raise
            self._videos.forbid(video_id)
            self.summaries.forget()  # VOD may have refused them because of this video
            message = "video dropped: VOD forbids to read it, and answers about others"
            self._drop_video(video_id, "forbidden", message, error)
            return
        self._forbidden.answered(LIST_TRANSCODE_TASK, video_id)
        self._ledger.listed(task.id for task in tasks)
        source = self._videos.source(video_id)
        if self._videos.is_named(video_id):
            self._ledger.name(f"video {video_id}", self._videos.selected(tasks, newest=True), source=source)
        else:
            self._ledger.discover(self._videos.selected(tasks, newest=False), source=source)
        self._videos.listed(video_id, tasks)

    def _get_task(self, task_id: str) -> None:
        try:
            task, malformed = self._client.get_task(task_id, NO_DEADLINE)
        except NotFoundError as error:
            self._forbidden.answered(GET_TRANSCODE_TASK, task_id)
            if self._ledger.observe_not_found(task_id):
                self._log_dropped("task not found", error, task_id=task_id)
            return
        except PermissionDenied as error:
            if not self._is_forbidden(GET_TRANSCODE_TASK, task_id):
                self._ask_witness()
                raise
            if self._ledger.forbid(task_id):
                message = "task dropped: VOD forbids to read it, and answers about others"
                self._log_dropped(message, error, task_id=task_id)
            return
        self._forbidden.answered(GET_TRANSCODE_TASK, task_id)
        self._recorder.malformed(malformed)
        self._ledger.observe_task(task_id, task)

    def _get_jobs(self, job_ids: tuple[str, ...], *, urgent: bool) -> None:
        try:
            reply = self._client.get_jobs(job_ids, NO_DEADLINE, urgent=urgent)
        except NotFoundError:
            self._ledger.observe_jobs(job_ids, ())
        except PermissionDenied:
            if not self._forbidden.refused_batch(GET_TRANSCODE_TASK, job_ids):
                raise
            self._ledger.observe_jobs(job_ids, ())  # one of them may be forbidden: ask for each task alone
        except RequestRejected as error:
            if not error.code.startswith(_UNKNOWN_PARAMETER):
                raise
            self.job_ids.refused(error)
        else:
            self.job_ids.accepted()
            self._forbidden.answered_batch(GET_TRANSCODE_TASK, job_ids)
            self._recorder.malformed(reply.malformed)
            self._ledger.observe_jobs(job_ids, reply.jobs)

    def _ask_witness(self) -> None:
        """Ask again about a task that VOD answered about, as `Videos.list_another` does for videos.

        The other tasks may all have ended, and without an answer about one of them the account would be down.
        """
        witness = self._forbidden.witness(GET_TRANSCODE_TASK)
        if witness is None:
            return
        try:
            with suppress(NotFoundError):  # an answer too
                self._client.get_task(witness, NO_DEADLINE)
        except PermissionDenied:
            self._forbidden.refused(GET_TRANSCODE_TASK, witness)
        except VodError:
            pass  # says nothing about permissions
        else:
            self._forbidden.answered(GET_TRANSCODE_TASK, witness)

    def _is_forbidden(self, action: str, id_: str) -> bool:
        """Whether the missing permission concerns this id only."""
        forbidden = self._forbidden.refused(action, id_)
        if forbidden:  # then it is an answer, as if the id did not exist
            self._health.called(action=action, error=None)
        return forbidden

    def _drop_video(self, video_id: str, reason: str, message: str, error: VodError) -> None:
        self._tracker.unname_tasks_of(video_id)
        self._recorder.dropped(reason)
        self._log_dropped(message, error, video_id=video_id)

    def _log_dropped(self, message: str, error: VodError, **id_: str) -> None:
        _log.warning(message, extra={"account": self._account, **id_, "error": str(error)})
