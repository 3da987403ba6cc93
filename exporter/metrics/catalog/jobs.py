"""The metrics of each job."""

from __future__ import annotations

from exporter.metrics.catalog.metric import Metric

_JOB = ("account", "job_id", "definition")

JOB_INFO = Metric(
    "vod_transcode_job_info",
    "gauge",
    "Always 1; the labels are the TranscodeTaskId, VideoId, TranscodeTemplateId and Priority of the job.",
    (*_JOB, "task_id", "video_id", "template_id", "priority"),
)
JOB_STATUS = Metric(
    "vod_transcode_job_status",
    "gauge",
    "1 for the current TranscodeJobStatus of the job; an undocumented status has the label value unknown.",
    (*_JOB, "status"),
)
JOB_FAILURE_INFO = Metric(
    "vod_transcode_job_failure_info",
    "gauge",
    "Always 1; the labels are the ErrorCode of a failed job and its cause.",
    (*_JOB, "error_code", "cause"),
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
    "gauge",
    "Always 1; the labels are the Format, Encryption type and first video and audio CodecName of the output.",
    (*_JOB, "format", "encryption", "video_codec", "audio_codec"),
)
JOB_STREAM_BITRATE = Metric(
    "vod_transcode_job_output_stream_bitrate_bits_per_second",
    "gauge",
    "Bitrate of one stream of the output file (VideoStreamList, AudioStreamList: Bitrate, Kbit/s, multiplied by 1000).",
    (*_JOB, "kind", "index"),
)

JOB = (
    JOB_INFO,
    JOB_STATUS,
    JOB_FAILURE_INFO,
    JOB_PROGRESS,
    JOB_CREATED,
    JOB_COMPLETED,
    JOB_OUTPUT_BITRATE,
    JOB_OUTPUT_SIZE,
    JOB_OUTPUT_DURATION,
    JOB_OUTPUT_FPS,
    JOB_OUTPUT_WIDTH,
    JOB_OUTPUT_HEIGHT,
    JOB_OUTPUT_INFO,
    JOB_STREAM_BITRATE,
)
"""In the order of the exposition."""
