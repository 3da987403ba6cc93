"""The contract of the metrics of the exporter itself: names, types, labels and order."""

from __future__ import annotations

from exporter.metrics.catalog.telemetry import COUNTED

CONTRACT = {
    "vod_exporter_api_requests_total": ("counter", ("account", "action")),
    "vod_exporter_api_errors_total": ("counter", ("account", "action", "code")),
    "vod_exporter_api_request_duration_seconds": ("histogram", ("account", "action")),
    "vod_exporter_malformed_fields_total": ("counter", ("account", "field")),
    "vod_exporter_dropped_tasks_total": ("counter", ("account", "reason")),
    "vod_exporter_dropped_hints_total": ("counter", ("account",)),
    "vod_exporter_events_total": ("counter", ("account", "event")),
    "vod_exporter_connections": ("gauge", ("state",)),
    "vod_exporter_rejected_requests_total": ("counter", ("path", "reason")),
    "vod_exporter_state_up": ("gauge", ()),
    "vod_exporter_state_save_duration_seconds": ("histogram", ()),
    "vod_transcode_price_per_minute": ("gauge", ("specification", "currency")),
    "vod_exporter_config_last_reload_successful": ("gauge", ()),
    "vod_exporter_config_last_reload_success_timestamp_seconds": ("gauge", ()),
    "vod_exporter_build_info": ("gauge", ("version", "python")),
}


def test_names_types_labels_and_order_are_those_of_the_contract() -> None:
    assert [(metric.name, metric.type, metric.labels) for metric in COUNTED] == [
        (name, kind, labels) for name, (kind, labels) in CONTRACT.items()
    ]
