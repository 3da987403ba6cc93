"""An account with the real client against the simulated service: faults of the service lose nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import pytest

from exporter.config import MOST_CALLS
from exporter.keys import Key
from exporter.model import Task
from exporter.scrape.account import Account
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.tracking.ledger import Ledger
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer
from tests.conftest import Simulators, make_account, snapshot_of
from tests.scrape.conftest import Counted

KEY = Key("simulator")


@pytest.fixture
def simulator(simulators: Simulators) -> Simulator:
    made = simulators(quota=math.inf)
    made.clock.freeze()
    return made


@pytest.fixture
def account(simulator: Simulator) -> Iterator[Account]:
    made, _ = over(simulator, simulator.world.tasks[-20:])
    yield made
    made.close()


def over(simulator: Simulator, tasks: Sequence[object], *, timeout: float = 20.0) -> tuple[Account, Ledger]:
    ledger = Ledger()
    ledger.name("tasks", [cast(Task, task).id for task in tasks], source="tasks")
    keys = ConfiguredKeys(access_key_id=KEY, access_key_secret=KEY)

    def connect(limiter: Limiter, observer: Observer) -> Client:
        return Client(
            endpoint=simulator.url,
            credentials=keys,
            limiter=limiter,
            observer=observer,
            timeout=timeout,
            connections=MOST_CALLS,
        )

    account = make_account(connect, ledger, Counted())
    return account, ledger


def calls(simulator: Simulator) -> int:
    return simulator.quota.calls.get("GetTranscodeTask", 0)


def refresh(account: Account) -> None:
    account.refresh().result(20)


def test_an_answer_about_another_task_is_a_failure_and_changes_no_task(simulator: Simulator, account: Account) -> None:
    refresh(account)
    before = snapshot_of(account).view
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeTaskId": "other", "TranscodeJobInfoList": []}))
    refresh(account)
    refresh(account)
    after = snapshot_of(account)

    assert "another task" in after.last_error
    assert {(one.job.id, one.job.status) for one in after.view.jobs} == {
        (one.job.id, one.job.status) for one in before.jobs
    }
    assert after.view.task_counts == before.task_counts


@pytest.mark.parametrize("code", ["InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "Forbidden.RAM"])
def test_a_404_with_a_credentials_code_drops_nothing(simulator: Simulator, account: Account, code: str) -> None:
    refresh(account)
    before = snapshot_of(account).view.tracked_tasks
    simulator.faults.add(Fault(kind="code", code=code, status=404))
    for _ in range(3):
        refresh(account)

    assert snapshot_of(account).view.tracked_tasks == before == {"tasks": 20}
    assert snapshot_of(account).up is False


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="code", code="Throttling.User", status=400),
        Fault(kind="status", status=429, retry_after=0),
        Fault(kind="status", status=503, retry_after=0),
        Fault(kind="close"),
        Fault(kind="reset"),
        Fault(kind="html"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_service_that_fails_every_call_costs_few_calls_and_loses_nothing(
    simulator: Simulator, account: Account, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.vod.sender._BACKOFF_SECONDS", 0.02)
    simulator.faults.add(fault)
    refresh(account)
    down, spent = snapshot_of(account), calls(simulator)
    simulator.faults.clear()
    refresh(account)

    assert down.up is False
    assert down.last_error
    assert spent <= 16 * 4  # eight at a time, four attempts each, and no more rounds than it takes to see it
    assert snapshot_of(account).up is True
    assert sum(snapshot_of(account).view.task_counts.values()) == 20


def test_jobs_without_an_id_cost_only_those_jobs(simulator: Simulator, account: Account) -> None:
    refresh(account)
    simulator.faults.add(Fault(kind="drop-job-ids"))
    for _ in range(3):
        refresh(account)
    simulator.faults.clear()
    simulator.clock.resume()
    refresh(account)
    snapshot = snapshot_of(account)

    assert snapshot.up is True
    assert sum(snapshot.view.task_counts.values()) == 20
    true = {job.id for task in simulator.world.tasks[-20:] for job in task.jobs}
    assert {one.job.id for one in snapshot.view.jobs} <= true
