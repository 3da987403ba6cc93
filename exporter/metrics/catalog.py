"""Every metric once: name, type, labels and help. Nothing else in the exporter spells a metric's name.

`docs/metrics.md` is held to this file by a test. Help texts name the field of GetTranscodeTask that a figure is from.
"""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ("requests_per_second", "bits_per_second", "frames_per_second", "seconds", "bytes", "pixels", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is declared to Prometheus. `type` is gauge, counter, histogram or info."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name of the family: without `_total` and `_info`."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name.removesuffix("_info")

    @property
    def unit(self) -> str:
        """The unit at the end of the family's name, or `""`."""
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")


_JOB = ("account", "job_id", "definition")
_TASK = ("account", "task_id")

JOB_INFO = Metric(
    "vod_transcode_job_info",
    "info",
    "A transcode job: its TranscodeTaskId, VideoId, TranscodeTemplateId and Priority.",
    (*_JOB, "task_id", "video_id", "template_id", "priority"),
)
JOB_STATUS = Metric(
    "vod_transcode_job_status",
    "gauge",
    "1 for the present TranscodeJobStatus of the job, as the label status; unknown for one that is not documented.",
    (*_JOB, "status"),
)
JOB_PROGRESS = Metric(
    "vod_transcode_job_progress_ratio", "gauge", "Progress of the job from 0 to 1 (TranscodeProgress / 100).", _JOB
)
JOB_CREATED = Metric(
    "vod_transcode_job_created_timestamp_seconds", "gauge", "When the job was created (CreationTime), Unix time.", _JOB
)
JOB_COMPLETED = Metric(
    "vod_transcode_job_completed_timestamp_seconds",
    "gauge",
    "When the job was complete (CompleteTime, or FinishTime of a failed job), Unix time; finished jobs only.",
    _JOB,
)
JOB_OUTPUT_BITRATE = Metric(
    "vod_transcode_job_output_bitrate_bits_per_second",
    "gauge",
    "Average bitrate of the output file (OutputFile.Bitrate, Kbit/s, multiplied by 1000).",
    _JOB,
)
JOB_OUTPUT_SIZE = Metric(
    "vod_transcode_job_output_size_bytes", "gauge", "Size of the output file (OutputFile.Filesize).", _JOB
)
JOB_OUTPUT_DURATION = Metric(
    "vod_transcode_job_output_duration_seconds", "gauge", "Length of the output file (OutputFile.Duration).", _JOB
)
JOB_OUTPUT_FPS = Metric(
    "vod_transcode_job_output_frames_per_second", "gauge", "Frame rate of the output file (OutputFile.Fps).", _JOB
)
JOB_OUTPUT_WIDTH = Metric(
    "vod_transcode_job_output_width_pixels", "gauge", "Width of the output video (OutputFile.Width).", _JOB
)
JOB_OUTPUT_HEIGHT = Metric(
    "vod_transcode_job_output_height_pixels", "gauge", "Height of the output video (OutputFile.Height).", _JOB
)
JOB_OUTPUT_INFO = Metric(
    "vod_transcode_job_output_info",
    "info",
    "The output file: its Format, the type of its Encryption, and the CodecName of its first video and audio stream.",
    (*_JOB, "format", "encryption", "video_codec", "audio_codec"),
)
JOB_STREAM_BITRATE = Metric(
    "vod_transcode_job_output_stream_bitrate_bits_per_second",
    "gauge",
    "Bitrate of one stream of the output file (VideoStreamList, AudioStreamList: Bitrate, Kbit/s, multiplied by 1000).",
    (*_JOB, "kind", "index"),
)

TASK_INFO = Metric(
    "vod_transcode_task_info",
    "info",
    "A transcode task: its VideoId, TranscodeTemplateGroupId and Trigger.",
    (*_TASK, "video_id", "template_group_id", "trigger"),
)
TASK_STATUS = Metric(
    "vod_transcode_task_status",
    "gauge",
    "1 for the present TaskStatus of the task, as the label status; unknown for one that is not documented.",
    (*_TASK, "status"),
)
TASK_PROGRESS = Metric(
    "vod_transcode_task_progress_ratio",
    "gauge",
    "Mean progress of the jobs of the task, from 0 to 1 (TranscodeProgress / 100).",
    _TASK,
)
TASK_CREATED = Metric(
    "vod_transcode_task_created_timestamp_seconds",
    "gauge",
    "When the task was created (CreationTime), Unix time.",
    _TASK,
)
TASK_COMPLETED = Metric(
    "vod_transcode_task_completed_timestamp_seconds",
    "gauge",
    "When the task was complete (CompleteTime), Unix time; finished tasks only.",
    _TASK,
)

TASKS = Metric(
    "vod_transcode_tasks",
    "gauge",
    "Tasks by TaskStatus: the unfinished, and those finished within series.retention or named in the configuration.",
    ("account", "status"),
)
JOBS = Metric(
    "vod_transcode_jobs",
    "gauge",
    "Jobs by Definition and TranscodeJobStatus: of the tasks that vod_transcode_tasks counts.",
    ("account", "definition", "status"),
)
OLDEST_UNFINISHED = Metric(
    "vod_transcode_oldest_unfinished_job_created_timestamp_seconds",
    "gauge",
    "When the oldest unfinished job was created (CreationTime), Unix time; absent where none is unfinished.",
    ("account", "definition"),
)

TASKS_FINISHED = Metric(
    "vod_transcode_tasks_finished_total",
    "counter",
    "Tasks seen finished, each once, by final TaskStatus and Trigger; not those that ended before this state began.",
    ("account", "status", "trigger"),
)
JOBS_FINISHED = Metric(
    "vod_transcode_jobs_finished_total",
    "counter",
    "Jobs seen finished, each once, by final TranscodeJobStatus; not those that ended before this state began.",
    ("account", "definition", "status"),
)
JOB_FAILURES = Metric(
    "vod_transcode_job_failures_total",
    "counter",
    "Jobs seen failed, each once, by ErrorCode; past 50 codes, other.",
    ("account", "definition", "error_code"),
)
OUTPUT_DURATION = Metric(
    "vod_transcode_output_duration_seconds_total",
    "counter",
    "Length of all output files (OutputFile.Duration), each once: what transcoding is billed by.",
    ("account", "definition"),
)
JOB_DURATION = Metric(
    "vod_transcode_job_duration_seconds",
    "histogram",
    "From creation (CreationTime) to completion (CompleteTime or FinishTime) of the jobs seen finished.",
    ("account", "definition"),
)
TASK_DURATION = Metric(
    "vod_transcode_task_duration_seconds",
    "histogram",
    "From creation (CreationTime) to completion (CompleteTime) of the tasks seen finished.",
    ("account",),
)
JOB_PROCESSING = Metric(
    "vod_transcode_job_processing_seconds",
    "histogram",
    "From start to finish of transcoding (StartTime, FinishTime of events, which alone know it).",
    ("account", "definition"),
)
OUTPUT_BITRATE = Metric(
    "vod_transcode_output_bitrate_bits_per_second",
    "histogram",
    "Average bitrates of output files (OutputFile.Bitrate, Kbit/s, multiplied by 1000), each file once.",
    ("account", "definition"),
)
OUTPUT_SIZE = Metric(
    "vod_transcode_output_size_bytes",
    "histogram",
    "Sizes of output files (OutputFile.Filesize), each file once.",
    ("account", "definition"),
)

ACCOUNT_INFO = Metric(
    "vod_account_info", "info", "An account: one credential in one region.", ("account", "region", "endpoint")
)
UP = Metric(
    "vod_up",
    "gauge",
    "1 if the account could be read when there was last something to ask, 0 as soon as it cannot; absent before that.",
    ("account",),
)
REFRESH_DURATION = Metric(
    "vod_exporter_refresh_duration_seconds",
    "gauge",
    "How long the last refresh of the account took, to its end or until the next took its place.",
    ("account",),
)
LAST_SUCCESS = Metric(
    "vod_exporter_last_success_timestamp_seconds", "gauge", "When VOD last answered a call, Unix time.", ("account",)
)
OLDEST_REFRESH = Metric(
    "vod_exporter_oldest_refresh_timestamp_seconds",
    "gauge",
    "When the unfinished job refreshed longest ago was refreshed, Unix time; absent where none is unfinished.",
    ("account",),
)
STALE_JOBS = Metric(
    "vod_exporter_stale_jobs",
    "gauge",
    "Unfinished jobs not refreshed for series.max_staleness; they have no series of their own.",
    ("account",),
)
TRACKED_TASKS = Metric(
    "vod_exporter_tracked_tasks", "gauge", "Tracked tasks by where they were found.", ("account", "source")
)
PENDING_CALLS = Metric(
    "vod_exporter_pending_calls",
    "gauge",
    "Calls of GetTranscodeTask that were due and not made yet when the scrape was answered.",
    ("account",),
)
API_BUDGET = Metric(
    "vod_exporter_api_budget_requests_per_second",
    "gauge",
    "Requests a second that the exporter allows itself: requests_per_second, or less after it was throttled.",
    ("account", "action"),
)
TRUNCATED_JOBS = Metric(
    "vod_exporter_truncated_jobs",
    "gauge",
    "Jobs without series of their own because of series.max_jobs.",
    ("account",),
)

STATE_DURABLE = Metric(
    "vod_exporter_state_durable",
    "gauge",
    "1 if the store takes what is counted; 0 while it does not, and a restart would lose or repeat counts.",
    ("account",),
)

API_REQUESTS = Metric(
    "vod_exporter_api_requests_total", "counter", "Requests sent to VOD, tries again included.", ("account", "action")
)
API_ERRORS = Metric(
    "vod_exporter_api_errors_total",
    "counter",
    "Requests to VOD that failed, by error code: VOD's own, or one of ours in lower case.",
    ("account", "action", "code"),
)
API_DURATION = Metric(
    "vod_exporter_api_request_duration_seconds",
    "histogram",
    "How long requests to VOD took, from connecting to the end of the answer.",
    ("account", "action"),
)
MALFORMED_FIELDS = Metric(
    "vod_exporter_malformed_fields_total",
    "counter",
    "Fields of VOD's answers left out because their value was odd, by the API's name of the field.",
    ("account", "field"),
)
DROPPED_TASKS = Metric(
    "vod_exporter_dropped_tasks_total",
    "counter",
    "Tasks given up before they were seen finished.",
    ("account", "reason"),
)
EVENTS = Metric("vod_exporter_events_total", "counter", "Events of VOD taken by the callback.", ("account", "event"))
REJECTED_REQUESTS = Metric(
    "vod_exporter_rejected_requests_total",
    "counter",
    "Requests to the exporter that it refused.",
    ("path", "reason"),
)
RELOAD_SUCCESSFUL = Metric(
    "vod_exporter_config_last_reload_successful",
    "gauge",
    "1 if the configuration was good when it was last loaded; 0 if not, and the one before it is in force.",
)
RELOAD_SUCCESS = Metric(
    "vod_exporter_config_last_reload_success_timestamp_seconds",
    "gauge",
    "When the configuration in force was loaded, Unix time.",
)
BUILD_INFO = Metric("vod_exporter_build_info", "info", "The exporter's version and Python's.", ("version", "python"))

COLLECTED = (
    *(UP, ACCOUNT_INFO, TASKS, JOBS, OLDEST_UNFINISHED),
    *(TASK_INFO, TASK_STATUS, TASK_PROGRESS, TASK_CREATED, TASK_COMPLETED),
    *(JOB_INFO, JOB_STATUS, JOB_PROGRESS, JOB_CREATED, JOB_COMPLETED),
    *(JOB_OUTPUT_BITRATE, JOB_OUTPUT_SIZE, JOB_OUTPUT_DURATION),
    *(JOB_OUTPUT_FPS, JOB_OUTPUT_WIDTH, JOB_OUTPUT_HEIGHT, JOB_OUTPUT_INFO, JOB_STREAM_BITRATE),
    *(TASKS_FINISHED, JOBS_FINISHED, JOB_FAILURES, OUTPUT_DURATION),
    *(JOB_DURATION, TASK_DURATION, JOB_PROCESSING, OUTPUT_BITRATE, OUTPUT_SIZE),
    *(REFRESH_DURATION, LAST_SUCCESS, OLDEST_REFRESH, STALE_JOBS, TRACKED_TASKS, TRUNCATED_JOBS, STATE_DURABLE),
    *(PENDING_CALLS, API_BUDGET),
)
"""What a snapshot tells, in the order of the exposition."""

COUNTED = (
    *(API_REQUESTS, API_ERRORS, API_DURATION, MALFORMED_FIELDS, DROPPED_TASKS, EVENTS, REJECTED_REQUESTS),
    *(RELOAD_SUCCESSFUL, RELOAD_SUCCESS, BUILD_INFO),
)
"""What the exporter counts of itself."""

CATALOG = COLLECTED + COUNTED
