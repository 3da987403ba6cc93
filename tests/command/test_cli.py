"""The command line: help, messages for mistakes, exit statuses."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests

from exporter import __version__, share
from exporter.command import cli, flags
from exporter.model import ACTIONS
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from tests.command.conftest import COMMANDS, Run
from tests.conftest import Simulators, wait_until

PREFIX = "vod-transcode-exporter: "
TELEMETRY = "argument --web.telemetry-path:"


@contextlib.contextmanager
def process(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Runs the command as a separate process with pipes for its output."""
    command = [sys.executable, "-m", "exporter", *arguments]
    environment = {**os.environ, **(environ or {})}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def configured(folder: Path, simulator: Simulator, *, secret: str = "simulator") -> str:
    path = folder / "exporter.yml"
    path.write_text(
        f"accounts: [{{name: a, endpoint: '{simulator.url}',"
        f" credentials: {{access_key_id: simulator, access_key_secret: {secret}}}}}]\n"
    )
    path.chmod(0o600)
    return f"--config.file={path}"


def one_line(text: str) -> str:
    assert text.startswith(PREFIX)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    return text.removeprefix(PREFIX).rstrip("\n")


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--version"], ["demo", "--version"]])
def test_version_is_printed_for_every_command(run: Run, arguments: list[str]) -> None:
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"vod-transcode-exporter, version {__version__}",
        f"  revision: {share.revision()}",
        f"  python:   {platform.python_version()}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["chek-config"],
            "unknown command 'chek-config'; did you mean check-config?; see vod-transcode-exporter --help",
        ),
        (
            ["serve"],
            "unknown command 'serve'; the commands are run, demo, simulate, check-config, task, tasks, write; see",
        ),
        (["prod.yml"], "unknown command 'prod.yml'; to use this configuration, pass --config.file=prod.yml"),
        (["--config-file=prod.yml"], "unknown flag '--config-file'; did you mean --config.file?"),
        (["--config.fil", "prod.yml"], "unknown flag '--config.fil'; did you mean --config.file?"),
        (["--log.level=debug", "demo"], "unexpected 'demo'; write the command first: vod-transcode-exporter demo"),
        (["--config.file"], "argument --config.file: expected one argument; see vod-transcode-exporter run --help"),
        (["--log.level=loud"], "argument --log.level: invalid choice: 'loud' (choose from"),
        (["run", "extra"], "unexpected 'extra'; see vod-transcode-exporter run --help"),
        (["task"], "the following arguments are required: ID; see vod-transcode-exporter task --help"),
        (["check-config"], "the following arguments are required: FILE"),
        (["demo", "--speed=0"], "argument --speed: '0' must be a number above 0"),
        (["demo", "--speed=nan"], "argument --speed: 'nan' must be a number above 0"),
        (["demo", "--speed=fast"], "argument --speed: 'fast' must be a number above 0"),
        (["simulate", "--tasks=-1"], "argument --tasks: '-1' must be a whole number, 0 or more"),
        *(
            (
                [f"--web.telemetry-path={path}"],
                f"{TELEMETRY} '{path}' must be a path such as /metrics",
            )
            for path in ("metrics", "/", "//evil.example", "/{x}", "/-/healthy", "/a b", "/a?b", "/metrics/")
        ),
        *(
            (
                [f"--web.telemetry-path={path}"],
                f"{TELEMETRY} '{path}' is used by another page; choose",
            )
            for path in ("/probe", "/sd", "/api/v1/tasks", "/api/metrics", "/callback/prod")
        ),
    ],
)
def test_a_mistake_is_one_line_with_a_hint(run: Run, arguments: list[str], message: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert one_line(err).startswith(message)


def test_run_is_the_default_command(run: Run) -> None:
    """Without a configuration it says what to do."""
    for arguments in ([], ["run"], ["--log.level=debug"]):
        status, out, err = run(*arguments)
        assert (status, out) == (1, "")
        line = one_line(err)
        assert "--config.file=FILE" in line
        assert "demo" in line


def test_a_missing_configuration_is_named(run: Run) -> None:
    status, _, err = run("--config.file=nowhere.yml")
    assert status == 1
    assert "nowhere.yml" in one_line(err)


def test_an_address_in_use_is_one_line(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "c.yml"
    config.write_text("accounts: [{name: a, region: cn-shanghai}]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments in (
            [f"--config.file={config}", f"--web.listen-address={address}"],
            ["demo", f"--web.listen-address={address}"],
            ["demo", f"--simulator.listen-address={address}"],
            ["simulate", f"--listen={address}"],
            ["simulate", "--listen=nonsense"],
        ):
            status, out, err = run(*arguments)
            assert (status, out) == (1, ""), arguments
            line = one_line(err)
            assert "choose another" in line or "write :10870" in line


def test_simulate_needs_a_callback_url_and_a_readable_key_together(run: Run, tmp_path: Path) -> None:
    url, file = "--callback-url=http://127.0.0.1:9/callback/a", f"--callback-key-file={tmp_path / 'key'}"
    for arguments, expected in (
        ([url], "belong together"),
        ([file], "belong together"),
        ([url, file], "cannot be read"),
    ):
        status, out, err = run("simulate", "--listen=127.0.0.1:0", *arguments)

        assert (status, out) == (1, ""), arguments
        assert expected in one_line(err)


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


def test_task_prints_a_table_and_json(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    config, task_id = configured(tmp_path, simulator), simulator.world.tasks[0].id
    status, out, err = run("task", config, task_id)
    assert (status, err) == (0, "")
    assert out.startswith(f"task {task_id}  ")
    status, out, err = run("task", "--json", task_id, config)
    assert (status, err) == (0, "")
    assert [task["id"] for task in json.loads(out)] == [task_id]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_task_not_found_is_one_line(run: Run, tmp_path: Path, simulators: Simulators, form: list[str]) -> None:
    """stdout stays valid JSON for programs, and has no empty line for people."""
    status, out, err = run("task", configured(tmp_path, simulators()), "f" * 32, *form)
    assert (status, out.strip()) == (1, "[]" if form else "")
    assert ("f" * 32) in one_line(err)


def test_task_with_wrong_keys_says_what_to_check(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    status, _, err = run("task", configured(tmp_path, simulators(), secret="wrong"), "a" * 32, "b" * 32)
    assert status == 1
    assert "check access_key_secret" in one_line(err)


def test_errors_of_task_have_no_control_characters(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    """This holds for the text of the service and for an id on the command line."""
    simulator = simulators()
    simulator.faults.add(Fault(kind="code", status=400, code="Odd", message="\x1b[2J\r\nforged\x9b1m\u202e"))
    for task_id in ("a" * 32, "a\x1b[2J\nb"):
        _, _, err = run("task", configured(tmp_path, simulator), task_id)
        assert all(char.isprintable() for char in one_line(err))


def test_task_needs_an_account_if_there_are_several(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai}, {name: b, region: cn-beijing}]\n")
    status, _, err = run("task", f"--config.file={path}", "x")
    assert (status, "choose with --account: a, b" in one_line(err)) == (1, True)
    status, _, err = run("task", f"--config.file={path}", "--account=c", "x")
    assert (status, "no account 'c'; its accounts are: a, b" in one_line(err)) == (1, True)


@pytest.mark.slow
def test_simulate_prints_its_configuration_and_runs_until_a_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with process("simulate", "--listen=127.0.0.1:0", "--tasks=3") as running:
            assert running.stdout is not None
            printed = "".join(iter(running.stdout.readline, "\n")) + "".join(iter(running.stdout.readline, "\n"))
            url = next(word for word in printed.split() if word.startswith("http://")).rstrip(",")
            assert "access key simulator, secret simulator" in printed
            assert f"endpoint: {url}\n" in printed
            assert len(requests.get(f"{url}/simulator/truth", timeout=10).json()["tasks"]) <= 3
            running.send_signal(number)
            _, err = running.communicate(timeout=60)
            assert (running.returncode, err) == (0, "")


@pytest.mark.slow
def test_a_closed_stdout_causes_no_traceback(tmp_path: Path) -> None:
    """`| head -1` closes stdout early, for example."""
    path = tmp_path / "good.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai}]\n")
    with process("check-config", str(path)) as running:
        assert running.stdout is not None
        running.stdout.close()
        assert running.wait(60) == 1
        assert running.stderr is not None
        assert running.stderr.read() == ""


@pytest.mark.slow
def test_text_that_the_terminal_cannot_show_causes_no_traceback(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeMode": "x", "OutputFileUrl": "http://视频.example/ü"}))
    done = next(t for t in simulator.world.tasks if t.jobs)
    config = configured(tmp_path, simulator)
    with process("task", config, done.id, environ={"PYTHONIOENCODING": "ascii"}) as running:
        _, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, "")


@pytest.mark.slow
def test_an_interrupted_command_causes_no_traceback(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(delay=30.0)
    with process("task", configured(tmp_path, simulator), "a" * 32) as running:
        wait_until(lambda: simulator.quota.calls)
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=60) == ("", "")
        assert running.returncode == 128 + signal.SIGINT


def test_help_lists_exactly_the_commands() -> None:
    assert set(cli._COMMANDS) == set(flags._COMMANDS) == set(COMMANDS)
