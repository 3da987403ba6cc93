"""The table of the accounts on the dashboard Overview: state, queue, failures and cost of each."""

from __future__ import annotations

from exporter.metrics.catalog import JOBS, JOBS_FINISHED, OLDEST_UNFINISHED, UP
from grafana.frame import ACCOUNT_LINKS
from grafana.money import cost_of_accounts
from grafana.objective import FAILURE_STEPS
from grafana.panels import UP as UP_STEPS
from grafana.panels import YES_NO, Panel, Text, from_limits
from grafana.queries import ENDED, FAILED, RANGE, UNFINISHED, counted, one, series, share, total
from grafana.tables import Column, rows


def panel() -> Panel:
    return rows(
        Text(
            title="Accounts",
            description="Is each account well, and whose must act? Read: whether VOD answers with the keys of the "
            "account. Oldest: age of its oldest unfinished job, yellow from one hour, red from two. Failed: share of "
            "the jobs that ended in the selected time range, yellow from 2 %, red from 10 %. Cost: of the last 24 "
            "hours, by billing.prices, in the currency of the configuration.",
            unit="none",
        ),
        {"account": "Account"},
        Column(name="Read", expression=f"max by (account) ({series(UP)})", unit="none", values=YES_NO, steps=UP_STEPS),
        Column(name="Unfinished", expression=total(one(JOBS, UNFINISHED), "account"), unit="none", decimals=0),
        Column(
            name="Oldest",
            expression=f"time() - min by (account) ({series(OLDEST_UNFINISHED)})",
            unit="s",
            steps=from_limits(yellow=3600, red=7200),
            decimals=1,
        ),
        Column(name="Ended", expression=_here(_ended(ENDED)), unit="none", decimals=0),
        Column(
            name="Failed",
            expression=_here(share(_ended(FAILED), _ended(ENDED))),
            unit="percentunit",
            steps=FAILURE_STEPS,
            decimals=1,
        ),
        Column(name="Cost, 24 h", expression=_here(cost_of_accounts("1d")), unit="none", decimals=2),
        sort="Failed",
        links={"Account": ACCOUNT_LINKS},
        height=6,
    )


def _ended(status: str) -> str:
    return total(counted(JOBS_FINISHED, status, window=RANGE), "account")


def _here(expression: str) -> str:
    """Of accounts that an exporter shows now, so that a dead exporter leaves no figures."""
    return f"({expression}) and on (account) {one(UP)}"
