"""The exporter as a process of its own, on a simulated account, and the text of its configuration."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import exporter_command, wait_until

PATIENCE_SECONDS = 60.0
NOWHERE = "http://127.0.0.1:9"  # nothing listens there


def account(endpoint: str, tasks: Sequence[str] = (), *, secret: str = "simulator", more: str = "") -> str:
    """A configuration with one account at `endpoint`, which tracks only `tasks`, and with `more` at its end."""
    return (
        f"accounts:\n  - name: prod\n    endpoint: {endpoint}\n"
        f"    credentials: {{access_key_id: simulator, access_key_secret: {secret}}}\n"
        f"    track: {{tasks: {list(tasks)}, discovery: {{enabled: false}}}}\n{more}"
    )


def command(folder: Path, config: str, *arguments: str, change: str = "") -> list[str]:
    """The command of an exporter on a free port, with this configuration in a file of the folder.

    `change` is Python that injects a fault into the process before it starts.
    """
    file = folder / "exporter.yml"
    file.write_text(config)
    file.chmod(0o600)
    return [*exporter_command(change=change), f"--config.file={file}", "--web.listen-address=127.0.0.1:0", *arguments]


def signature(url: str, key: str, *, age: int = 0) -> dict[str, str]:
    """The headers of an authentic event, `age` seconds ago."""
    timestamp = str(int(time.time()) - age)
    digest = hashlib.md5(f"{url}|{timestamp}|{key}".encode(), usedforsecurity=False).hexdigest()
    return {"X-VOD-SIGNATURE": digest, "X-VOD-TIMESTAMP": timestamp}


def run_to_end(folder: Path, config: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an exporter that is expected to end by itself."""
    return subprocess.run(
        command(folder, config, *arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def refused(folder: Path, config: str, *arguments: str) -> str:
    """Run an exporter that cannot start, and return the one line that it prints."""
    ended = run_to_end(folder, config, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


class ExporterProcess:
    """An exporter in a process. `log` is its stderr so far. `change` and `environment` inject faults into it."""

    def __init__(
        self, folder: Path, config: str, *arguments: str, change: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = folder / "exporter.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command(folder, config, *arguments, change=change),
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )
        self._clients: list[socket.socket] = []

    def wait_until_listening(self) -> None:
        wait_until(lambda: self._address() or self.process.poll() is not None)
        address = self._address()
        assert address is not None, f"it does not listen: {self.log}"
        self.port = int(address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def _address(self) -> re.Match[str] | None:
        return re.search(r"msg\W+listening\W.*127\.0\.0\.1:(\d+)", self.log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str = "/metrics", **options: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=PATIENCE_SECONDS, **options)

    def value(self, series: str) -> float | None:
        """The value of a series of the exposition, with all its labels; None without it."""
        match = re.search(rf"^{re.escape(series)} (\S+)$", self.get().text, re.MULTILINE)
        return float(match[1]) if match else None

    def total(self, name: str) -> float:
        """The sum of all series of this name."""
        return sum(map(float, re.findall(rf"^{name}(?:{{.*}})? (\S+)$", self.get().text, re.MULTILINE)))

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        self._clients.append(client)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE_SECONDS)
        client.connect(("127.0.0.1", self.port))
        return client

    def listens(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            self.connect()
            return True
        return False

    def hang_up(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))  # noqa: PTH208 - entries that vanish meanwhile

    def status(self, key: str) -> int:
        """A value that the kernel has of the process, such as `Threads` or `VmRSS` (in KiB)."""
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


Start = Callable[..., ExporterProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts exporters, each with the text of its configuration and its flags, and kills them after the test."""
    with contextlib.ExitStack() as stack:

        def started(config: str, *arguments: str, listens: bool = True, **faults: Any) -> ExporterProcess:
            exporter = ExporterProcess(tmp_path, config, *arguments, **faults)
            stack.callback(exporter.close)
            if listens:
                exporter.wait_until_listening()
            return exporter

        yield started
