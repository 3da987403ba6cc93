"""The command `check-config`: what it prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

from exporter.model import ACTIONS
from exporter.simulator.faults import Fault
from tests.command.conftest import PREFIX, Run, configured, one_line
from tests.conftest import Simulators


def test_check_config_reports_every_fault(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yml"
    path.write_text("accounts:\n  - name: a\n    regoin: cn-shanghai\nscrape:\n  timeout: soon\n")
    status, out, err = run("check-config", str(path))
    lines = err.splitlines()
    assert (status, out) == (1, "")
    assert len(lines) >= 2
    assert all(line.startswith(f"{PREFIX}{path}:") for line in lines)
    assert ":3: " in err
    assert ":5: " in err


def test_check_config_accepts_a_valid_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "good.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai}]\n")
    lines = [f"{path}: valid; 1 account", "account a: https://vod.cn-shanghai.aliyuncs.com"]
    assert run("check-config", str(path)) == (0, "\n".join(lines) + "\n", "")


def test_check_config_warns_about_what_is_odd_and_ends_with_status_0(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "odd.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai, requests_per_second: 20}]\nstate: {path: none/s.db}\n")
    status, _, err = run("check-config", str(path))
    assert status == 0
    warnings = err.splitlines()
    assert [line.startswith(f"{PREFIX}warning: ") for line in warnings] == [True, True]
    assert "requests_per_second is 20" in warnings[0]
    assert f"the folder {tmp_path}/none does not exist" in warnings[1]


def test_check_config_online_says_what_is_granted(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators()
    config = configured(tmp_path, simulator).removeprefix("--config.file=")
    status, out, err = run("check-config", "--online", config)
    assert (status, err) == (0, "")
    rows = out.splitlines()
    assert rows[:2] == [f"{config}: valid; 1 account", f"account a: {simulator.url}"]
    assert [row.split() for row in rows[2:]] == [[action, "granted"] for action in ACTIONS]


def test_check_config_online_fails_if_an_operation_is_not_granted(
    run: Run, tmp_path: Path, simulators: Simulators
) -> None:
    simulator = simulators()
    simulator.faults.add(Fault(kind="code", action="GetVideoList", code="Forbidden.RAM", message="no\x1b[31m"))
    config = configured(tmp_path, simulator).removeprefix("--config.file=")
    status, out, err = run("check-config", config, "--online")
    assert status == 1
    (row,) = [line for line in out.splitlines() if line.startswith("  GetVideoList ")]
    assert "not granted: Forbidden.RAM: no" in row
    assert "the action vod:GetVideoList" in row
    assert "\x1b" not in out
    assert one_line(err) == "account a cannot do its work; the lines above say why"
