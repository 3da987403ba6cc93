"""Shared by the tests of the commands: a run in this process, and a terminal to run them on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import prometheus_client
import pytest

from exporter.command import cli, logs

COMMANDS = ("run", "demo", "simulate", "check-config", "task", "tasks", "write")
PATIENCE_SECONDS = 60.0
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
    """Runs `main` in an empty folder, without its set-up of logs and metrics. Returns status, stdout, stderr."""
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
