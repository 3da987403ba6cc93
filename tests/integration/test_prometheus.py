"""Debian's Prometheus scrapes the exporter, and the results of PromQL equal the simulator's truth."""

from __future__ import annotations

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import requests

from exporter.simulator.server import Simulator
from tests.conftest import Simulators
from tests.integration.programs import running_demo, running_exporter, running_prometheus, wait_until

pytestmark = pytest.mark.stack

GLOBAL = """\
global: {scrape_interval: 2s, scrape_timeout: 2s}
"""
ALL_ACCOUNTS = """\
scrape_configs:
  - job_name: vod
    static_configs: [{targets: ["exporter:10870"]}]
"""
SCRAPING = Path(__file__).parents[2] / "docs" / "scraping.md"

Labels = tuple[str, ...]
Query = Callable[..., dict[Labels, float]]


def test_promql_returns_the_simulators_truth(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """Progress is between 0 and 1 and moves. Counts, bitrates and sizes by definition equal those of the simulator."""
    with (
        running_demo("--speed=6") as (exporter, simulator),
        scraping(tool("prometheus"), tmp_path, exporter, ALL_ACCOUNTS) as query,
    ):
        wait_until(lambda: query("count_over_time(up[1m])").get((), 0) >= 2)
        agree({(): 1}, query, "up")
        agree({("demo",): 1}, query, "vod_up", "account")

        wait_until(lambda: query("vod_transcode_job_progress_ratio < 1", "job_id"))
        first = progress(query)
        assert all(0 <= ratio <= 1 for ratio in first.values())
        wait_until(lambda: any(now > first.get(job, 1.0) for job, now in progress(query).items()))
        assert all(0 <= ratio <= 1 for ratio in progress(query).values())

        requests.post(f"{simulator}/simulator/clock", json={"frozen": True}, timeout=10).raise_for_status()
        tasks = requests.get(f"{simulator}/simulator/truth", timeout=10).json()["tasks"]
        assert len(tasks) > 10
        jobs = [job for task in tasks for job in task["jobs"]]
        done = [job for job in jobs if job["output"]]
        statuses = {(job["job_id"], job["status"]): 1 for job in jobs}
        agree(statuses, query, "vod_transcode_job_status", "job_id", "status")
        agree(Counter((task["status"],) for task in tasks), query, "vod_transcode_tasks > 0", "status")
        counts = Counter((job["definition"], job["status"]) for job in jobs)
        agree(counts, query, "vod_transcode_jobs > 0", "definition", "status")
        for metric, figure in (("bitrate_bits_per_second", "bitrate"), ("size_bytes", "size")):
            name = f"vod_transcode_job_output_{metric}"
            agree({(job["job_id"],): job["output"][figure] for job in done}, query, name, "job_id")
            by_definition = pytest.approx(means((job["definition"], job["output"][figure]) for job in done))
            agree(by_definition, query, f"avg by (definition) ({name})", "definition")


def test_accounts_are_discovered_and_probed_as_the_documentation_says(
    tmp_path: Path, tool: Callable[[str], str], simulators: Simulators
) -> None:
    """Each account is one target with its own tasks. The exporter itself is one target without an account."""
    worlds = {name: simulators(seed=seed, tasks=6, history=60.0) for seed, name in enumerate(("one", "two"))}
    for world in worlds.values():
        requests.post(f"{world.url}/simulator/clock", json={"frozen": True}, timeout=10).raise_for_status()
    tasks = {(name, task) for name, world in worlds.items() for task in task_ids(world)}
    assert {name for name, _ in tasks} == set(worlds)

    with (
        running_exporter(tmp_path, settings(worlds)) as exporter,
        scraping(tool("prometheus"), tmp_path, exporter, documented("http_sd_configs")) as query,
    ):
        wait_until(lambda: set(query("vod_transcode_task_info", "account", "task_id")) == tasks)
        host, job, own = exporter.removeprefix("http://"), "vod-transcode", "vod-transcode-exporter"
        agree({(job, f"{host}/one"): 1, (job, f"{host}/two"): 1, (own, host): 1}, query, "up", "job", "instance")
        up = {(job, f"{host}/{name}", name): 1 for name in worlds}
        agree(up, query, "vod_up", "job", "instance", "account")
        agree({}, query, 'count({exported_account!=""} or {exported_instance!=""})')
        agree({(own,): 1}, query, "process_start_time_seconds > bool 0", "job")
        agree({}, query, f'count({{job="{own}",account!=""}})')
        calls = 'vod_exporter_api_requests_total{action="GetTranscodeTask"} > bool 0'
        agree({(job, name): 1 for name in worlds}, query, calls, "job", "account")


def agree(expected: object, query: Query, expression: str, *labels: str) -> None:
    """The expression has this vector, or gets it: series are absent after a scrape that failed on a busy machine."""
    wait_until(
        lambda: query(expression, *labels) == expected,
        message=lambda: f"{expression} is {query(expression, *labels)}, not {expected}",
    )


def documented(kind: str) -> str:
    """The scrape configuration of this kind in the documentation."""
    blocks = re.findall(r"```yaml\n(scrape_configs:.*?)```", SCRAPING.read_text(encoding="utf-8"), re.DOTALL)
    (config,) = (block for block in blocks if kind in block)
    return str(config)


def task_ids(simulator: Simulator) -> list[str]:
    return [task["task_id"] for task in requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()["tasks"]]


def progress(query: Query) -> dict[Labels, float]:
    return query("vod_transcode_job_progress_ratio", "job_id")


def means(figures: Iterable[tuple[str, float]]) -> dict[Labels, float]:
    by_definition = defaultdict(list)
    for definition, figure in figures:
        by_definition[(definition,)].append(figure)
    return {definition: fmean(values) for definition, values in by_definition.items()}


def settings(worlds: Mapping[str, Simulator]) -> dict[str, object]:
    """An account for each simulator."""
    keys = {"access_key_id": "simulator", "access_key_secret": "simulator"}
    accounts = [{"name": name, "endpoint": world.url, "credentials": keys} for name, world in worlds.items()]
    return {"accounts": accounts, "scrape": {"min_interval": "1s"}}


@contextlib.contextmanager
def scraping(program: str, folder: Path, exporter: str, scrape_configs: str) -> Iterator[Query]:
    """Runs a Prometheus that scrapes `exporter`, which is `exporter:10870` in `scrape_configs`.

    Yields a function from an expression and label names to an instant vector.
    """
    config = GLOBAL + scrape_configs.replace("exporter:10870", exporter.removeprefix("http://"))
    with running_prometheus(program, folder, config) as address:

        def query(expression: str, *labels: str) -> dict[Labels, float]:
            found = requests.get(f"{address}/api/v1/query", params={"query": expression}, timeout=10)
            rows: list[dict[str, Any]] = found.json()["data"]["result"]
            vector = {tuple(row["metric"].get(label, "") for label in labels): float(row["value"][1]) for row in rows}
            assert len(vector) == len(rows), f"{labels} do not tell the samples of {expression} apart"
            return vector

        yield query
