"""The client of ApsaraVideo VOD: one method for each operation, bounded in time, calls per second and response size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from exporter.deadline import Deadline
from exporter.errors import MalformedResponse
from exporter.model import GET_TRANSCODE_SUMMARY, GET_TRANSCODE_TASK, GET_VIDEO_LIST, LIST_TRANSCODE_TASK, Task
from exporter.vod import payloads, signing
from exporter.vod.credentials import Credentials
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer, Sender, ignore

JOB_IDS_PER_CALL = 10
VIDEO_IDS_PER_CALL = 10
TASKS_PER_PAGE = 50
VIDEOS_PER_PAGE = 100
PAGE_CAP = 50  # GetVideoList returns 5,000 rows at most
Page = TypeVar("Page", payloads.TaskListReply, payloads.VideoListReply)

_log = logging.getLogger(__name__)


class Client:
    """Calls VOD for one account in one region. Safe to use from several threads.

    `endpoint` is `http(s)://host[:port]`. `connections` is the number of connections that are kept open. Every method
    waits for its turn in the budget until its deadline; then each call, or each page, takes at most `timeout` seconds.
    Every method raises the `VodError`s of `exporter.errors`, after retries where a retry can help and there is time.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: Credentials,
        limiter: Limiter,
        timeout: float,
        connections: int,
        observer: Observer = ignore,
    ) -> None:
        self._sender = Sender(
            endpoint=endpoint,
            credentials=credentials,
            limiter=limiter,
            timeout=timeout,
            connections=connections,
            observer=observer,
        )

    def close(self) -> None:
        """Close idle connections. Calls that wait for a turn raise `BudgetSpent`; requests already sent go on."""
        self._sender.close()

    @property
    def waiting_since(self) -> float | None:
        """When the oldest unanswered request was sent, in monotonic seconds; None without one."""
        return self._sender.waiting_since

    def get_task(self, task_id: str, deadline: Deadline) -> tuple[Task, tuple[str, ...]]:
        """`GetTranscodeTask` with `TranscodeTaskId`: the task with all its jobs, and the names of malformed fields."""

        def parse(body: object) -> tuple[Task, tuple[str, ...]]:
            reply = payloads.task_reply(body)
            if reply.task is None:
                raise MalformedResponse(f"{GET_TRANSCODE_TASK}: the response has no task", code="no_task")
            if reply.task.id not in ("", task_id):
                raise MalformedResponse(f"{GET_TRANSCODE_TASK}: the response has another task", code="wrong_task")
            return reply.task, reply.malformed

        return self._sender.call(GET_TRANSCODE_TASK, {"TranscodeTaskId": task_id}, deadline, parse)

    def get_jobs(self, job_ids: Sequence[str], deadline: Deadline) -> payloads.JobsReply:
        """`GetTranscodeTask` with `JobIds`: up to `JOB_IDS_PER_CALL` jobs, which may belong to different tasks."""
        return self._sender.call(GET_TRANSCODE_TASK, {"JobIds": ",".join(job_ids)}, deadline, payloads.jobs_reply)

    def get_summaries(self, video_ids: Sequence[str], deadline: Deadline) -> payloads.SummaryReply:
        """`GetTranscodeSummary`: the newest task of each of up to `VIDEO_IDS_PER_CALL` videos, without its id."""
        parameters = {"VideoIds": ",".join(video_ids)}
        return self._sender.call(GET_TRANSCODE_SUMMARY, parameters, deadline, payloads.summary_reply)

    def list_tasks(self, video_id: str, deadline: Deadline) -> Iterator[payloads.TaskListReply]:
        """`ListTranscodeTask`, page by page: the tasks of one video in the past year, without their jobs.

        VOD returns no total and defines no order. The last page is short, or has no new task.
        """
        parameters = {"VideoId": video_id, "PageSize": str(TASKS_PER_PAGE)}
        return self._pages(
            *(LIST_TRANSCODE_TASK, parameters, deadline, payloads.task_list_reply),
            ids=lambda page: {task.id for task in page.tasks},
            size=TASKS_PER_PAGE,
            field="TranscodeTaskList",
        )

    def list_videos(
        self,
        deadline: Deadline,
        *,
        statuses: Sequence[str] = (),
        created: tuple[float, float] | None = None,
        first_page: int = 1,
    ) -> Iterator[payloads.VideoListReply]:
        """`GetVideoList`, page by page: videos with one of `statuses`, created between two Unix times in seconds."""
        parameters = {"PageSize": str(VIDEOS_PER_PAGE)}
        if statuses:
            parameters["Status"] = ",".join(statuses)
        if created is not None:
            parameters["StartTime"], parameters["EndTime"] = map(signing.timestamp, created)
        return self._pages(
            *(GET_VIDEO_LIST, parameters, deadline, payloads.video_list_reply),
            ids=lambda page: {video.id for video in page.videos},
            size=VIDEOS_PER_PAGE,
            field="VideoList",
            first_page=first_page,
        )

    def _pages(
        self,
        action: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
        parse: Callable[[object], Page],
        *,
        ids: Callable[[Page], set[str]],
        size: int,
        field: str,
        first_page: int = 1,
    ) -> Iterator[Page]:
        """Yield pages up to a short page. Pages that repeat or exceed `PAGE_CAP` make `field` malformed."""
        seen: set[str] = set()
        for number in range(first_page, PAGE_CAP + 1):
            page: Page = self._sender.call(action, {**parameters, "PageNo": str(number)}, deadline, parse)
            last = page.rows < size
            repeats = not last and ids(page) <= seen
            if not last and (repeats or number == PAGE_CAP):
                _log.warning("%s: the list goes on after page %d; the other pages are not read", action, number)
                page = replace(page, malformed=(*page.malformed, field))
            yield page
            if last or repeats:
                return
            seen |= ids(page)
