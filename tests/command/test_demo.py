"""The demo as its users start it: a process on a terminal or in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import IO

import requests

PATIENCE_SECONDS = 30.0
LINE = re.compile(
    r"\d\d:\d\d:\d\d  tasks \d+ running, \d+ finished; jobs \d+ transcoding, \d+ done, \d+ failed;"
    r" \d+ series, scrape \d+\.\d s"
)


@contextlib.contextmanager
def demo(
    *arguments: str, stdout: int = subprocess.PIPE, environ: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "exporter", "demo", "--speed=6", *arguments]
    with subprocess.Popen(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environ or {})}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream: IO[str] | None, wanted: str) -> str:
    assert stream is not None
    told = ""
    for line in stream:
        told += line
        if re.search(wanted, line):
            return told
    raise AssertionError(f"{wanted!r} never came, but: {told}")


def address(told: str, what: str) -> str:
    match = re.search(rf"{what} +(http://[\d.:]+)", told)
    assert match is not None, told
    return match[1]


def test_it_says_where_to_look_answers_soon_and_ends_in_order() -> None:
    """Within ten seconds of the start of the process, on a machine with nothing else to do; line by line in a pipe."""
    began = time.monotonic()
    environ = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}  # of no use on loopback
    with demo("--web.listen-address=127.0.0.1:0", environ=environ) as process:
        told = read_until(process.stdout, "Ctrl-C")
        exporter = address(told, "Metrics")
        with requests.Session() as session:
            session.trust_env = False
            text = session.get(f"{exporter}/metrics", timeout=PATIENCE_SECONDS).text
            assert time.monotonic() - began < 20
            assert 'vod_up{account="demo"} 1.0' in text
            assert "vod_transcode_job_progress_ratio{" in text
            for page in (address(told, "Status page"), address(told, "Simulator")):
                assert session.get(page, timeout=PATIENCE_SECONDS).status_code == 200
        lines = read_until(process.stdout, "tasks").split("\n")
        assert LINE.fullmatch(lines[-2]), lines
        assert "\x1b" not in told + "".join(lines)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, "")


@contextlib.contextmanager
def port_10870_taken() -> Iterator[None]:
    """By this test, or by whoever has it already."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 10870)))
        yield


def test_it_takes_a_free_port_where_its_own_is_taken_and_says_so() -> None:
    with port_10870_taken(), demo() as process:
        told = read_until(process.stdout, "Ctrl-C")
        assert "127.0.0.1:10870 is taken" in told
        assert not address(told, "Metrics").endswith(":10870")
        assert requests.get(f"{address(told, 'Metrics')}/-/healthy", timeout=PATIENCE_SECONDS).status_code == 200
        process.send_signal(signal.SIGINT)  # as Ctrl-C, which ends in order too
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, "")


@contextlib.contextmanager
def terminal(columns: int) -> Iterator[tuple[int, Callable[[Callable[[str], object]], str]]]:
    """A pseudo-terminal: the end for the program, and a function that reads until a condition on all of it holds."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen = ""

    def read(condition: Callable[[str], object]) -> str:
        nonlocal seen
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition(seen):
            assert time.monotonic() < until, seen
            if select.select([ours], [], [], 0.5)[0]:
                seen += os.read(ours, 65536).decode()
        return seen

    try:
        yield theirs, read
    finally:
        os.close(ours)
        os.close(theirs)


def test_on_a_terminal_one_line_changes_and_never_wraps() -> None:
    with terminal(60) as (theirs, read), demo("--web.listen-address=127.0.0.1:0", stdout=theirs) as process:
        live = read(lambda seen: seen.count("\r\x1b[K") >= 2).partition("Ctrl-C")[2]
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        end = read(lambda seen: seen.endswith("\r\n"))
    updates = live.split("\r\x1b[K")[1:]
    assert len(updates) >= 2
    assert all(len(update) < 60 and "\n" not in update for update in updates)
    assert len({update[:8] for update in updates}) == len(updates)
    assert end.endswith("\r\n")


def test_who_reads_no_further_ends_it_without_a_traceback() -> None:
    with demo("--web.listen-address=127.0.0.1:0") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE_SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
