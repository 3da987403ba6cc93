"""The code of docs/embedding.md runs, and the page names what `exporter` promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

import exporter
from exporter.metrics.catalog import CATALOG
from tests.conftest import Simulators, reserved_port

PAGE = (Path(__file__).parents[2] / "docs" / "embedding.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_application_exports_its_own_metrics_and_those_of_vod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulators: Simulators
) -> None:
    """VOD is asked with each scrape, not before, and each family is there once."""
    world = simulators(tasks=1, history=60.0)
    (config,) = blocks("yaml")
    (tmp_path / "vod.yml").write_text(config.replace("region: cn-shanghai", f"endpoint: {world.url}"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "simulator")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "simulator")
    begin, end = blocks("python")
    names: dict[str, Any] = {}
    with reserved_port() as port:
        exec(begin.replace("8000", str(port)), names)
        try:
            assert requests.get(f"{world.url}/simulator/truth", timeout=10).json()["calls"] == {}
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        finally:
            exec(end, names)

    families = list(text_string_to_metric_families(text))
    assert set(Counter(family.name for family in families).values()) == {1}
    assert {metric.family for metric in CATALOG} <= {family.name for family in families}
    samples = {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
    assert samples[("vod_up", "prod")] == 1
    assert samples[("vod_exporter_api_requests_total", "prod", "GetVideoList")] > 0
    assert any(name == "vod_transcode_job_info" for name, *_ in samples)
    assert (tmp_path / "vod.db").exists()


def test_stable_names_are_those_of_the_page() -> None:
    table = PAGE.partition("## Names that are stable")[2]
    assert sorted(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) == sorted(exporter.__all__)
    for name in exporter.__all__:
        assert getattr(exporter, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'exporter' has no attribute 'nothing'"):
        exporter.nothing  # noqa: B018 - the access is the test


def test_import_of_the_package_loads_none_of_its_modules() -> None:
    code = "import sys, exporter; print([name for name in sys.modules if name.startswith('exporter.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "[]\n"
