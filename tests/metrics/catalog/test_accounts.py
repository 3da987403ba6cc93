"""The contract of the metrics of each account: names, types, labels and order."""

from __future__ import annotations

from exporter.metrics.catalog.accounts import ACCOUNTS

ACCOUNT = ("account",)
CONTRACT = {
    "vod_up": ("gauge", ACCOUNT),
    "vod_account_info": ("gauge", ("account", "region", "endpoint")),
    "vod_exporter_account_held": ("gauge", ACCOUNT),
    "vod_exporter_refresh_duration_seconds": ("gauge", ACCOUNT),
    "vod_exporter_last_success_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_oldest_refresh_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_stale_jobs": ("gauge", ACCOUNT),
    "vod_exporter_tracked_tasks": ("gauge", ("account", "source")),
    "vod_exporter_truncated_jobs": ("gauge", ACCOUNT),
    "vod_exporter_state_durable": ("gauge", ACCOUNT),
    "vod_exporter_data_timestamp_seconds": ("gauge", ACCOUNT),
    "vod_exporter_pending_calls": ("gauge", (*ACCOUNT, "action")),
    "vod_exporter_api_budget_requests_per_second": ("gauge", ("account", "action")),
    "vod_usage_transcoded_seconds": ("gauge", ("account", "specification")),
}


def test_names_types_labels_and_order_are_those_of_the_contract() -> None:
    assert [(metric.name, metric.type, metric.labels) for metric in ACCOUNTS] == [
        (name, kind, labels) for name, (kind, labels) in CONTRACT.items()
    ]
