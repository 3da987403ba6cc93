"""The catalog is the contract with everybody's dashboards and alerts: names, types, labels and units do not drift."""

from __future__ import annotations

import re
from operator import attrgetter

import pytest

from exporter.config import HOLD_SECONDS
from exporter.metrics import catalog
from exporter.metrics.catalog import CATALOG, COLLECTED, Metric

JOB = ("account", "job_id", "definition")
TASK = ("account", "task_id")
ACCOUNT = ("account",)

CONTRACT = {
    # per job
    "vod_transcode_job_info": ("gauge", (*JOB, "task_id", "video_id", "template_id", "priority")),
    "vod_transcode_job_status": ("gauge", (*JOB, "status")),
    "vod_transcode_job_progress_ratio": ("gauge", JOB),
    "vod_transcode_job_created_timestamp_seconds": ("gauge", JOB),
    "vod_transcode_job_completed_timestamp_seconds": ("gauge", JOB),
    "vod_transcode_job_output_bitrate_bits_per_second": ("gauge", JOB),
    "vod_transcode_job_output_size_bytes": ("gauge", JOB),
    "vod_transcode_job_output_duration_seconds": ("gauge", JOB),
    "vod_transcode_job_output_frames_per_second": ("gauge", JOB),
    "vod_transcode_job_output_width_pixels": ("gauge", JOB),
    "vod_transcode_job_output_height_pixels": ("gauge", JOB),
    "vod_transcode_job_output_info": ("gauge", (*JOB, "format", "encryption", "video_codec", "audio_codec")),
    "vod_transcode_job_output_stream_bitrate_bits_per_second": ("gauge", (*JOB, "kind", "index")),
    # per task
    "vod_transcode_task_info": ("gauge", (*TASK, "video_id", "template_group_id", "trigger")),
    "vod_transcode_task_status": ("gauge", (*TASK, "status")),
    "vod_transcode_task_progress_ratio": ("gauge", TASK),
    "vod_transcode_task_created_timestamp_seconds": ("gauge", TASK),
    "vod_transcode_task_completed_timestamp_seconds": ("gauge", TASK),
    # aggregates
    "vod_transcode_tasks": ("gauge", ("account", "status")),
    "vod_transcode_jobs": ("gauge", ("account", "definition", "status")),
    "vod_transcode_videos": ("gauge", (*ACCOUNT, "status")),
    "vod_transcode_oldest_unfinished_job_created_timestamp_seconds": ("gauge", ("account", "definition")),
    "vod_transcode_tasks_finished_total": ("counter", ("account", "status", "trigger")),
    "vod_transcode_jobs_finished_total": ("counter", ("account", "definition", "status")),
    "vod_transcode_job_failures_total": ("counter", ("account", "definition", "error_code", "cause")),
    "vod_transcode_task_failures_total": ("counter", ("account", "cause")),
    "vod_transcode_suspicious_outputs_total": ("counter", ("account", "definition", "reason")),
    "vod_transcode_job_duration_seconds": ("histogram", ("account", "definition", "status")),
    "vod_transcode_task_duration_seconds": ("histogram", ("account", "priority")),
    "vod_transcode_task_first_output_seconds": ("histogram", ("account",)),
    "vod_transcode_job_queue_seconds": ("histogram", ("account", "definition")),
    "vod_transcode_job_realtime_ratio": ("histogram", ("account", "definition")),
    "vod_transcode_job_processing_seconds": ("histogram", ("account", "definition")),
    "vod_transcode_output_bitrate_bits_per_second": ("histogram", ("account", "definition")),
    "vod_transcode_output_size_bytes": ("histogram", ("account", "definition")),
    "vod_transcode_output_duration_seconds_total": ("counter", ("account", "definition")),
    # cost
    "vod_transcode_billed_seconds_total": ("counter", ("account", "specification")),
    "vod_transcode_price_per_minute": ("gauge", ("specification", "currency")),
    "vod_usage_transcoded_seconds": ("gauge", ("account", "specification")),
    # accounts and the exporter
    "vod_account_info": ("gauge", ("account", "region", "endpoint")),
    "vod_up": ("gauge", ACCOUNT),
    "vod_exporter_refresh_duration_seconds": ("gauge", ACCOUNT),
    "vod_exporter_last_success_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_oldest_refresh_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_stale_jobs": ("gauge", ACCOUNT),
    "vod_exporter_tracked_tasks": ("gauge", ("account", "source")),
    "vod_exporter_truncated_jobs": ("gauge", ACCOUNT),
    "vod_exporter_api_requests_total": ("counter", ("account", "action")),
    "vod_exporter_api_errors_total": ("counter", ("account", "action", "code")),
    "vod_exporter_api_request_duration_seconds": ("histogram", ("account", "action")),
    "vod_exporter_malformed_fields_total": ("counter", ("account", "field")),
    "vod_exporter_dropped_tasks_total": ("counter", ("account", "reason")),
    "vod_exporter_events_total": ("counter", ("account", "event")),
    "vod_exporter_state_durable": ("gauge", ACCOUNT),
    "vod_exporter_data_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_pending_calls": ("gauge", (*ACCOUNT, "action")),
    "vod_exporter_api_budget_requests_per_second": ("gauge", ("account", "action")),
    "vod_exporter_rejected_requests_total": ("counter", ("path", "reason")),
    "vod_exporter_config_last_reload_successful": ("gauge", ()),
    "vod_exporter_config_last_reload_success_timestamp_seconds": ("gauge", ()),
    "vod_exporter_build_info": ("gauge", ("version", "python")),
}

