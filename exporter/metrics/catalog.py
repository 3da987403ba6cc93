"""Declares every metric once: name, type, labels and HELP text. Other modules use these constants, never a name.

A test compares `docs/metrics.md` with this file. The HELP text of a job or task metric names its field in the response
of GetTranscodeTask. Names, types and labels are a contract with dashboards and alerts.
"""

from __future__ import annotations

from dataclasses import dataclass

_UNITS = ("requests_per_second", "bits_per_second", "frames_per_second", "seconds", "bytes", "pixels", "ratio")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as Prometheus sees it. `type` is gauge, counter, histogram or info; `labels` are label names."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The family name of OpenMetrics, which omits `_total` and `_info`."""
        return self.name.removesuffix("_total") if self.type == "counter" else self.name.removesuffix("_info")

    @property
    def unit(self) -> str:
        """The unit suffix of the family name, or `""`. OpenMetrics writes it as `# UNIT`."""
        return next((unit for unit in _UNITS if self.family.endswith(f"_{unit}")), "")


_JOB = ("account", "job_id", "definition")
_TASK = ("account", "task_id")

JOB_INFO = Metric(
    "vod_transcode_job_info",
    "info",
    "Always 1; the labels are the TranscodeTaskId, VideoId, TranscodeTemplateId and Priority of the job.",
    (*_JOB, "task_id", "video_id", "template_id", "priority"),
)
JOB_STATUS = Metric(
    "vod_transcode_job_status",
    "gauge",
    "1 for the current TranscodeJobStatus of the job; an undocumented status has the label value unknown.",
    (*_JOB, "status"),
)
JOB_PROGRESS = Metric(
    "vod_transcode_job_progress_ratio", "gauge", "Progress of the job from 0 to 1 (TranscodeProgress / 100).", _JOB
)
JOB_CREATED = Metric(
    "vod_transcode_job_created_timestamp_seconds",
    "gauge",
    "Creation time of the job (CreationTime) in Unix seconds.",
    _JOB,
)
JOB_COMPLETED = Metric(
    "vod_transcode_job_completed_timestamp_seconds",
    "gauge",
    "Completion time of a finished job (CompleteTime; FinishTime if it failed) in Unix seconds.",
    _JOB,
)
JOB_OUTPUT_BITRATE = Metric(
    "vod_transcode_job_output_bitrate_bits_per_second",
    "gauge",
    "Average bitrate of the output file (OutputFile.Bitrate, Kbit/s, multiplied by 1000).",
    _JOB,
)
JOB_OUTPUT_SIZE = Metric(
    "vod_transcode_job_output_size_bytes", "gauge", "Size of the output file in bytes (OutputFile.Filesize).", _JOB
)
JOB_OUTPUT_DURATION = Metric(
    "vod_transcode_job_output_duration_seconds",
    "gauge",
    "Playing time of the output file in seconds (OutputFile.Duration).",
    _JOB,
)
JOB_OUTPUT_FPS = Metric(
    "vod_transcode_job_output_frames_per_second", "gauge", "Frame rate of the output file (OutputFile.Fps).", _JOB
)
JOB_OUTPUT_WIDTH = Metric(
    "vod_transcode_job_output_width_pixels", "gauge", "Width of the output video in pixels (OutputFile.Width).", _JOB
)
JOB_OUTPUT_HEIGHT = Metric(
    "vod_transcode_job_output_height_pixels", "gauge", "Height of the output video in pixels (OutputFile.Height).", _JOB
)
JOB_OUTPUT_INFO = Metric(
    "vod_transcode_job_output_info",
    "info",
    "Always 1; the labels are the Format, Encryption type and first video and audio CodecName of the output.",
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
    "Always 1; the labels are the VideoId, TranscodeTemplateGroupId and Trigger of the task.",
    (*_TASK, "video_id", "template_group_id", "trigger"),
)
TASK_STATUS = Metric(
    "vod_transcode_task_status",
    "gauge",
    "1 for the current TaskStatus of the task; an undocumented status has the label value unknown.",
    (*_TASK, "status"),
)
TASK_PROGRESS = Metric(
    "vod_transcode_task_progress_ratio",
    "gauge",
    "Mean progress of the jobs of the task from 0 to 1 (TranscodeProgress / 100).",
    _TASK,
)
TASK_CREATED = Metric(
    "vod_transcode_task_created_timestamp_seconds",
    "gauge",
    "Creation time of the task (CreationTime) in Unix seconds.",
    _TASK,
)
TASK_COMPLETED = Metric(
    "vod_transcode_task_completed_timestamp_seconds",
    "gauge",
    "Completion time of a finished task (CompleteTime) in Unix seconds.",
    _TASK,
)

