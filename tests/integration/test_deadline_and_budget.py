"""A scrape without time for all calls answers with a part of the tasks, within the budget. Later ones have them all."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

import pytest

from exporter import config, wiring
from exporter.deadline import Deadline, scrape_timeout
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.simulator.server import Simulator
from exporter.snapshot import AccountSnapshot
from exporter.tracking.store import MemoryStore
from tests.conftest import Simulators

pytestmark = pytest.mark.slow

TASKS = 60
RATE = 10.0
TIMEOUT = "9"  # the value of the header that Prometheus sends
OFFSET = 4.5  # of these seconds, so that a busy machine answers in time too


def test_sixty_tasks_at_ten_calls_a_second_of_200_ms_are_read_in_two_scrapes(simulators: Simulators) -> None:
    # Some of the newest tasks are finished, some are not. The quota leaves room for the late calls of a busy machine.
    simulator = simulators(seed=7, history=900.0, quota=4 * RATE)
    simulator.clock.freeze()
    simulator.delay = 0.2
    keys = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
    tracked = tuple(task.id for task in simulator.world.tasks[-TASKS:])
    account = config.Account(
        name="prod",
        endpoint=simulator.url,
        credentials=keys,
        requests_per_second=RATE,
        track=config.Track(tasks=tracked, discovery=config.Discovery(enabled=False)),
    )
    settings = config.Settings(accounts=(account,), scrape=config.ScrapeSettings(min_interval=0.0, offset=OFFSET))
    began = time.monotonic()
    with closing(wiring.scraper(settings, Telemetry(), MemoryStore())) as scraper:

        def scrape() -> tuple[AccountSnapshot, float, int]:
            """The answer, its seconds, and its number of calls."""
            before, started = spent(simulator), time.monotonic()
            timeout = scrape_timeout(TIMEOUT, offset=settings.scrape.offset, limit=settings.scrape.timeout)
            answer = scraper.scrape(Deadline(started + timeout))
            return answer.accounts[0], time.monotonic() - started, spent(simulator) - before

        first, first_took, first_calls = scrape()
        second, second_took, _ = scrape()
        for _ in range(3):  # on a busy machine the first scrapes see less
            if seen(second) < TASKS:
                second, second_took, _ = scrape()
        third, third_took, third_calls = scrape()
        lasted = time.monotonic() - began

    true = {task["task_id"]: task for task in truth(simulator) if task["task_id"] in tracked}
    unfinished = [job["job_id"] for task in true.values() for job in task["jobs"] if job["status"] == "Transcoding"]
    assert len(true) == TASKS
    assert unfinished

    assert min(first_took, second_took, third_took) < float(TIMEOUT)  # a busy machine delays some of them
    assert first.up is second.up is third.up is True
    assert 10 <= seen(first) < TASKS  # in part: 45 at best
    assert first_calls <= RATE * first_took + 1

    for whole in (second, third):
        assert seen(whole) == TASKS
        assert {shown.task.id for shown in whole.view.tasks} == set(true)
        assert {shown.job.id: shown.job.status for shown in whole.view.jobs} == {
            job["job_id"]: job["status"] for task in true.values() for job in task["jobs"]
        }

    # Finished tasks cost no call, and ten unfinished jobs share a call.
    assert third_calls == -(-len(unfinished) // 10)
    assert spent(simulator) <= RATE * lasted + 1
    assert simulator.quota.throttled == {}
    # As many calls as threads may come late, together with those of the next second.
    assert simulator.quota.peak["GetTranscodeTask"] <= RATE + settings.scrape.concurrency + 1


def spent(simulator: Simulator) -> int:
    return sum(simulator.quota.calls.values())


def seen(account: AccountSnapshot) -> int:
    """How many tasks are known."""
    return sum(account.view.task_counts.values())


def truth(simulator: Simulator) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = json.loads(simulator.truth(only_counts=False).body)["tasks"]
    return tasks
