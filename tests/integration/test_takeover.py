"""Prometheus counts right when an account moves from one exporter to another, by both ways of docs/scraping.md."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from exporter.simulator.scenario import Scenario
from exporter.simulator.server import Simulator
from tests.conftest import WorldTime, reserved_port
from tests.integration.programs import running_exporter, running_prometheus, wait_until

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
FINISHED = "vod_transcode_jobs_finished_total"
PLAIN, RELABELED = "vod-transcode", "vod-transcode-relabeled"
"""The scrape jobs: the second has the `metric_relabel_configs` of the example."""
MORE = 10
"""Jobs that finish under each holder, at least."""


@dataclass(frozen=True)
class Prometheus:
    url: str

    def vector(self, expression: str, **at: str) -> list[dict[str, Any]]:
        parameters = {"query": expression, **at}
        answer = requests.get(f"{self.url}/api/v1/query", params=parameters, timeout=30).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def number(self, expression: str, **at: str) -> float:
        (row,) = self.vector(expression, **at)
        return float(row["value"][1])

    def totals(self) -> list[float]:
        """What each scrape job has stored last of the jobs that finished, while an exporter shows the account."""
        rows = self.vector(f"sum by (job) (max by (job, definition, status) ({FINISHED}))")
        return [float(row["value"][1]) for row in rows]


def test_both_ways_count_right_over_three_takeovers(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """To within the growth of a scrape interval. An exporter stops, and another starts with its state."""
    time = WorldTime()
    scenario = Scenario(tasks_per_minute=12.0, history=0.0, duration_scale=0.2)
    world = Simulator(scenario=scenario, speed=10.0, quota=math.inf, monotonic=time)
    with contextlib.ExitStack() as running:
        simulator = running.enter_context(world)
        ports = [running.enter_context(reserved_port()) for _ in range(2)]
        config = scrape_configs(ports)
        prometheus = Prometheus(running.enter_context(running_prometheus(tool("prometheus"), tmp_path, config)))
        for port in (*ports, ports[0]):
            with holder(tmp_path, simulator.url, port) as exporter:
                before = total(exporter)
                wait_until(lambda: len(prometheus.totals()) == 2)
                time.now = None
                wait_for(prometheus, before + MORE)
        with holder(tmp_path, simulator.url, ports[1]) as exporter:
            wait_for(prometheus, total(exporter) + MORE)
            time.now = time()
            assert_right(prometheus)


def wait_for(prometheus: Prometheus, count: float) -> None:
    """Until both scrape jobs have this total."""

    def reached() -> bool:
        totals = prometheus.totals()
        return len(totals) == 2 and min(totals) >= count

    wait_until(reached, message=lambda: f"{prometheus.totals()} are not {count}")


def assert_right(prometheus: Prometheus) -> None:
    last = at_rest(prometheus)
    for job in (PLAIN, RELABELED):
        selector = f'{FINISHED}{{job="{job}"}}'
        counted = prometheus.number(f"sum(max by (definition, status) ({selector}))", time=last)
        assert counted >= 4 * MORE
        scrapes = prometheus.number(f"max(count_over_time(max by (account) ({selector})[1h:1s]))", time=last)
        within = pytest.approx(counted, abs=counted / (scrapes - 1))
        assert prometheus.number(documented(job), time=last) == within
        if job == RELABELED:
            assert prometheus.number(f"sum(increase({selector}[1h]))", time=last) == within
        for name, labels in (("vod_up", 2 if job == PLAIN else 1), ("vod_exporter_build_info", 2)):
            shown = f'count(count by (instance, pod) (last_over_time({name}{{job="{job}"}}[1h])))'
            assert prometheus.number(shown) == labels


def at_rest(prometheus: Prometheus) -> str:
    """A time at which no total has grown for three seconds."""
    totals = f"sum by (job) (max by (job, definition, status) ({FINISHED}%s))"
    same = f"count({totals % ''} == {totals % ' offset 3s'}) == 2"

    moments: list[str] = []

    def rests() -> bool:
        moments.append(str(prometheus.vector("time()")[1]))
        return bool(prometheus.vector(same, time=moments[-1]))

    wait_until(rests)
    return moments[-1]


def documented(job: str) -> str:
    """The query of a runbook, over all that this scrape job has stored, at each second."""
    page = (ROOT / "docs" / "runbooks" / "VodStateNotDurable.md").read_text()
    (query,) = re.findall(rf"(?s)^# [^\n]*\n(sum by \(account\) \([^`]*?{FINISHED}.*?\n\))", page, re.MULTILINE)
    text = str(query).replace(f"{FINISHED}[", f'{FINISHED}{{job="{job}"}}[')
    assert text.count("[1h:1m]") == text.count(job) == 1
    return text.replace("[1h:1m]", "[1h:1s]")


def scrape_configs(ports: list[int]) -> str:
    """Two scrape jobs of the same targets, which also have the label `pod`."""
    example = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (scrape,) = example["scrape_configs"]
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"pod": f"exporter-{port}"}} for port in ports]
    plain = {"job_name": PLAIN, "static_configs": targets}
    relabeled = {**plain, "job_name": RELABELED, "metric_relabel_configs": scrape["metric_relabel_configs"]}
    every = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    return str(yaml.safe_dump({"global": every, "scrape_configs": [plain, relabeled]}))


@contextlib.contextmanager
def holder(folder: Path, endpoint: str, port: int) -> Iterator[str]:
    """An exporter at this port, with the state of the one before."""
    keys = {"access_key_id": "simulator", "access_key_secret": "simulator"}
    account = {"name": "prod", "endpoint": endpoint, "credentials": keys, "requests_per_second": 100}
    settings = {
        "accounts": [{**account, "track": {"discovery": {"interval": "5s"}}}],
        "scrape": {"min_interval": "500ms"},
        "state": {"path": str(folder / "state.db")},
    }
    with running_exporter(folder, settings, f"--web.listen-address=127.0.0.1:{port}") as exporter:
        yield exporter


def total(exporter: str) -> float:
    """The jobs that finished, as this exporter shows them."""
    text = requests.get(f"{exporter}/metrics", headers={"Accept": "text/plain"}, timeout=30).text
    return sum(float(value) for value in re.findall(rf"(?m)^{FINISHED}{{.*}} (\S+)$", text))
