"""PromQL for cost: minutes of output by what VOD bills them as, times their price in the configuration."""

from __future__ import annotations

from exporter.metrics.catalog import BILLED, PRICE
from grafana.queries import RANGE, counted, series, total

PRICES = f"max by (specification, currency) ({series(PRICE)})"


def minutes(window: str = RANGE, *by: str) -> str:
    """Minutes of output in `window`, by specification and `by`; none where there was no output."""
    return f"({total(counted(BILLED, window=window), 'specification', *by)} > 0) / 60"


def cost(window: str = RANGE, *by: str) -> str:
    """What these minutes cost, also by currency; none for a specification without a price."""
    return f"{minutes(window, *by)} * on (specification) group_left (currency) {PRICES}"


def unpriced(window: str = RANGE) -> str:
    """The minutes without a price, by specification."""
    return f"{minutes(window)} unless on (specification) {PRICES}"


def cost_of_accounts(window: str) -> str:
    return total(cost(window, "account"), "account")
