"""The responses of VOD as frozen records. `malformed` names the fields that were left out; see `payloads`."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.model import Job, Task


@dataclass(frozen=True, slots=True)
class TaskReply:
    """The response to GetTranscodeTask with `TranscodeTaskId`. `task` is None if the response has no task."""

    task: Task | None
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobsReply:
    """The response to GetTranscodeTask with `JobIds`. Job ids are present and unique; unknown jobs are left out."""

    jobs: tuple[Job, ...]
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskListReply:
    """One page of ListTranscodeTask. Every task has an id and no jobs.

    `rows` is the number of rows that VOD sent, unusable rows included. The last page has fewer rows than requested.
    """

    tasks: tuple[Task, ...]
    rows: int = 0
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SummaryReply:
    """The response to GetTranscodeSummary: the newest task of each video. The tasks have no id and no jobs."""

    tasks: tuple[Task, ...]
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Video:
    """One video of GetVideoList. `created` is Unix time in seconds."""

    id: str
    status: str = ""
    created: float | None = None


@dataclass(frozen=True, slots=True)
class VideoListReply:
    """One page of GetVideoList. Every video has an id. `rows` is as in `TaskListReply`.

    `total` is the number of videos on all pages, also of those that VOD does not show.
    """

    videos: tuple[Video, ...]
    rows: int = 0
    total: int | None = None
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Usage:
    """What VOD has billed of one specification in one hour, in seconds. `hour` is its start in Unix seconds."""

    hour: float
    specification: str
    seconds: float


@dataclass(frozen=True, slots=True)
class UsageReply:
    """The response to DescribeVodTranscodeData, without the rows that add up the others."""

    usage: tuple[Usage, ...]
    malformed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The body of an error response: https://www.alibabacloud.com/help/en/vod/developer-reference/responses"""

    code: str
    message: str = ""
    request_id: str = ""
