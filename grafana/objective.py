"""Panels of the dashboard Overview: the objective, and what is left of its error budget."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable

from exporter.metrics.catalog import JOBS_FINISHED
from grafana.frame import choice
from grafana.panels import Panel, Query, Steps, Text, big, from_limits, lines, nothing, or_no_data
from grafana.queries import ENDED, FAILED, NOTHING, counted, now, share, total

FAILURE_STEPS: Steps = from_limits(yellow=0.02, red=0.1)
NOT_CANCELLED = "Cancelled jobs count neither as success nor as failure."
_BUDGET_STEPS: Steps = (("transparent", None), ("red", NOTHING / 10), ("yellow", 0.1), ("transparent", 0.5))


def variable() -> CustomVariable:
    return choice(
        "objective",
        "Objective, %",
        ("99.9", "99.5", "99", "98", "95"),
        "99",
        "The share of jobs that should succeed; the rest is the error budget.",
    )


def panels() -> tuple[Panel, ...]:
    return _budget_left(), _burn_rate()


def _budget_left() -> Panel:
    return big(
        Text(
            title="Budget left, 30 d",
            description="How much of the error budget of 30 days is left? The objective above allows "
            "a share of failures. This is the unused part of it in the last 30 days, or in the time "
            "that Prometheus stores if that is shorter. Below 0 the objective is missed. Yellow "
            "below half, red below a tenth. " + NOT_CANCELLED,
            unit="percentunit",
            values=nothing("None ended"),
            steps=_BUDGET_STEPS,
            decimals=0,
        ),
        Query(now(f"1 - ({failed_share('30d')}) / (1 - $objective / 100)")),
        height=6,
    )


def _burn_rate() -> Panel:
    return lines(
        Text(
            title="Burn rate",
            description="How fast is the error budget burned? Failure share divided by the share that the objective "
            "allows. At 1 the budget lasts exactly 30 days, at 6 five days, at 14.4 two days. 6 and 14.4 are the "
            "usual limits for an alert, if both windows are above them.",
            unit="none",
            no_value=or_no_data("None ended"),
            steps=(("transparent", None), ("yellow", 1), ("orange", 6), ("red", 14.4)),
        ),
        *(
            Query(f"{failed_share(window)} / (1 - $objective / 100)", f"over {name}")
            for window, name in (("1h", "an hour"), ("6h", "six hours"))
        ),
        width=20,
        height=6,
        colors={"over an hour": "light-blue", "over six hours": "dark-blue"},
        limits=True,
    )


def failed_share(window: str) -> str:
    return share(
        total(counted(JOBS_FINISHED, FAILED, window=window)), total(counted(JOBS_FINISHED, ENDED, window=window))
    )
