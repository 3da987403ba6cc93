"""The exporter as a process of its own, on a simulated account."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

PATIENCE_SECONDS = 30.0


class ExporterProcess:
    """`run` in a process, listening; `log` is what it has written to stderr so far."""

    def __init__(self, folder: Path, config: str, *arguments: str) -> None:
        (folder / "exporter.yml").write_text(config)
        self._log = folder / "exporter.log"
        flags = [f"--config.file={folder / 'exporter.yml'}", "--web.listen-address=127.0.0.1:0", *arguments]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "exporter", *flags], stdout=subprocess.DEVNULL, stderr=log, cwd=folder
            )
        self._clients: list[socket.socket] = []
        self.port = self._listening()
        self.url = f"http://127.0.0.1:{self.port}"

    def _listening(self) -> int:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if match := re.search(r"msg\W+listening\W.*127\.0\.0\.1:(\d+)", self.log):
                return int(match[1])
            time.sleep(0.05)
        raise AssertionError(f"it does not listen: {self.log}")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/metrics", **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE_SECONDS, **options)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        self._clients.append(client)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", self.port))
        return client

    def hang_up(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - entries that vanish meanwhile

    def status(self, key: str) -> int:
        """A figure of the kernel's, such as `Threads` or `VmRSS` (in KiB)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)
        assert match is not None
        return int(match[1])

    def wait(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """The exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        self.hang_up()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ExporterProcess]]:
    """Starts exporters, each with the text of its configuration and flags, and kills them after the test."""
    with contextlib.ExitStack() as stack:

        def started(config: str, *arguments: str) -> ExporterProcess:
            exporter = ExporterProcess(tmp_path, config, *arguments)
            stack.callback(exporter.close)
            return exporter

        yield started


@pytest.fixture(scope="session")
def exporter_process() -> type[ExporterProcess]:
    """For fixtures that start exporters of their own."""
    return ExporterProcess


@pytest.fixture(scope="session")
def account() -> Callable[..., str]:
    """The configuration of one account at `endpoint` that tracks `tasks` alone, with further keys at its end."""

    def text(endpoint: str, tasks: list[str], *, secret: str = "simulator", more: str = "") -> str:
        return (
            f"accounts:\n  - name: prod\n    endpoint: {endpoint}\n"
            f"    credentials: {{access_key_id: simulator, access_key_secret: {secret}}}\n"
            f"    track: {{tasks: {tasks}, discovery: {{enabled: false}}}}\n{more}"
        )

    return text


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until a condition holds."""

    def wait(condition: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    return wait
