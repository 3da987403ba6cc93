"""Shared by the tests of the commands: a run in this process, and a terminal to run them on."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import prometheus_client
import pytest

from exporter.command import cli, logs
from exporter.simulator.server import Simulator

COMMANDS = ("run", "demo", "simulate", "check-config", "task", "tasks", "write", "state")
PATIENCE_SECONDS = 60.0
PREFIX = "vod-transcode-exporter: "
Run = Callable[..., tuple[int, str, str]]


@dataclass(slots=True)
class Terminal:
    """A pseudo-terminal: `theirs` is its end for the program, `seen` all that the program wrote so far."""

    ours: int
    theirs: int
    seen: str = field(default="")

    def resize(self, columns: int, lines: int = 24) -> None:
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, condition: Callable[[str], object]) -> str:
        """Read until the condition on all output holds."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition(self.seen):
            assert time.monotonic() < until, self.seen
            if select.select([self.ours], [], [], 0.2)[0]:
                self.seen += os.read(self.ours, 65536).decode()
        return self.seen


@contextlib.contextmanager
def terminal(columns: int, lines: int = 24) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    made = Terminal(ours, theirs)
    made.resize(columns, lines)
    try:
        yield made
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `main` in an empty folder, without its set-up of the process. Returns status, stdout, stderr."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(logs, "set_up", lambda **_: None)
    monkeypatch.setattr(prometheus_client, "disable_created_metrics", lambda: None)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            status = cli.main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return status, *capsys.readouterr()

    return call


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
