"""What the exporter counts about itself."""

from __future__ import annotations

from exporter.metrics.catalog.metric import Metric

API_REQUESTS = Metric(
    "vod_exporter_api_requests_total", "counter", "Requests sent to VOD, including retries.", ("account", "action")
)
API_ERRORS = Metric(
    "vod_exporter_api_errors_total",
    "counter",
    "Failed requests to VOD by error code of VOD, or by a lower-case code of the exporter.",
    ("account", "action", "code"),
)
API_DURATION = Metric(
    "vod_exporter_api_request_duration_seconds",
    "histogram",
    "Seconds from connecting to VOD to the end of the response.",
    ("account", "action"),
)
MALFORMED_FIELDS = Metric(
    "vod_exporter_malformed_fields_total",
    "counter",
    "Fields of VOD responses and events that were ignored because their value was malformed.",
    ("account", "field"),
)
DROPPED_TASKS = Metric(
    "vod_exporter_dropped_tasks_total",
    "counter",
    "Tasks that the exporter stopped tracking before they finished, and videos that it does not ask about any more.",
    ("account", "reason"),
)
DROPPED_HINTS = Metric(
    "vod_exporter_dropped_hints_total",
    "counter",
    "Events about unknown videos that were ignored because too many such videos wait.",
    ("account",),
)
EVENTS = Metric(
    "vod_exporter_events_total", "counter", "Events of VOD that the callback accepted.", ("account", "event")
)
CONNECTIONS = Metric(
    "vod_exporter_connections",
    "gauge",
    "Open connections to the HTTP server of the exporter.",
    ("state",),
)
REJECTED_REQUESTS = Metric(
    "vod_exporter_rejected_requests_total",
    "counter",
    "HTTP requests that the exporter rejected.",
    ("path", "reason"),
)
STATE_UP = Metric(
    "vod_exporter_state_up",
    "gauge",
    "1 if the file or database of the state answered the last time; 0 if not.",
)
STATE_SAVE_DURATION = Metric(
    "vod_exporter_state_save_duration_seconds",
    "histogram",
    "Seconds of a save: one transaction with the changes of an account.",
)
PRICE = Metric(
    "vod_transcode_price_per_minute",
    "gauge",
    "Price of a minute of output, as billing.prices has it.",
    ("specification", "currency"),
)
RELOAD_SUCCESSFUL = Metric(
    "vod_exporter_config_last_reload_successful",
    "gauge",
    "1 if the last load of the configuration succeeded; 0 if it failed and the previous one stays in use.",
)
RELOAD_SUCCESS = Metric(
    "vod_exporter_config_last_reload_success_timestamp_seconds",
    "gauge",
    "Time when the current configuration was loaded in Unix seconds.",
)
BUILD_INFO = Metric(
    "vod_exporter_build_info",
    "gauge",
    "Always 1; the labels are the versions of the exporter and of Python.",
    ("version", "python"),
)

COUNTED = (
    API_REQUESTS,
    API_ERRORS,
    API_DURATION,
    MALFORMED_FIELDS,
    DROPPED_TASKS,
    DROPPED_HINTS,
    EVENTS,
    CONNECTIONS,
    REJECTED_REQUESTS,
    STATE_UP,
    STATE_SAVE_DURATION,
    PRICE,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS,
    BUILD_INFO,
)
"""The metrics that the exporter counts about itself, in `Telemetry`."""
