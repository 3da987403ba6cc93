"""Each configuration in docs/scraping.md can be read, and promtool accepts those of Prometheus."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import ScrapeSettings
from exporter.metrics.catalog import CATALOG, JOB, TASK

PAGE = (Path(__file__).parents[2] / "docs" / "scraping.md").read_text()


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def config(heading: str) -> str:
    (found,) = re.findall(r"```(?:yaml|toml)\n(.*?)```", section(heading), re.DOTALL)
    return str(found)


@pytest.mark.parametrize("program", ["promtool", "promtool3"])
@pytest.mark.parametrize(
    "heading",
    ["All accounts in one scrape", "One scrape per account", "Replicas", "Prometheus 2 and 3", "Prometheus Agent"],
)
def test_promtool_accepts_the_configurations_of_prometheus(
    heading: str, program: str, tool: Callable[[str], str], tmp_path: Path
) -> None:
    text = re.findall(r"```yaml\n(.*?)```", section(heading), re.DOTALL)[0]
    if program == "promtool" and heading == "Prometheus 2 and 3":
        pytest.skip("Prometheus 2 cannot convert histograms")
    file = tmp_path / "prometheus.yml"
    file.write_text(text)
    done = subprocess.run(
        [tool(program), "check", "config", str(file)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("heading", ["vmagent and VictoriaMetrics", "OpenTelemetry Collector"])
def test_other_readers_of_scrape_configs_have_the_job_of_the_rules(heading: str) -> None:
    loaded: Any = yaml.safe_load(config(heading))
    (job,) = loaded.get("scrape_configs") or loaded["receivers"]["prometheus"]["config"]["scrape_configs"]

    assert job["job_name"] == "vod-transcode"
    assert job["static_configs"] == [{"targets": ["exporter:10870"]}]


def test_datadog_gets_the_aggregates_and_no_series_of_single_jobs() -> None:
    (instance,) = yaml.safe_load(config("Datadog"))["instances"]
    (wanted,), (excluded,) = instance["metrics"], instance["exclude_metrics"]
    kept = {m.name for m in CATALOG if re.search(wanted, m.name) and not re.search(excluded, m.name)}

    assert kept == {metric.name for metric in CATALOG} - {metric.name for metric in (*JOB, *TASK)}
    assert instance["timeout"] > ScrapeSettings().timeout


def test_telegraf_waits_longer_than_the_exporter_takes() -> None:
    (plugin,) = tomllib.loads(config("Telegraf"))["inputs"]["prometheus"]

    assert plugin["metric_version"] == 2
    assert float(plugin["timeout"].removesuffix("s")) > ScrapeSettings().timeout
