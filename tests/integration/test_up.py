"""Whether an account can be read, over HTTP: an account that VOD refuses is down at every scrape."""

from __future__ import annotations

import math
from contextlib import closing

import pytest

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.simulator.faults import Fault
from exporter.tracking.store import MemoryStore
from tests.conftest import Simulators

pytestmark = pytest.mark.slow

KEYS = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))


@pytest.mark.parametrize("discovery", [True, False], ids=["discovery", "named"])
@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("OperationDenied", "activate ApsaraVideo VOD"),
        ("OperationDenied.Suspended", "pay the bill"),
        ("InvalidAction.NotFound", "check endpoint and region"),
        ("InvalidVersion", "check endpoint and region"),
        ("NeverHeardOf", "look it up"),
    ],
)
def test_an_account_that_vod_refuses_is_down_at_every_scrape_and_logged_once(
    simulators: Simulators, caplog: pytest.LogCaptureFixture, code: str, remedy: str, *, discovery: bool
) -> None:
    simulator = simulators(quota=math.inf, history=600.0)
    task_ids = [task.id for task in list(simulator.world.tasks)[:3]]
    track = config.Track(tasks=tuple(task_ids), discovery=config.Discovery(enabled=discovery, interval=5.0))
    account = config.Account(
        name="prod", endpoint=simulator.url, credentials=KEYS, requests_per_second=100.0, track=track
    )
    settings = config.Settings(accounts=(account,), scrape=config.ScrapeSettings(min_interval=0.0))
    simulator.faults.add(Fault(kind="code", code=code))
    with closing(wiring.scraper(settings, Telemetry(), MemoryStore())) as scraper:
        shown = [scraper.scrape(Deadline.after(10)).accounts[0] for _ in range(6)]

    assert [(account.up, account.last_success) for account in shown] == [(False, None)] * 6
    (line,) = (vars(record) for record in caplog.records if record.message.startswith("account down"))
    assert code in line["error"]
    assert remedy in line["error"]
