"""Prometheus as an agent sends the metrics to a Prometheus, with the flags and configuration of docs/scraping.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import yaml

from tests.conftest import Simulators
from tests.integration.programs import reserved_address, running, running_exporter, running_prometheus, wait_until

pytestmark = pytest.mark.stack

SECTION = (Path(__file__).parents[2] / "docs" / "scraping.md").read_text().partition("\n## Prometheus Agent\n")[2]
KEYS = {"access_key_id": "simulator", "access_key_secret": "simulator"}


def test_an_agent_sends_the_metrics_as_the_documentation_says(
    tmp_path: Path, tool: Callable[[str], str], simulators: Simulators
) -> None:
    (receives,) = set(re.findall(r"`(--web\.[a-z-]+)`", SECTION.partition("\n## ")[0]))
    config = yaml.safe_load(SECTION.partition("```yaml\n")[2].partition("```")[0])
    account = {"name": "prod", "endpoint": simulators(tasks=1).url, "credentials": KEYS}
    (tmp_path / "agent").mkdir()

    with (
        running_exporter(tmp_path, {"accounts": [account]}) as exporter,
        running_prometheus(tool("prometheus"), tmp_path, "{}", receives) as server,
        reserved_address() as address,
    ):
        config["global"]["scrape_interval"] = "1s"
        config["scrape_configs"][0]["static_configs"] = [{"targets": [exporter.removeprefix("http://")]}]
        config["remote_write"][0]["url"] = f"{server}/api/v1/write"
        (tmp_path / "agent.yml").write_text(yaml.safe_dump(config))
        command = [tool("prometheus"), "--enable-feature=agent", "--config.file=agent.yml"]
        command += [f"--storage.agent.path={tmp_path / 'agent'}", f"--web.listen-address={address}"]

        def received() -> list[str]:
            found = requests.get(f"{server}/api/v1/query", params={"query": "vod_up"}, timeout=10).json()
            return [row["value"][1] for row in found["data"]["result"]]

        with running(command, tmp_path, "agent.log"):
            wait_until(lambda: received() == ["1"])