TASKS = Metric(
    "vod_transcode_tasks",
    "gauge",
    "Tracked tasks by TaskStatus; finished tasks count for series.retention, or while the configuration names them.",
    ("account", "status"),
)
JOBS = Metric(
    "vod_transcode_jobs",
    "gauge",
    "Jobs of the tasks in vod_transcode_tasks, by Definition and TranscodeJobStatus.",
    ("account", "definition", "status"),
)
OLDEST_UNFINISHED = Metric(
    "vod_transcode_oldest_unfinished_job_created_timestamp_seconds",
    "gauge",
    "Creation time of the oldest unfinished job (CreationTime) in Unix seconds; absent if every job is finished.",
    ("account", "definition"),
)

TASKS_FINISHED = Metric(
    "vod_transcode_tasks_finished_total",
    "counter",
    "Finished tasks by final TaskStatus and Trigger; excludes tasks that ended before the state was created.",
    ("account", "status", "trigger"),
)
JOBS_FINISHED = Metric(
    "vod_transcode_jobs_finished_total",
    "counter",
    "Finished jobs by final TranscodeJobStatus; excludes jobs that ended before the state was created.",
    ("account", "definition", "status"),
)
JOB_FAILURES = Metric(
    "vod_transcode_job_failures_total",
    "counter",
    "Failed jobs by ErrorCode; after 50 different codes, further codes count as other.",
    ("account", "definition", "error_code"),
)
OUTPUT_DURATION = Metric(
    "vod_transcode_output_duration_seconds_total",
    "counter",
    "Total playing time of output files in seconds (OutputFile.Duration), the quantity that VOD bills.",
    ("account", "definition"),
)
JOB_DURATION = Metric(
    "vod_transcode_job_duration_seconds",
    "histogram",
    "Seconds from creation (CreationTime) to completion (CompleteTime or FinishTime) of finished jobs.",
    ("account", "definition"),
)
TASK_DURATION = Metric(
    "vod_transcode_task_duration_seconds",
    "histogram",
    "Seconds from creation (CreationTime) to completion (CompleteTime) of finished tasks.",
    ("account",),
)
JOB_PROCESSING = Metric(
    "vod_transcode_job_processing_seconds",
    "histogram",
    "Seconds of transcoding without waiting (StartTime to FinishTime); only event callbacks report these times.",
    ("account", "definition"),
)
OUTPUT_BITRATE = Metric(
    "vod_transcode_output_bitrate_bits_per_second",
    "histogram",
    "Average bitrates of output files (OutputFile.Bitrate, Kbit/s, multiplied by 1000).",
    ("account", "definition"),
)
OUTPUT_SIZE = Metric(
    "vod_transcode_output_size_bytes",
    "histogram",
    "Sizes of output files in bytes (OutputFile.Filesize).",
    ("account", "definition"),
)

