"""The contract of the metrics of the aggregates of an account: names, types, labels and order."""

from __future__ import annotations

from exporter.metrics.catalog.totals import AGGREGATES

ACCOUNT = ("account",)
CONTRACT = {
    "vod_transcode_tasks": ("gauge", ("account", "status")),
    "vod_transcode_jobs": ("gauge", ("account", "definition", "status")),
    "vod_transcode_videos": ("gauge", (*ACCOUNT, "status")),
    "vod_transcode_oldest_unfinished_job_created_timestamp_seconds": ("gauge", ("account", "definition")),
    "vod_transcode_tasks_finished_total": ("counter", ("account", "status", "trigger")),
    "vod_transcode_jobs_finished_total": ("counter", ("account", "definition", "status")),
    "vod_transcode_job_failures_total": ("counter", ("account", "definition", "error_code", "cause")),
    "vod_transcode_task_failures_total": ("counter", ("account", "cause")),
    "vod_transcode_suspicious_outputs_total": ("counter", ("account", "definition", "reason")),
    "vod_transcode_output_duration_seconds_total": ("counter", ("account", "definition")),
    "vod_transcode_billed_seconds_total": ("counter", ("account", "specification")),
    "vod_transcode_job_duration_seconds": ("histogram", ("account", "definition", "status")),
    "vod_transcode_task_duration_seconds": ("histogram", ("account", "priority")),
    "vod_transcode_task_first_output_seconds": ("histogram", ("account",)),
    "vod_transcode_job_queue_seconds": ("histogram", ("account", "definition")),
    "vod_transcode_job_processing_seconds": ("histogram", ("account", "definition")),
    "vod_transcode_job_realtime_ratio": ("histogram", ("account", "definition")),
    "vod_transcode_output_bitrate_bits_per_second": ("histogram", ("account", "definition")),
    "vod_transcode_output_size_bytes": ("histogram", ("account", "definition")),
}


def test_names_types_labels_and_order_are_those_of_the_contract() -> None:
    assert [(metric.name, metric.type, metric.labels) for metric in AGGREGATES] == [
        (name, kind, labels) for name, (kind, labels) in CONTRACT.items()
    ]
