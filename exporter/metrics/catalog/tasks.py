"""The metrics of each task."""

from __future__ import annotations

from exporter.metrics.catalog.metric import Metric

_TASK = ("account", "task_id")

TASK_INFO = Metric(
    "vod_transcode_task_info",
    "gauge",
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

TASK = (
    TASK_INFO,
    TASK_STATUS,
    TASK_PROGRESS,
    TASK_CREATED,
    TASK_COMPLETED,
)
"""In the order of the exposition."""
