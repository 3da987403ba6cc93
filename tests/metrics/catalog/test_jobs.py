"""The contract of the metrics of each job: names, types, labels and order."""

from __future__ import annotations

from exporter.metrics.catalog.jobs import JOB

JOB_LABELS = ("account", "job_id", "definition")
CONTRACT = {
    "vod_transcode_job_info": ("gauge", (*JOB_LABELS, "task_id", "video_id", "template_id", "priority")),
    "vod_transcode_job_status": ("gauge", (*JOB_LABELS, "status")),
    "vod_transcode_job_failure_info": ("gauge", (*JOB_LABELS, "error_code", "cause")),
    "vod_transcode_job_progress_ratio": ("gauge", JOB_LABELS),
    "vod_transcode_job_created_timestamp_seconds": ("gauge", JOB_LABELS),
    "vod_transcode_job_completed_timestamp_seconds": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_bitrate_bits_per_second": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_size_bytes": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_duration_seconds": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_frames_per_second": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_width_pixels": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_height_pixels": ("gauge", JOB_LABELS),
    "vod_transcode_job_output_info": ("gauge", (*JOB_LABELS, "format", "encryption", "video_codec", "audio_codec")),
    "vod_transcode_job_output_stream_bitrate_bits_per_second": ("gauge", (*JOB_LABELS, "kind", "index")),
}


def test_names_types_labels_and_order_are_those_of_the_contract() -> None:
    assert [(metric.name, metric.type, metric.labels) for metric in JOB] == [
        (name, kind, labels) for name, (kind, labels) in CONTRACT.items()
    ]
