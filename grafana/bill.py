"""The panels on cost: output minutes by what VOD bills them as, and their price."""

from __future__ import annotations

from exporter.metrics.catalog import BILLED, PRICE
from grafana.panels import Panel, Query, Show, Text, big, lines
from grafana.queries import RANGE, counted, rate, series, total
from grafana.tables import Column, rows

_NOTE = (
    "The prices are those of billing.prices in the configuration of the exporter. Failed jobs cost nothing; resource "
    "plans and discounts are not considered. Only the bill of Alibaba Cloud is exact."
)


_PRICE = f"max by (specification, currency) ({series(PRICE)})"


def minutes(window: str = RANGE) -> str:
    """Minutes of output in `window`, by specification; none for a specification without output."""
    return f"({total(counted(BILLED, window=window), 'specification')} > 0) / 60"


def cost(window: str = RANGE) -> str:
    """What these minutes cost, by specification and currency; none for a specification without a price."""
    return f"{minutes(window)} * on (specification) group_left (currency) {_PRICE}"


def panels() -> tuple[Panel, ...]:
    return (
        _cost_so_far(),
        _cost_by_specification(),
        _minutes_per_hour(),
    )


def _cost_so_far() -> Panel:
    return big(
        Text(
            title="What has transcoding cost?",
            description=f"Cost of the outputs that were finished in the selected time range, by currency. {_NOTE}",
            unit="short",
            no_value="Nothing finished, or no prices: set billing.prices",
            decimals=2,
        ),
        Query(total(cost(), "currency"), "{{currency}}"),
        show=Show.VALUE_AND_NAME,
        width=4,
        height=8,
    )


def _cost_by_specification() -> Panel:
    return rows(
        Text(
            title="What costs the most?",
            description="Playing time of the output files that were finished in the selected time range, and its "
            "price, by the specification that VOD bills them as. Without a price, the row lacks one in "
            f"billing.prices; unknown lacks a template in billing.templates. {_NOTE}",
            unit="short",
            no_value="Nothing finished",
        ),
        {"specification": "Specification"},
        Column(name="Output minutes", expression=minutes(), unit="short", decimals=1),
        Column(
            name="Price per minute",
            expression=f"max by (specification) ({_PRICE}) and on (specification) {minutes()}",
            unit="short",
            decimals=4,
        ),
        Column(name="Cost", expression=f"max by (specification) ({cost()})", unit="short", decimals=2),
        sort="Cost",
        width=10,
        height=8,
    )


def _minutes_per_hour() -> Panel:
    return lines(
        Text(
            title="How many minutes are transcoded per hour?",
            description="Playing time of the output files by specification, at the time when they finished.",
            unit="short",
            no_value="Nothing finished",
        ),
        Query(f"60 * {total(rate(BILLED), 'specification')}", "{{specification}}"),
        stacked=True,
        width=10,
        step="15m",
    )