# Where a help text of a domain metric has to say which field the figure is from.
FIELDS = re.compile(
    r"\b(TranscodeTaskId|VideoId|TranscodeTemplateId|TranscodeTemplateGroupId|Priority|Trigger|TaskStatus"
    r"|TranscodeJobStatus|ErrorCode|StartTime|FinishTime|TranscodeProgress|CreationTime|CompleteTime|Definition|Format|Encryption|CodecName"
    r"|OutputFile\.(Bitrate|Filesize|Duration|Fps|Width|Height)|VideoStreamList|AudioStreamList|Total)\b"
)


def test_names_types_and_labels_are_those_of_the_contract() -> None:
    assert {metric.name: (metric.type, metric.labels) for metric in CATALOG} == CONTRACT


def test_every_declared_metric_is_in_the_catalog_once() -> None:
    declared = [value for value in vars(catalog).values() if isinstance(value, Metric)]

    assert sorted(CATALOG, key=attrgetter("name")) == sorted(declared, key=attrgetter("name"))


def test_suffix_says_the_type_and_no_metric_has_the_type_info() -> None:
    """`_total` stands on counters. Readers of OpenMetrics rename the type info, so `_info` is a gauge."""
    for metric in CATALOG:
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.type in ("gauge", "counter", "histogram")


def test_help_is_one_sentence() -> None:
    for metric in CATALOG:
        assert re.fullmatch(r"[A-Z1][^\n]*\.", metric.help)
        assert not re.search(r"\. [A-Z]", metric.help)
        assert len(metric.description) <= 120


def test_help_of_a_domain_metric_names_the_field_it_is_from() -> None:
    domain = [metric for metric in COLLECTED if metric.name.startswith("vod_transcode_")]

    assert [metric.name for metric in domain if not FIELDS.search(metric.help)] == []


def test_help_of_a_bitrate_says_that_it_was_multiplied() -> None:
    for metric in CATALOG:
        if "bits_per_second" in metric.name:
            assert "Kbit/s, multiplied by 1000" in metric.help


def test_help_of_a_counter_says_that_a_new_series_starts_at_zero() -> None:
    assert HOLD_SECONDS == 150
    for metric in CATALOG:
        counted = metric.type in ("counter", "histogram")
        assert metric.help.endswith("; a new series starts at 0 for 2.5 minutes.") == counted
        assert metric.help.startswith(metric.description[:-1])


def test_addresses_and_messages_are_no_labels() -> None:
    labels = {label for metric in CATALOG for label in metric.labels}

    assert {label for label in labels if re.search("url|message|address", label)} == set()


def test_labels_are_legal_and_unique() -> None:
    """`le` and `quantile` belong to histograms and summaries, `job` and `instance` to Prometheus."""
    for metric in CATALOG:
        assert all(re.fullmatch("[a-z][a-z_]*", label) for label in metric.labels)
        assert len(set(metric.labels)) == len(metric.labels)
        assert not {"le", "quantile", "job", "instance"} & set(metric.labels)


@pytest.mark.parametrize(
    ("name", "kind", "family", "unit"),
    [
        ("a_transcode_seconds_total", "counter", "a_transcode_seconds", "seconds"),
        ("a_build_info", "gauge", "a_build_info", ""),
        ("a_output_bitrate_bits_per_second", "gauge", "a_output_bitrate_bits_per_second", "bits_per_second"),
        ("a_output_frames_per_second", "gauge", "a_output_frames_per_second", "frames_per_second"),
        ("a_created_timestamp_seconds", "gauge", "a_created_timestamp_seconds", "seconds"),
        ("a_size_bytes", "histogram", "a_size_bytes", "bytes"),
        ("a_progress_ratio", "gauge", "a_progress_ratio", "ratio"),
        ("a_width_pixels", "gauge", "a_width_pixels", "pixels"),
        ("a_jobs", "gauge", "a_jobs", ""),
    ],
)
def test_family_and_unit_follow_from_the_name(name: str, kind: str, family: str, unit: str) -> None:
    metric = Metric(name, kind, "Help.")

    assert (family, unit) == (metric.family, metric.unit)
