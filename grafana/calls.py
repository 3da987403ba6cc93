"""Panels of the dashboard Exporter: the calls to VOD, and the budget for them."""

from __future__ import annotations

from exporter.metrics.catalog import API_BUDGET, API_DURATION, API_REQUESTS, PENDING_CALLS, REFRESH_DURATION
from grafana.panels import Panel, Query, Text, lines
from grafana.queries import one, quantile, rate, share, total


def panels() -> tuple[Panel, ...]:
    return (
        _calls_by_operation(),
        _budget_used(),
        _allowed_rate(),
        _pending_calls(),
        _answer_time(),
        _refresh_time(),
    )


def _calls_by_operation() -> Panel:
    return lines(
        Text(
            title="Which calls does it make?",
            description="Calls per second by operation, including retries.",
            unit="reqps",
            no_value="No calls yet",
        ),
        Query(total(rate(API_REQUESTS), "action"), "{{action}}"),
        width=8,
    )


def _budget_used() -> Panel:
    return lines(
        Text(
            title="How much of the budget is used?",
            description="Calls per second of each operation, divided by the rate that the limiter allows now. "
            "Yellow from 80 %, red from 100 %. At 100 % calls wait; that is normal for a moment, "
            "but if it lasts, the budget is too small.",
            unit="percentunit",
            no_value="No calls yet",
            steps=(("green", None), ("yellow", 0.8), ("red", 1)),
            decimals=0,
        ),
        Query(
            share(total(rate(API_REQUESTS), "account", "action"), one(API_BUDGET)),
            "{{account}} {{action}}",
        ),
        width=8,
        limits=True,
    )


def _allowed_rate() -> Panel:
    return lines(
        Text(
            title="Does VOD throttle?",
            description="Calls per second that the limiter allows. The limiter lowers the rate when VOD "
            "throttles, and raises it again later. A dip means that other programs use the quota of "
            "the account, or that requests_per_second is too high.",
            unit="reqps",
            no_value="No calls yet",
        ),
        Query(one(API_BUDGET), "{{account}} {{action}}"),
        width=8,
    )


def _pending_calls() -> Panel:
    return lines(
        Text(
            title="How many calls are pending?",
            description="Calls that were due but not yet made when a scrape was answered. The exporter makes "
            "them between scrapes and in later scrapes. If the line keeps rising, the budget is too "
            "small.",
            unit="short",
            no_value="None",
            decimals=0,
        ),
        Query(one(PENDING_CALLS), "{{account}} {{action}}"),
        width=8,
    )


def _answer_time() -> Panel:
    return lines(
        Text(
            title="How fast does VOD answer?",
            description="p95 and p50 of the time from connecting to VOD to the end of the response.",
            unit="s",
            no_value="No calls yet",
        ),
        Query(quantile(0.95, API_DURATION), "p95"),
        Query(quantile(0.5, API_DURATION), "p50"),
        colors={"p95": "dark-blue", "p50": "light-blue"},
        width=8,
    )


def _refresh_time() -> Panel:
    return lines(
        Text(
            title="How long does a refresh take?",
            description="Duration of the last refresh of each account. If a refresh takes as long as the scrape "
            "interval, the exporter calls VOD without a pause.",
            unit="s",
            no_value="Nothing refreshed yet",
        ),
        Query(one(REFRESH_DURATION), "{{account}}"),
        width=8,
    )
