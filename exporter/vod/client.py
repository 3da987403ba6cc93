"""The client of ApsaraVideo VOD: one method for each operation, bounded in time, calls per second and response size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from exporter.deadline import Deadline
from exporter.errors import MalformedResponse
from exporter.model import (
    DESCRIBE_VOD_TRANSCODE_DATA,
    GET_TRANSCODE_SUMMARY,
    GET_TRANSCODE_TASK,
    GET_VIDEO_LIST,
    LIST_TRANSCODE_TASK,
    Task,
)
from exporter.vod import payloads, probes, signing
from exporter.vod.credentials import Credentials
from exporter.vod.limiter import Limiter
from exporter.vod.pages import TASKS_PER_PAGE, VIDEOS_PER_PAGE, Created, task_pages, video_pages
from exporter.vod.replies import JobsReply, SummaryReply, TaskListReply, UsageReply, VideoListReply
from exporter.vod.sender import Observer, Sender, ignore

JOB_IDS_PER_CALL = 10


class Client:
    """Calls VOD for one account in one region. Safe to use from several threads.

    `endpoint` is `http(s)://host[:port]`. `connections` is the number of connections that are kept open. `account` is a
    name for log lines. Nothing is sent while `allowed` returns False. Every method waits for its turn in the budget
    until its deadline; then each call, or each page, takes at most `timeout` seconds.
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
        account: str = "",
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._sender = Sender(
            endpoint=endpoint,
            credentials=credentials,
            limiter=limiter,
            timeout=timeout,
            connections=connections,
            observer=observer,
            account=account,
            allowed=allowed,
        )

    def close(self) -> None:
        """Close idle connections. Calls that wait for a turn raise `BudgetSpent`; requests already sent go on."""
        self._sender.close()

    @property
    def waiting_since(self) -> float | None:
        """When the oldest unanswered request was sent, in monotonic seconds; None without one."""
        return self._sender.waiting_since

    @property
    def latency(self) -> float:
        """The mean seconds from a request to its answer, mostly of the last ten. 0 before the first answer."""
        return self._sender.latency

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

    def get_jobs(self, job_ids: Sequence[str], deadline: Deadline, *, urgent: bool = False) -> JobsReply:
        """`GetTranscodeTask` with `JobIds`: up to `JOB_IDS_PER_CALL` jobs, which may belong to different tasks.

        An urgent call goes before those that wait for their turn.
        """
        parameters = {"JobIds": ",".join(job_ids)}
        return self._sender.call(GET_TRANSCODE_TASK, parameters, deadline, payloads.jobs_reply, urgent=urgent)

    def get_summaries(self, video_ids: Sequence[str], deadline: Deadline) -> SummaryReply:
        """`GetTranscodeSummary`: the newest task of each of up to `VIDEO_IDS_PER_CALL` videos, without its id."""
        parameters = {"VideoIds": ",".join(video_ids)}
        return self._sender.call(GET_TRANSCODE_SUMMARY, parameters, deadline, payloads.summary_reply)

    def list_tasks(self, video_id: str, deadline: Deadline) -> Iterator[TaskListReply]:
        """`ListTranscodeTask`, page by page: the tasks of one video in the past year, without their jobs."""

        def read(number: int) -> TaskListReply:
            parameters = {"VideoId": video_id, "PageNo": str(number), "PageSize": str(TASKS_PER_PAGE)}
            return self._sender.call(LIST_TRANSCODE_TASK, parameters, deadline, payloads.task_list_reply)

        return task_pages(read)

    def list_videos(
        self, deadline: Deadline, *, statuses: Sequence[str] = (), created: Created = None
    ) -> Iterator[VideoListReply]:
        """`GetVideoList`, page by page: videos with one of `statuses`, created between two Unix times in seconds."""

        def read(created: Created, number: int) -> VideoListReply:
            parameters = {"SortBy": "CreationTime:Desc", "PageNo": str(number), "PageSize": str(VIDEOS_PER_PAGE)}
            if statuses:
                parameters["Status"] = ",".join(statuses)
            if created is not None:
                parameters["StartTime"], parameters["EndTime"] = map(signing.timestamp, created)
            return self._sender.call(GET_VIDEO_LIST, parameters, deadline, payloads.video_list_reply)

        return video_pages(read, created)

    def probe(self, action: str, deadline: Deadline, *, attempts: int) -> None:
        """Call the operation only to see whether it is granted; `probes.granted` judges the error."""
        parameters = probes.parameters(action, now=time.time())
        self._sender.call(action, parameters, deadline, partial(probes.answered, action), attempts=attempts)

    def usage(self, region: str, deadline: Deadline, *, start: float, end: float) -> UsageReply:
        """`DescribeVodTranscodeData`: what VOD has billed in each hour of the region, from `start` until before `end`.

        Both are full hours in Unix seconds, at most seven days apart.
        """
        parameters = {
            "StartTime": signing.timestamp(start),
            "EndTime": signing.timestamp(end - 1),  # as in the documented request, 15:00:00 to 15:59:00 is one hour
            "Interval": "hour",
            "Region": region,
        }
        return self._sender.call(DESCRIBE_VOD_TRANSCODE_DATA, parameters, deadline, payloads.usage_reply)
