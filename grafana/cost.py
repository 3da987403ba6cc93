"""The dashboard Cost: by specification, account and day, what has no price, and what VOD has billed."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from exporter.metrics.catalog import BILLED, USAGE
from grafana.frame import ACCOUNT_LINKS, account, dashboard, opening, section
from grafana.money import PRICES, cost, cost_of_accounts, minutes, unpriced
from grafana.panels import Panel, Query, Show, Text, bars, big, from_limits, lines, nothing, or_no_data
from grafana.queries import RANGE, frequent, increase, now, one, total
from grafana.tables import Column, rows

_NOTE = (
    "The prices are those of billing.prices in the configuration of the exporter. Failed jobs cost nothing; resource "
    "plans and discounts are not considered. Only the bill of Alibaba Cloud is exact."
)
_NOTHING = or_no_data("Nothing finished")


def make() -> Dashboard:
    made = dashboard(
        "vod-cost",
        "VOD transcoding / Cost",
        "What does transcoding cost, and what has VOD billed?",
        since="now-7d",
        refresh="5m",
        variables=(account(),),
    )
    opening(made, _cost(), _minutes(), _unpriced(), _billed_share())
    section(made, "Where it goes", _by_day(), _by_specification(), _by_account())
    section(made, "Billed and counted", _billed())
    return made


def _cost() -> Panel:
    return big(
        Text(
            title="Cost",
            description="What did the outputs cost that were finished in the selected time range, by currency? "
            f"{_NOTE}",
            unit="none",
            values=nothing("Nothing priced"),
            decimals=2,
        ),
        Query(now(total(cost(), "currency")), "{{currency}}"),
        show=Show.VALUE_AND_NAME,
    )


def _minutes() -> Panel:
    return big(
        Text(
            title="Output minutes",
            description="How much playing time was made in the selected time range? All renditions count.",
            unit="suffix:min",
            values=nothing("Nothing finished"),
            decimals=0,
        ),
        Query(now(total(minutes()))),
    )


def _unpriced() -> Panel:
    return big(
        Text(
            title="Without a price",
            description="How many of these minutes are in no cost? Yellow from one minute: billing.prices lacks a "
            "specification, which the table below names.",
            unit="suffix:min",
            values=nothing("None"),
            steps=from_limits(yellow=1),
            decimals=0,
        ),
        Query(now(total(unpriced()))),
    )


def _billed_share() -> Panel:
    return big(
        Text(
            title="Counted of billed",
            description="How much of what VOD has billed in 24 closed hours has the exporter counted? Needs "
            "billing.usage. Yellow below 95 %, when VodUsageNotCounted fires.",
            unit="percentunit",
            values=nothing("Usage not read"),
            steps=(("transparent", None), ("yellow", 0), ("transparent", 0.95)),
            decimals=1,
        ),
        Query(now(f"{_counted_then()} / (sum({one(USAGE)}) > 0)")),
    )


def _by_day() -> Panel:
    of = total(cost("1d"), "specification")
    return bars(
        Text(
            title="Cost per day",
            description=f"What did each 24 hours cost, by specification? The seven most used are shown. {_NOTE}",
            unit="none",
            no_value=or_no_data("Nothing priced"),
        ),
        Query(f"{of} and on (specification) {frequent(BILLED, by='specification')}", "{{specification}}"),
        width=24,
        step="1d",
    )


def _by_specification() -> Panel:
    return rows(
        Text(
            title="By specification",
            description="Which specifications cost the most in the selected time range? Without a price, "
            f"billing.prices lacks one; unknown lacks a template in billing.templates. {_NOTE}",
            unit="none",
            no_value=_NOTHING,
        ),
        {"specification": "Specification"},
        Column(name="Minutes", expression=minutes(), unit="none", decimals=1),
        Column(
            name="Price per minute",
            expression=f"max by (specification) ({PRICES}) and on (specification) {minutes()}",
            unit="none",
            decimals=4,
        ),
        Column(name="Cost", expression=f"max by (specification) ({cost()})", unit="none", decimals=2),
        sort="Cost",
        width=12,
    )


def _by_account() -> Panel:
    return rows(
        Text(
            title="By account",
            description=f"Which accounts cost the most in the selected time range? {_NOTE}",
            unit="none",
            no_value=_NOTHING,
        ),
        {"account": "Account"},
        Column(name="Minutes", expression=total(minutes(RANGE, "account"), "account"), unit="none", decimals=1),
        Column(name="Cost", expression=cost_of_accounts(RANGE), unit="none", decimals=2),
        sort="Cost",
        links={"Account": ACCOUNT_LINKS},
        width=12,
    )


def _billed() -> Panel:
    return lines(
        Text(
            title="Billed and counted, 24 h",
            description="Does the exporter count what VOD bills? Minutes in 24 hours that ended about 150 minutes ago: "
            "VOD closes an hour late. The two windows are up to half an hour apart.",
            unit="suffix:min",
            no_value=or_no_data("Nothing billed"),
        ),
        Query(f"sum({one(USAGE)}) / 60", "billed"),
        Query(f"{_counted_then()} / 60", "counted"),
        colors={"billed": "dark-blue", "counted": "light-blue"},
        width=24,
        step="15m",
    )


def _counted_then() -> str:
    return total(increase(BILLED, window="1d", offset="150m"))
