"""Panels of the dashboard Exporter: the calls to VOD, and the budget for them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from exporter.metrics.catalog import API_BUDGET, API_DURATION, API_REQUESTS, PENDING_CALLS
from grafana.palette import ACTION_COLORS, PERCENTILES
from grafana.panels import Panel, Query, Text, lines
from grafana.queries import one, quantile, rate, share, total


def panels() -> tuple[Panel, ...]:
    return _budget(), _pending_calls(), _answer_time()


def _budget() -> Panel:
    """The highest use of any account: one that waits is enough to act."""
    used = share(total(rate(API_REQUESTS), "account", "action"), one(API_BUDGET))
    panel = lines(
        Text(
            title="Budget by operation",
            description="Is the budget enough? Left: calls per second as a share of the rate that the limiter allows "
            "now, of the account that uses the most. Yellow from 80 %, red from 100 %: calls wait. That is normal "
            "for a moment; if it lasts, the budget is too small. Right, dashed: the lowest allowed rate. It falls "
            "while VOD throttles: other programs use the quota of the account, or requests_per_second is too high.",
            unit="percentunit",
            steps=(("transparent", None), ("yellow", 0.8), ("red", 1)),
        ),
        Query(f"max by (action) ({used})", "{{action}}"),
        Query(f"min by (action) ({one(API_BUDGET)})", "{{action}} allowed"),
        colors={**ACTION_COLORS, **{f"{action} allowed": color for action, color in ACTION_COLORS.items()}},
        width=24,
        limits=True,
        names=True,
    )
    panel.axis_soft_max(1)
    panel.override_by_query(
        "B",
        [
            DynamicConfigValue("unit", "reqps"),
            DynamicConfigValue("custom.axisPlacement", "right"),
            DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 6]}),
            DynamicConfigValue("custom.lineWidth", 1),
            DynamicConfigValue("custom.thresholdsStyle", {"mode": "off"}),
        ],
    )
    return panel


def _pending_calls() -> Panel:
    return lines(
        Text(
            title="Pending calls",
            description="How many calls were due but not yet made when a scrape was answered? The exporter makes them "
            "between scrapes and in later scrapes. If the line keeps rising, the budget is too small.",
            unit="none",
        ),
        Query(total(one(PENDING_CALLS), "action"), "{{action}}"),
        colors=ACTION_COLORS,
    )


def _answer_time() -> Panel:
    return lines(
        Text(
            title="Time until VOD answers",
            description="How fast does VOD answer? p95 and p50 from connecting to VOD to the end of the response.",
            unit="s",
        ),
        Query(quantile(0.95, API_DURATION), "p95"),
        Query(quantile(0.5, API_DURATION), "p50"),
        colors=PERCENTILES,
    )
