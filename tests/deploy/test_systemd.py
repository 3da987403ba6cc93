"""The unit for systemd: valid, hardened, and in step with the exporter and its documents."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "vod-transcode-exporter.service"
EXPOSURE = 2.0


@pytest.fixture
def analyze(tool: Callable[[str], str]) -> str:
    """The path of systemd-analyze."""
    return tool("systemd-analyze")


def setting(name: str) -> list[str]:
    """The values of a key of the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_systemd_finds_no_fault_in_the_unit(analyze: str, tmp_path: Path) -> None:
    """A copy starts a program that exists: systemd checks that, too."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/vod-transcode-exporter/bin/vod-transcode-exporter", sys.executable))
    done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_exposure_of_the_unit_is_under_two(analyze: str) -> None:
    done = subprocess.run(
        [analyze, "security", "--no-pager", "--offline=true", str(UNIT)], capture_output=True, text=True, check=True
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found
    assert float(found[1]) < EXPOSURE


def test_reload_sends_the_signal_that_reloads() -> None:
    assert setting("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_metrics_of_the_process_need_all_of_proc() -> None:
    """prometheus_client reads /proc/stat; without it, all `process_*` metrics are missing."""
    assert setting("ProcSubset") == []


def test_deployment_names_each_path_of_the_unit() -> None:
    page = (ROOT / "docs" / "deployment.md").read_text()
    paths = set(re.findall(r"/(?:etc|opt|var)/[\w./-]+", UNIT.read_text()))
    assert len(paths) >= 5
    assert [path for path in paths if path not in page] == []
