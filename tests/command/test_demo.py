"""The demo as a process, on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.command.conftest import PATIENCE_SECONDS, terminal

pytestmark = pytest.mark.slow

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
    output = ""
    for line in stream:
        output += line
        if re.search(wanted, line):
            return output
    raise AssertionError(f"{wanted!r} never came, but: {output}")


def address(output: str, what: str) -> str:
    match = re.search(rf"{what} +(http://[\d.:]+)", output)
    assert match is not None, output
    return match[1]


def test_it_prints_its_addresses_answers_soon_and_stops_in_order() -> None:
    """The first scrape is done after 20 seconds of a processor. In a pipe, each summary is a line."""
    environ = {
        "http_proxy": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }  # a proxy must not be used for loopback
    with demo("--web.listen-address=127.0.0.1:0", environ=environ) as process:
        output = read_until(process.stdout, "Ctrl-C")
        exporter = address(output, "Metrics")
        with requests.Session() as session:
            session.trust_env = False
            text = session.get(f"{exporter}/metrics", timeout=PATIENCE_SECONDS).text
            assert processor_seconds(process.pid) < 20
            assert 'vod_up{account="demo"} 1.0' in text
            assert "vod_transcode_job_progress_ratio{" in text
            for page in (address(output, "Status page"), address(output, "Simulator")):
                assert session.get(page, timeout=PATIENCE_SECONDS).status_code == 200
        lines = read_until(process.stdout, "tasks").split("\n")
        assert LINE.fullmatch(lines[-2]), lines
        assert "\x1b" not in output + "".join(lines)
        process.terminate()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, "")


def processor_seconds(pid: int) -> float:
    """The time for which a processor has worked for this process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def port_10870_taken() -> Iterator[None]:
    """Another program may have taken it already, which serves as well."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", 10870)))
        yield


def test_it_takes_a_free_port_if_its_own_is_in_use() -> None:
    with port_10870_taken(), demo() as process:
        output = read_until(process.stdout, "Ctrl-C")
        assert "127.0.0.1:10870 is in use" in output
        assert not address(output, "Metrics").endswith(":10870")
        assert requests.get(f"{address(output, 'Metrics')}/-/healthy", timeout=PATIENCE_SECONDS).status_code == 200
        process.send_signal(signal.SIGINT)  # what Ctrl-C sends
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, errors) == (0, "")


def test_on_a_terminal_one_line_changes_and_never_wraps_also_after_a_resize() -> None:
    """After the terminal has become narrower, the old line wraps. The line starts again below it, at once."""
    with terminal(70) as there, demo("--web.listen-address=127.0.0.1:0", stdout=there.theirs) as process:
        wide = there.read(lambda seen: seen.count("\r\x1b[K") >= 2).partition("Ctrl-C")[2]
        before = len(there.seen)
        there.resize(40)
        there.read(lambda seen: "\n" in seen[before:])
        there.read(lambda seen: "\r\x1b[K" in seen[before:])
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        rest = there.read(lambda seen: seen.endswith("\r\n"))[before:]
    wide, rest = (re.sub(r"\x1b\[\d+m", "", seen) for seen in (wide, rest))  # without colours
    late, _, narrow = rest.partition("\n")  # before the terminal became narrower
    updates = (wide + late.removesuffix("\r")).split("\r\x1b[K")[1:]
    assert len(updates) >= 2
    assert all(len(update) < 70 and "\n" not in update for update in updates)
    again, *later = narrow.removesuffix("\r\n").split("\r\x1b[K")
    assert all(len(update) < 40 for update in (again, *later))
    assert updates[-1].startswith(again)
    assert len({update[:8] for update in (*updates, *later)}) == len(updates) + len(later)


def test_a_closed_stdout_ends_it_without_a_traceback() -> None:
    with demo("--web.listen-address=127.0.0.1:0") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE_SECONDS) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""
