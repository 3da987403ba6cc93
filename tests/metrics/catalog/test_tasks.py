"""The contract of the metrics of each task: names, types, labels and order."""

from __future__ import annotations

from exporter.metrics.catalog.tasks import TASK

TASK_LABELS = ("account", "task_id")
CONTRACT = {
    "vod_transcode_task_info": ("gauge", (*TASK_LABELS, "video_id", "template_group_id", "trigger")),
    "vod_transcode_task_status": ("gauge", (*TASK_LABELS, "status")),
    "vod_transcode_task_progress_ratio": ("gauge", TASK_LABELS),
    "vod_transcode_task_created_timestamp_seconds": ("gauge", TASK_LABELS),
    "vod_transcode_task_completed_timestamp_seconds": ("gauge", TASK_LABELS),
}


def test_names_types_labels_and_order_are_those_of_the_contract() -> None:
    assert [(metric.name, metric.type, metric.labels) for metric in TASK] == [
        (name, kind, labels) for name, (kind, labels) in CONTRACT.items()
    ]
