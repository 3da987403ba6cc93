"""There is one scrape interval, and the alerts and the documents agree about the longest one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from exporter.config.duration import parse_duration

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
PAGE = (ROOT / "docs" / "dashboards.md").read_text()


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_data_source_of_the_dashboards_has_the_shipped_scrape_interval() -> None:
    """`$__rate_interval` of Grafana is at least four scrape intervals, and follows from this value."""
    (source,) = loaded(ROOT / "grafana" / "provisioning" / "datasources" / "prometheus.yml")["datasources"]
    shipped = loaded(PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"]

    assert source["jsonData"]["timeInterval"] == shipped == "30s"
    for page in ("README.md", "docs/scraping.md", "docs/dashboards.md"):
        assert "30 s" in (ROOT / page).read_text()


def test_windows_of_the_rules_are_longer_than_the_longest_documented_scrape_interval() -> None:
    text = (PROMETHEUS / "vod-transcode.alerts.yml").read_text() + (PROMETHEUS / "vod-transcode.rules.yml").read_text()
    windows = {parse_duration(window) for window in re.findall(r"\[(\w+)\]", text)}

    assert min(windows) > 120
    assert "two minutes or less" in (ROOT / "README.md").read_text()
    assert "two minutes or less" in (ROOT / "docs" / "scraping.md").read_text()


def test_commands_that_install_the_dashboards_copy_files_to_where_grafana_reads_them() -> None:
    """Grafana reads data sources and providers in two folders, and not in the folder above them."""
    script = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)[0]
    copied = [shlex.split(line) for line in script.splitlines() if "-m 644" in line]
    places = {Path(target).relative_to("/") for *_, target in copied}

    for *_, source, _ in copied:
        assert sorted(ROOT.glob(source)), source
    assert {str(place) for place in places} == {
        "var/lib/grafana/dashboards/vod",
        "etc/grafana/provisioning/dashboards",
        "etc/grafana/provisioning/datasources/vod.yml",
    }
    assert "VOD_DASHBOARDS=/var/lib/grafana/dashboards/vod\n" in PAGE
    provider = (ROOT / "grafana" / "provisioning" / "dashboards" / "vod.yml").read_text()
    assert "path: $VOD_DASHBOARDS" in provider
