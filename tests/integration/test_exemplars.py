"""Debian's Prometheus stores the exemplars of a demo in which much fails, and they lead to the jobs that failed."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

PATIENCE_SECONDS = 90.0
CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: vod
    static_configs: [{{targets: ["{target}"]}}]
"""
LABELS = {
    "vod_transcode_job_failures_total": "job_id",
    "vod_transcode_job_duration_seconds_bucket": "job_id",
    "vod_transcode_task_duration_seconds_bucket": "task_id",
}


def test_exemplars_lead_to_the_jobs_that_failed_and_to_what_was_slow(
    tmp_path: Path, tool: Callable[[str], str]
) -> None:
    """Several for each metric, in order of their time, so that Prometheus refuses none, scrape after scrape."""
    began = time.time()
    with running_demo() as (exporter, simulator), running_prometheus(tool("prometheus"), tmp_path, exporter) as address:
        wait_until(lambda: all(len(exemplars(address, metric)) >= 5 for metric in LABELS))
        found = {metric: exemplars(address, metric) for metric in LABELS}
        told = requests.get(f"{address}/metrics", timeout=10).text
        tasks = requests.get(f"{simulator}/simulator/truth", timeout=10).json()["tasks"]

    jobs = {job["job_id"]: job for task in tasks for job in task["jobs"]}
    for series, exemplar in found["vod_transcode_job_failures_total"]:
        job = jobs[exemplar["labels"]["job_id"]]
        assert (job["status"], job["definition"]) == ("TranscodeFail", series["definition"])
        assert float(exemplar["value"]) == 1
    for series, exemplar in found["vod_transcode_job_duration_seconds_bucket"]:
        assert jobs[exemplar["labels"]["job_id"]]["definition"] == series["definition"]
        assert 0 <= float(exemplar["value"]) <= float(series["le"])
    ended = {exemplar["labels"]["task_id"] for _, exemplar in found["vod_transcode_task_duration_seconds_bucket"]}
    assert ended <= {task["task_id"] for task in tasks if task["status"].startswith("Complete")}
    for metric, name in LABELS.items():
        assert all(list(exemplar["labels"]) == [name] for _, exemplar in found[metric])
        assert all(began - 1 <= exemplar["timestamp"] <= time.time() + 1 for _, exemplar in found[metric])
    assert re.search(r"^prometheus_tsdb_exemplar_out_of_order_exemplars_total 0$", told, re.MULTILINE)


def exemplars(address: str, metric: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """All that Prometheus has of a metric, each with the labels of its series."""
    window = {"query": metric, "start": str(time.time() - 600), "end": str(time.time() + 60)}
    answer = requests.get(f"{address}/api/v1/query_exemplars", params=window, timeout=10).json()
    return [(series["seriesLabels"], one) for series in answer["data"] for one in series["exemplars"]]


@contextlib.contextmanager
def running_demo() -> Iterator[tuple[str, str]]:
    """The demo as its own process: the addresses of its exporter and its simulator."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", "--scenario=failures"]
    with subprocess.Popen([*command, "--speed=12"], stdout=subprocess.PIPE, text=True) as process:
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
def running_prometheus(program: str, folder: Path, exporter: str) -> Iterator[str]:
    """The address of a Prometheus that scrapes `exporter` and keeps exemplars."""
    config = folder / "prometheus.yml"
    config.write_text(CONFIG.format(target=exporter.removeprefix("http://")))
    with socket.create_server(("127.0.0.1", 0)) as free:
        listens = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={listens}", "--enable-feature=exemplar-storage"]
    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):

        def ready() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"http://{listens}/-/ready", timeout=10).ok
            return False

        try:
            wait_until(ready)
            yield f"http://{listens}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.2)
