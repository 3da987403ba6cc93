"""Whether each account can be read, and how the exporter keeps up with it."""

from __future__ import annotations

from exporter.metrics.catalog.metric import Metric

UP = Metric(
    "vod_up",
    "gauge",
    "1 if VOD could be read at the last attempt, 0 if not; absent before the first.",
    ("account",),
)
ACCOUNT_INFO = Metric(
    "vod_account_info",
    "gauge",
    "Always 1; the labels are the region and endpoint of the account.",
    ("account", "region", "endpoint"),
)
ACCOUNT_HELD = Metric(
    "vod_exporter_account_held",
    "gauge",
    "1 if this exporter reads and shows the account, 0 if another replica does or none; one replica at a time has 1.",
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
TRUNCATED_JOBS = Metric(
    "vod_exporter_truncated_jobs",
    "gauge",
    "Jobs without per-job series because of series.max_jobs, or because a scrape had no time for them.",
    ("account",),
)
STATE_DURABLE = Metric(
    "vod_exporter_state_durable",
    "gauge",
    "1 if the state can be written; 0 if not, and then a restart would lose counts or count twice.",
    ("account",),
)
DATA_TIME = Metric(
    "vod_exporter_data_timestamp_seconds",
    "gauge",
    "Time of the exposed tasks, jobs and totals in Unix seconds; older than the scrape only while the state hangs.",
    ("account",),
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
    "Current request limit of the exporter per second: requests_per_second, or less for a while, as after throttling.",
    ("account", "action"),
)
USAGE = Metric(
    "vod_usage_transcoded_seconds",
    "gauge",
    "Seconds that VOD has billed in the last 24 closed hours (DescribeVodTranscodeData); needs billing.usage.",
    ("account", "specification"),
)

ACCOUNTS = (
    UP,
    ACCOUNT_INFO,
    ACCOUNT_HELD,
    REFRESH_DURATION,
    LAST_SUCCESS,
    OLDEST_REFRESH,
    STALE_JOBS,
    TRACKED_TASKS,
    TRUNCATED_JOBS,
    STATE_DURABLE,
    DATA_TIME,
    PENDING_CALLS,
    API_BUDGET,
    USAGE,
)
"""In the order of the exposition."""