ACCOUNT_INFO = Metric(
    "vod_account_info",
    "info",
    "Always 1; the labels are the region and endpoint of the account.",
    ("account", "region", "endpoint"),
)
UP = Metric(
    "vod_up",
    "gauge",
    "1 if VOD could be read at the last attempt, 0 if not; absent before the first.",
    ("account",),
)
REFRESH_DURATION = Metric(
    "vod_exporter_refresh_duration_seconds",
    "gauge",
    "Seconds that the last refresh of the account took until it ended or the next refresh replaced it.",
    ("account",),
)
LAST_SUCCESS = Metric(
    "vod_exporter_last_success_timestamp_seconds",
    "gauge",
    "Time of the last successful response from VOD in Unix seconds.",
    ("account",),
)
OLDEST_REFRESH = Metric(
    "vod_exporter_oldest_refresh_timestamp_seconds",
    "gauge",
    "Refresh time of the least recently refreshed unfinished job in Unix seconds; absent if every job is finished.",
    ("account",),
)
STALE_JOBS = Metric(
    "vod_exporter_stale_jobs",
    "gauge",
    "Unfinished jobs that were not refreshed for series.max_staleness and therefore have no per-job series.",
    ("account",),
)
TRACKED_TASKS = Metric(
    "vod_exporter_tracked_tasks", "gauge", "Tracked tasks by the source that found them first.", ("account", "source")
)
PENDING_CALLS = Metric(
    "vod_exporter_pending_calls",
    "gauge",
    "Calls that were due but not yet made when the scrape was answered, by operation.",
    ("account", "action"),
)
API_BUDGET = Metric(
    "vod_exporter_api_budget_requests_per_second",
    "gauge",
    "Current request limit of the exporter per second: requests_per_second, or less after VOD throttled it.",
    ("account", "action"),
)
TRUNCATED_JOBS = Metric(
    "vod_exporter_truncated_jobs",
    "gauge",
    "Jobs without per-job series because of series.max_jobs.",
    ("account",),
)

STATE_DURABLE = Metric(
    "vod_exporter_state_durable",
    "gauge",
    "1 if the state can be written; 0 if not, and then a restart would lose counts or count twice.",
    ("account",),
)

API_REQUESTS = Metric(
    "vod_exporter_api_requests_total", "counter", "Requests sent to VOD, including retries.", ("account", "action")
)
API_ERRORS = Metric(
    "vod_exporter_api_errors_total",
    "counter",
    "Failed requests to VOD by error code of VOD, or by a lower-case code of the exporter.",
    ("account", "action", "code"),
)
API_DURATION = Metric(
    "vod_exporter_api_request_duration_seconds",
    "histogram",
    "Seconds from connecting to VOD to the end of the response.",
    ("account", "action"),
)
MALFORMED_FIELDS = Metric(
    "vod_exporter_malformed_fields_total",
    "counter",
    "Fields of VOD responses and events that were ignored because their value was malformed.",
    ("account", "field"),
)
DROPPED_TASKS = Metric(
    "vod_exporter_dropped_tasks_total",
    "counter",
    "Tasks that the exporter stopped tracking before they finished.",
    ("account", "reason"),
)
EVENTS = Metric(
    "vod_exporter_events_total", "counter", "Events of VOD that the callback accepted.", ("account", "event")
)
REJECTED_REQUESTS = Metric(
    "vod_exporter_rejected_requests_total",
    "counter",
    "HTTP requests that the exporter rejected.",
    ("path", "reason"),
)
RELOAD_SUCCESSFUL = Metric(
    "vod_exporter_config_last_reload_successful",
    "gauge",
    "1 if the last load of the configuration succeeded; 0 if it failed and the previous one stays in use.",
)
RELOAD_SUCCESS = Metric(
    "vod_exporter_config_last_reload_success_timestamp_seconds",
    "gauge",
    "Time when the current configuration was loaded in Unix seconds.",
)
BUILD_INFO = Metric(
    "vod_exporter_build_info",
    "info",
    "Always 1; the labels are the versions of the exporter and of Python.",
    ("version", "python"),
)

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
"""The metrics that are made from a snapshot, in the order of the exposition."""

COUNTED = (
    *(API_REQUESTS, API_ERRORS, API_DURATION, MALFORMED_FIELDS, DROPPED_TASKS, EVENTS, REJECTED_REQUESTS),
    *(RELOAD_SUCCESSFUL, RELOAD_SUCCESS, BUILD_INFO),
)
"""The metrics that the exporter counts about itself, in `Telemetry`."""

CATALOG = COLLECTED + COUNTED
