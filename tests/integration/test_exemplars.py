"""Debian's Prometheus stores the exemplars of a demo in which much fails, and they name the failed jobs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.programs import running_demo, running_prometheus, wait_until

pytestmark = pytest.mark.stack

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


def test_exemplars_name_the_failed_jobs_and_the_slow_jobs_and_tasks(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """Each metric gets several, in the order of their times, so Prometheus refuses none."""
    began = time.time()
    with (
        running_demo("--scenario=failures", "--speed=12") as (exporter, simulator),
        running_prometheus(
            tool("prometheus"), tmp_path, CONFIG.format(target=exporter.removeprefix("http://"))
        ) as address,
    ):
        wait_until(lambda: all(len(exemplars(address, metric)) >= 5 for metric in LABELS))
        found = {metric: exemplars(address, metric) for metric in LABELS}
        own_metrics = requests.get(f"{address}/metrics", timeout=10).text
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
    assert re.search(r"^prometheus_tsdb_exemplar_out_of_order_exemplars_total 0$", own_metrics, re.MULTILINE)


def exemplars(address: str, metric: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """All exemplars of a metric in Prometheus, each with the labels of its series."""
    window = {"query": metric, "start": str(time.time() - 600), "end": str(time.time() + 60)}
    answer = requests.get(f"{address}/api/v1/query_exemplars", params=window, timeout=10).json()
    return [(series["seriesLabels"], exemplar) for series in answer["data"] for exemplar in series["exemplars"]]
