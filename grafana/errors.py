"""Panels of the dashboard Exporter: failed calls, malformed answers and rejected requests."""

from __future__ import annotations

from exporter.metrics.catalog import API_ERRORS, API_REQUESTS, DROPPED_TASKS, MALFORMED_FIELDS, REJECTED_REQUESTS
from grafana.panels import Panel, Query, Text, bars, lines, or_no_data
from grafana.queries import RANGE, counted, frequent, rate, share, total
from grafana.tables import Column, rows


def panels() -> tuple[Panel, ...]:
    return _failed_calls(), _failed_share(), _dropped_or_malformed(), _rejected_requests()


def _failed_calls() -> Panel:
    failed = f"{total(counted(API_ERRORS, window='$__interval'), 'code')} > 0"
    return bars(
        Text(
            title="Failed calls",
            description="Which calls fail? The seven most frequent error codes in the selected time range: a code of "
            "VOD, such as Throttling.User, or a lower-case code of the exporter, such as timeout. Exact counts; a "
            "failed call counts even if its retry succeeded.",
            unit="none",
            no_value=or_no_data("None failed"),
        ),
        Query(f"{failed} and on (code) {frequent(API_ERRORS, by='code')}", "{{code}}"),
    )


def _failed_share() -> Panel:
    return lines(
        Text(
            title="Failed share of the calls",
            description="Which share of the calls fails, by account? Yellow from 1 %, red from 10 %.",
            unit="percentunit",
            steps=(("transparent", None), ("yellow", 0.01), ("red", 0.1)),
        ),
        Query(share(total(rate(API_ERRORS), "account"), total(rate(API_REQUESTS), "account")), "{{account}}"),
        limits=True,
        names=True,
    ).axis_soft_max(0.1)


def _dropped_or_malformed() -> Panel:
    return rows(
        Text(
            title="Dropped or malformed",
            description="What was dropped or malformed in the selected time range? Tasks and videos that the exporter "
            "stopped tracking before they finished, and fields that it ignored because their value was malformed.",
            unit="none",
            no_value=or_no_data("Nothing"),
        ),
        {"account": "Account", "reason": "Given up because", "field": "Malformed field"},
        Column(
            name="Times",
            expression=f"{total(counted(DROPPED_TASKS, window=RANGE), 'account', 'reason')} > 0"
            f" or {total(counted(MALFORMED_FIELDS, window=RANGE), 'account', 'field')} > 0",
            unit="none",
            decimals=0,
        ),
        sort="Times",
        width=12,
        height=7,
    )


def _rejected_requests() -> Panel:
    return bars(
        Text(
            title="Rejected requests",
            description="Which HTTP requests did the exporter reject, by path and status code? Wrong tokens and "
            "signatures count here: they come from a wrong configuration or from a stranger.",
            unit="none",
            no_value=or_no_data("None"),
        ),
        Query(
            f"topk(7, {total(counted(REJECTED_REQUESTS, window='$__interval'), 'path', 'reason')} > 0)",
            "{{path}} {{reason}}",
        ),
        height=7,
    )
