"""Transcode task, job, output and stream as frozen records, and the statuses they can have.

Values have the base units of Prometheus, which differ from those of the API: bits per second, bytes, seconds, pixels,
Unix time in seconds, ratios from 0 to 1. `None` and `""` mean that the API returned no value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Label values must be bounded. These two replace values that the exporter does not know, and values beyond a limit.
UNKNOWN = "unknown"
OTHER = "other"

GET_TRANSCODE_TASK = "GetTranscodeTask"
LIST_TRANSCODE_TASK = "ListTranscodeTask"
GET_TRANSCODE_SUMMARY = "GetTranscodeSummary"
GET_VIDEO_LIST = "GetVideoList"
ACTIONS = (GET_TRANSCODE_TASK, LIST_TRANSCODE_TASK, GET_TRANSCODE_SUMMARY, GET_VIDEO_LIST)
"""The operations of VOD that the exporter calls. Each has its own quota, and needs the RAM action `vod:NAME`."""
DESCRIBE_VOD_TRANSCODE_DATA = "DescribeVodTranscodeData"
"""Called only with `billing.usage`."""

# The values of the label `source` of vod_exporter_tracked_tasks: who named a task first.
TASKS, VIDEOS, FILES, DISCOVERY, API, EVENTS = SOURCES = ("tasks", "videos", "files", "discovery", "api", "events")

VIDEO_IDS_PER_CALL = 10
"""How many videos a call of GetTranscodeSummary can be about."""

ID_PATTERN = "[A-Za-z0-9_-]{1,128}"
"""Matches a whole id of a task or video, as users write it. The pattern is also valid in JSON Schema."""

TASK_FINAL = ("CompleteAllSucc", "CompleteAllFail", "CompletePartialSucc")
TASK_STATUSES = ("Processing", "Partial", *TASK_FINAL)

JOB_FINAL = ("TranscodeSuccess", "TranscodeFail", "TranscodeCancelled")
JOB_STATUSES = ("Submitted", "Transcoding", *JOB_FINAL)

DEFINITIONS = ("FD", "LD", "SD", "HD", "FHD", "OD", "2K", "4K", "SQ", "HQ", "AUTO")
# https://www.alibabacloud.com/help/doc-detail/55638.htm: preset and narrowband templates append a suffix (HD-MP4). The
# formats are those of the transcoding templates.
_SUFFIXES = ("MP4", "M3U8", "HLS", "FLV", "MPD", "DASH", "MP3", "M4A", "NBHD")
KNOWN_DEFINITIONS = frozenset((*DEFINITIONS, *(f"{name}-{suffix}" for name in DEFINITIONS for suffix in _SUFFIXES)))
"""All definitions that VOD documents, alone and with a suffix."""

# Some documented samples misspell a status.
_MISSPELT = {"CompleteAllSucces": "CompleteAllSucc", "CompeleteAllSucc": "CompleteAllSucc"}


def task_status(status: str) -> str:
    """The documented status of a task: one of `TASK_STATUSES`, or `unknown`. Known misspellings are corrected."""
    status = _MISSPELT.get(status, status)
    return status if status in TASK_STATUSES else UNKNOWN


def job_status(status: str) -> str:
    """The documented status of a job: one of `JOB_STATUSES`, or `unknown`."""
    return status if status in JOB_STATUSES else UNKNOWN


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of an output file. `kind` is `video`, `audio` or `subtitle`; `index` is its place in the file."""

    kind: str
    index: str
    codec: str = ""
    bitrate: float | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """The file a job has made. `encryption` is the type: `AliyunVoDEncryption`, `HLSEncryption` or `""`."""

    url: str = ""
    format: str = ""
    encryption: str = ""
    bitrate: float | None = None
    size: float | None = None
    duration: float | None = None
    frames_per_second: float | None = None
    width: float | None = None
    height: float | None = None
    streams: tuple[Stream, ...] = ()
    watermark_ids: tuple[str, ...] = ()

    def codec(self, kind: str) -> str:
        """The codec of the first stream of this kind, or `""`."""
        return next((stream.codec for stream in self.streams if stream.kind == kind), "")


@dataclass(frozen=True, slots=True)
class Job:
    """One output definition of a task. `status` is as the API wrote it, stripped; `id` may be empty."""

    id: str
    definition: str = ""
    status: str = ""
    progress: float | None = None
    created: float | None = None
    completed: float | None = None
    priority: str = ""
    template_id: str = ""
    input_url: str = ""
    error_code: str = ""
    error_message: str = ""
    output: Output | None = None

    @property
    def finished(self) -> bool:
        """Whether the status is a final one."""
        return self.status in JOB_FINAL


@dataclass(frozen=True, slots=True)
class Task:
    """One transcode task. `status` is as the API wrote it, stripped; `jobs` is empty if the source was bad."""

    id: str
    video_id: str = ""
    status: str = ""
    trigger: str = ""
    template_group_id: str = ""
    created: float | None = None
    completed: float | None = None
    jobs: tuple[Job, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the status is a final one. The task may still have unfinished jobs."""
        return task_status(self.status) in TASK_FINAL

    @property
    def progress(self) -> float | None:
        """See `mean_progress`."""
        return mean_progress(self.jobs)


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has finished, according to an event.

    `started` is when VOD began to transcode it, in Unix seconds; `processing` is the time from then to its finish, in
    seconds. None means unknown.
    """

    id: str
    started: float | None = None
    processing: float | None = None


def mean_progress(jobs: Iterable[Job]) -> float | None:
    """The mean progress, from 0 to 1, of the jobs with a known progress; None without such jobs."""
    progress = [job.progress for job in jobs if job.progress is not None]
    return sum(progress) / len(progress) if progress else None
