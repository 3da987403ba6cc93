"""Debian's Prometheus scrapes the demo, and what PromQL finds is the simulator's truth."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import requests

PATIENCE_SECONDS = 60.0
CONFIG = """\
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: vod
    static_configs: [{{targets: ["{target}"]}}]
"""

Labels = tuple[str, ...]
Query = Callable[..., dict[Labels, float]]


def test_promql_finds_the_simulators_truth(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """Progress between 0 and 1 that moves; counts, bitrates and sizes by definition as the simulator made them."""
    with running_demo() as (exporter, simulator), running_prometheus(tool("prometheus"), tmp_path, exporter) as query:
        wait_until(lambda: query("count_over_time(up[1m])").get((), 0) >= 2)
        assert query("up") == {(): 1}
        assert query("vod_up", "account") == {("demo",): 1}

        first = query("vod_transcode_job_progress_ratio < 1", "job_id")
        assert first
        assert all(0 <= ratio < 1 for ratio in first.values())
        wait_until(lambda: any(now > first.get(job, 1.0) for job, now in progress(query).items()))
        assert all(0 <= ratio <= 1 for ratio in progress(query).values())

        requests.post(f"{simulator}/simulator/clock", json={"frozen": True}, timeout=10).raise_for_status()
        tasks = requests.get(f"{simulator}/simulator/truth", timeout=10).json()["tasks"]
        assert len(tasks) > 10
        jobs = [job for task in tasks for job in task["jobs"]]
        done = [job for job in jobs if job["output"]]
        wait_until(
            lambda: (
                query("vod_transcode_job_status", "job_id", "status") == {(j["job_id"], j["status"]): 1 for j in jobs}
            )
        )

        assert nonzero(query("vod_transcode_tasks", "status")) == Counter((task["status"],) for task in tasks)
        assert nonzero(query("vod_transcode_jobs", "definition", "status")) == Counter(
            (job["definition"], job["status"]) for job in jobs
        )
        for metric, figure in (("bitrate_bits_per_second", "bitrate"), ("size_bytes", "size")):
            name = f"vod_transcode_job_output_{metric}"
            assert query(name, "job_id") == {(job["job_id"],): job["output"][figure] for job in done}
            by_definition = query(f"avg by (definition) ({name})", "definition")
            assert by_definition == pytest.approx(means((job["definition"], job["output"][figure]) for job in done))


def progress(query: Query) -> dict[Labels, float]:
    return query("vod_transcode_job_progress_ratio", "job_id")


def nonzero(vector: dict[Labels, float]) -> dict[Labels, float]:
    return {labels: value for labels, value in vector.items() if value}


def means(figures: Iterable[tuple[str, float]]) -> dict[Labels, float]:
    by_definition = defaultdict(list)
    for definition, figure in figures:
        by_definition[(definition,)].append(figure)
    return {definition: fmean(values) for definition, values in by_definition.items()}


@contextlib.contextmanager
def running_demo() -> Iterator[tuple[str, str]]:
    """The demo as its own process: the addresses of its exporter and its simulator."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", "--speed=6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = "".join(process.stdout.readline() for _ in range(4))
            metrics, simulator = (re.search(rf"{what} +(http://[\d.:]+)", told) for what in ("Metrics", "Simulator"))
            assert metrics is not None, told
            assert simulator is not None, told
            yield metrics[1], simulator[1]
        finally:
            process.terminate()
            process.communicate(timeout=30)


@contextlib.contextmanager
def running_prometheus(program: str, folder: Path, exporter: str) -> Iterator[Query]:
    """A Prometheus that scrapes `exporter`: a function from an expression and label names to an instant vector."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(target=exporter.removeprefix("http://")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log) as process,
    ):

        def query(expression: str, *labels: str) -> dict[Labels, float]:
            found = requests.get(f"http://{address}/api/v1/query", params={"query": expression}, timeout=10)
            rows: list[dict[str, Any]] = found.json()["data"]["result"]
            vector = {tuple(row["metric"].get(label, "") for label in labels): float(row["value"][1]) for row in rows}
            assert len(vector) == len(rows), f"{labels} do not tell the samples of {expression} apart"
            return vector

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"http://{address}/-/ready", timeout=10).ok
            return False

        try:
            wait_until(ready)
            yield query
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
