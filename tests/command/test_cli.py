"""The command line: help, messages for mistakes, exit statuses."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter import __version__, share
from exporter.command import flags
from tests.command.conftest import COMMANDS, Run, one_line, process

TELEMETRY = "argument --web.telemetry-path:"


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--version"], ["demo", "--version"]])
def test_version_is_printed_for_every_command(run: Run, arguments: list[str]) -> None:
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"vod-transcode-exporter, version {__version__}",
        f"  revision: {share.revision()}",
        f"  python:   {platform.python_version()}",
    ]


MISTAKES: list[tuple[list[str], str]] = [
    (
        ["chek-config"],
        "unknown command 'chek-config'; did you mean check-config?; see vod-transcode-exporter --help",
    ),
    (
        ["serve"],
        "unknown command 'serve'; the commands are run, demo, simulate, check-config, task, tasks, write, state; see",
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
]


def test_a_mistake_is_one_line_with_a_hint(run: Run) -> None:
    for arguments, message in MISTAKES:
        status, out, err = run(*arguments)
        assert (status, out) == (2, ""), arguments
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


def test_help_lists_exactly_the_commands() -> None:
    assert set(flags.COMMANDS) == set(COMMANDS)


@pytest.mark.slow
def test_a_command_imports_only_what_it_uses_and_no_garbage_collection_looks_at_it() -> None:
    for name, unused in {
        "run": {"exporter.simulator.server", "exporter.command.demo", "jinja2", "markdown_it"},
        "tasks": {
            "exporter.simulator.server",
            "exporter.wiring",
            "exporter.web.app",
            "pydantic",
            "starlette.applications",
            "uvicorn",
        },
        "write": {"exporter.config", "exporter.wiring", "requests", "pydantic"},
    }.items():
        code = f"import gc, sys; from exporter.command import cli; cli._command({name!r})"
        code += "; print(gc.isenabled(), gc.get_freeze_count(), *sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        collects, frozen, *modules = done.stdout.split()
        assert unused & set(modules) == set(), name
        assert collects == "True"
        assert int(frozen) > 10_000
