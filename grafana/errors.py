"""Panels of the dashboard Exporter: failed calls, malformed answers, rejected requests and faulty configurations."""

from __future__ import annotations

from exporter.metrics.catalog import (
    API_ERRORS,
    API_REQUESTS,
    DROPPED_TASKS,
    MALFORMED_FIELDS,
    REJECTED_REQUESTS,
    RELOAD_SUCCESSFUL,
)
from grafana.panels import Panel, Query, Show, Text, bars, big, lines
from grafana.queries import RANGE, counted, one, rate, share, total
from grafana.tables import Column, rows

_THROTTLED = 'code=~"(?i)(rejected[.])?throttling.*|flowcontrolerror.*|requeststoofrequent.*|systembusy.*|http_429"'


def panels() -> tuple[Panel, ...]:
    return (
        _failed_calls(),
        _throttled_calls(),
        _failed_share(),
        _dropped_or_malformed(),
        _rejected_requests(),
        _reload_successful(),
    )


def _failed_calls() -> Panel:
    return bars(
        Text(
            title="Which calls fail?",
            description="Failed calls by error code: a code of VOD, or a lower-case code of the exporter such "
            "as timeout. Exact counts; a failed call counts even if its retry succeeded.",
            unit="short",
            no_value="None failed",
            decimals=0,
        ),
        Query(f"{total(counted(API_ERRORS, window='$__interval'), 'code')} > 0", "{{code}}"),
        width=8,
    )


def _throttled_calls() -> Panel:
    return bars(
        Text(
            title="How often was it throttled?",
            description="Calls that VOD answered with a Throttling code, by operation.",
            unit="short",
            no_value="Never",
            decimals=0,
        ),
        Query(f"{total(counted(API_ERRORS, _THROTTLED, window='$__interval'), 'action')} > 0", "{{action}}"),
        width=8,
    )


def _failed_share() -> Panel:
    return lines(
        Text(
            title="What share of the calls fails?",
            description="Yellow from 1 %, red from 10 %.",
            unit="percentunit",
            no_value="No calls yet",
            steps=(("green", None), ("yellow", 0.01), ("red", 0.1)),
            decimals=1,
        ),
        Query(
            share(total(rate(API_ERRORS), "account"), total(rate(API_REQUESTS), "account")),
            "{{account}}",
        ),
        width=8,
        limits=True,
    )


def _dropped_or_malformed() -> Panel:
    return rows(
        Text(
            title="What was dropped or malformed?",
            description="In the selected time range: tasks and videos that the exporter stopped tracking before "
            "they finished, and fields that it ignored because their value was malformed.",
            unit="short",
            no_value="Nothing",
        ),
        {"account": "Account", "reason": "Given up because", "field": "Malformed field"},
        Column(
            name="Times",
            expression=f"{total(counted(DROPPED_TASKS, window=RANGE), 'account', 'reason')} > 0"
            f" or {total(counted(MALFORMED_FIELDS, window=RANGE), 'account', 'field')} > 0",
            unit="short",
            decimals=0,
        ),
        sort="Times",
        width=10,
        height=7,
    )


def _rejected_requests() -> Panel:
    return bars(
        Text(
            title="Which requests were rejected?",
            description="HTTP requests that the exporter rejected, by path and status code. Wrong tokens and "
            "signatures count here: they come from a wrong configuration or from a stranger.",
            unit="short",
            no_value="None",
            decimals=0,
        ),
        Query(
            f"{total(counted(REJECTED_REQUESTS, window='$__interval'), 'path', 'reason')} > 0",
            "{{path}} {{reason}}",
        ),
        width=10,
        height=7,
    )


def _reload_successful() -> Panel:
    return big(
        Text(
            title="Is the current configuration file in use?",
            description="Yes if the last reload of the configuration succeeded. No is red: the file has faults, "
            "and the previous configuration stays in use. The log of the exporter lists the faults.",
            unit="bool_yes_no",
            no_value="Unknown",
            steps=(("red", None), ("green", 1)),
        ),
        Query(one(RELOAD_SUCCESSFUL), "{{instance}}"),
        width=4,
        height=7,
        show=Show.VALUE_AND_NAME,
    )
