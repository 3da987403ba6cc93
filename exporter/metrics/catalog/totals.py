"""The aggregates of an account: how many tasks and jobs there are, and what the finished ones add up to."""

from __future__ import annotations

from exporter.metrics.catalog.metric import Metric

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
VIDEOS = Metric(
    "vod_transcode_videos",
    "gauge",
    "Videos of the account by Status (GetVideoList: Total); only for Transcoding, and only with discovery.",
    ("account", "status"),
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
    ("account", "definition", "error_code", "cause"),
)
TASK_FAILURES = Metric(
    "vod_transcode_task_failures_total",
    "counter",
    "Tasks with TaskStatus CompleteAllFail by cause (ErrorCode of their jobs); tasks without jobs count as source.",
    ("account", "cause"),
)
SUSPICIOUS_OUTPUTS = Metric(
    "vod_transcode_suspicious_outputs_total",
    "counter",
    "Outputs without bytes, with an unlikely OutputFile.Bitrate, or much shorter than the others of their task.",
    ("account", "definition", "reason"),
)
OUTPUT_DURATION = Metric(
    "vod_transcode_output_duration_seconds_total",
    "counter",
    "Total playing time of output files in seconds (OutputFile.Duration), by definition.",
    ("account", "definition"),
)
BILLED = Metric(
    "vod_transcode_billed_seconds_total",
    "counter",
    "Total playing time of output files in seconds (OutputFile.Duration), by the specification that VOD bills.",
    ("account", "specification"),
)
JOB_DURATION = Metric(
    "vod_transcode_job_duration_seconds",
    "histogram",
    "Seconds from creation (CreationTime) to completion (CompleteTime or FinishTime) of finished jobs.",
    ("account", "definition", "status"),
)
TASK_DURATION = Metric(
    "vod_transcode_task_duration_seconds",
    "histogram",
    "Seconds from creation (CreationTime) to completion (CompleteTime) of finished tasks, by class of Priority.",
    ("account", "priority"),
)
TASK_FIRST_OUTPUT = Metric(
    "vod_transcode_task_first_output_seconds",
    "histogram",
    "Seconds from creation of a task (CreationTime) to completion of its first successful job (CompleteTime).",
    ("account",),
)
JOB_QUEUE = Metric(
    "vod_transcode_job_queue_seconds",
    "histogram",
    "Seconds from creation (CreationTime) to start (StartTime) of jobs; only event callbacks report the start.",
    ("account", "definition"),
)
JOB_REALTIME_RATIO = Metric(
    "vod_transcode_job_realtime_ratio",
    "histogram",
    "Time from CreationTime to CompleteTime of successful jobs, divided by the playing time (OutputFile.Duration).",
    ("account", "definition"),
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

AGGREGATES = (
    TASKS,
    JOBS,
    VIDEOS,
    OLDEST_UNFINISHED,
    TASKS_FINISHED,
    JOBS_FINISHED,
    JOB_FAILURES,
    TASK_FAILURES,
    SUSPICIOUS_OUTPUTS,
    OUTPUT_DURATION,
    BILLED,
    JOB_DURATION,
    TASK_DURATION,
    TASK_FIRST_OUTPUT,
    JOB_QUEUE,
    JOB_PROCESSING,
    JOB_REALTIME_RATIO,
    OUTPUT_BITRATE,
    OUTPUT_SIZE,
)
"""In the order of the exposition."""
