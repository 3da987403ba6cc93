"""Plain `increase()` of real Prometheus servers counts the first value of a new series, at each scrape interval."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator
from tests.conftest import WorldTime
from tests.integration.programs import running_exporter, running_prometheus, wait_until

pytestmark = pytest.mark.slow

INTERVALS = ("1s", "4s")
HOLD_SECONDS = 20.0  # several of the longer intervals: on a busy machine a scrape may be late, or fail
FAILURES = "vod_transcode_job_failures_total"


def test_two_prometheus_servers_see_every_failure_with_plain_increase(
    tmp_path: Path, tool: Callable[[str], str]
) -> None:
    """Seen: 13.4 of 18, because the first failure of each code is what its series begins with."""
    scenario = SCENARIOS["failures"]
    with contextlib.ExitStack() as running:
        world_time = WorldTime()
        world = Simulator(scenario=scenario, tasks=25, speed=200.0, history=0.0, monotonic=world_time)
        simulator = running.enter_context(world)
        simulator.clock.freeze()
        keys = {"access_key_id": "simulator", "access_key_secret": "simulator"}
        account = {"name": "prod", "endpoint": simulator.url, "credentials": keys}
        account["track"] = {"discovery": {"interval": "5s"}}
        settings = {"accounts": [account], "scrape": {"min_interval": "500ms"}}
        exporter = running.enter_context(running_exporter(tmp_path, settings, hold=HOLD_SECONDS))
        servers = []
        for interval in INTERVALS:
            folder = tmp_path / interval
            folder.mkdir()
            target = exporter.removeprefix("http://")
            config = (
                f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n"
                f"scrape_configs: [{{job_name: vod, static_configs: [{{targets: ['{target}']}}]}}]\n"
            )
            servers.append(running.enter_context(running_prometheus(tool("prometheus"), folder, config)))

        wait_until(lambda: all(requests.get(f"{server}/-/ready", timeout=10).ok for server in servers))
        world_time.now = None
        simulator.clock.resume()
        wait_until(lambda: simulator.world.advance() > 0 and len(simulator.world.tasks) == 25 and ended(simulator))
        truth = Counter(job.error_code for task in simulator.world.tasks for job in task.jobs if job.error_code)
        with contextlib.suppress(AssertionError):  # the comparison below shows what differs
            wait_until(lambda: all(increases(server) == truth for server in servers))

        assert len(truth) > 1
        assert [increases(server) for server in servers] == [truth, truth]


def ended(simulator: Simulator) -> bool:
    now = simulator.world.advance()
    return all(task.ends <= now for task in simulator.world.tasks)


def increases(server: str) -> Counter[str]:
    """The failures by error code. Asked at the time of the last scrape, `increase()` extrapolates nothing."""

    def query(expression: str, **at: str) -> list[dict[str, Any]]:
        answer = requests.get(f"{server}/api/v1/query", params={"query": expression, **at}, timeout=10)
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    last = query(f"max(timestamp({FAILURES}))")
    found = query(f"sum by (error_code) (increase({FAILURES}[10m]))", time=last[0]["value"][1]) if last else []
    return Counter({row["metric"]["error_code"]: round(float(row["value"][1]), 3) for row in found})
