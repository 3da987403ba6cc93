"""The programs that these tests start, each a process of its own that ends with its `with`."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import requests

PATIENCE_SECONDS = 90.0


@contextlib.contextmanager
def running_demo(*flags: str) -> Iterator[tuple[str, str]]:
    """The demo: the addresses of its exporter and its simulator."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = "".join(process.stdout.readline() for _ in range(4))
            metrics, simulator = (re.search(rf"{what} +(http://[\d.:]+)", told) for what in ("Metrics", "Simulator"))
            assert metrics is not None, told
            assert simulator is not None, told
            yield metrics[1], simulator[1]
        finally:
            process.terminate()
            process.communicate(timeout=30)


@contextlib.contextmanager
def running_exporter(folder: Path, settings: Mapping[str, object]) -> Iterator[str]:
    """The exporter with this configuration, and in memory: its address."""
    config, log = folder / "exporter.yml", folder / "exporter.log"
    config.write_text(json.dumps({**settings, "state": {"memory": True}}))  # JSON is YAML
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]

    def address() -> re.Match[str] | None:
        return re.search(r"msg=listening .*?(127\.0\.0\.1:\d+)", log.read_text())

    with running(command, folder, log.name):
        wait_until(address)
        found = address()
        assert found is not None
        yield f"http://{found[1]}"


@contextlib.contextmanager
def running_prometheus(program: str, folder: Path, config: str) -> Iterator[str]:
    """A Prometheus with this configuration, which keeps exemplars: its address."""
    path, address = folder / "prometheus.yml", free_address()
    path.write_text(config)
    command = [program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={address}", "--enable-feature=exemplar-storage"]
    with running(command, folder, "prometheus.log"):
        wait_until(lambda: is_ready(address))
        yield f"http://{address}"


@contextlib.contextmanager
def running(command: list[str], folder: Path, log: str) -> Iterator[None]:
    """A program in this folder, which writes to its file `log` there."""
    with (
        (folder / log).open("w") as out,
        subprocess.Popen(command, cwd=folder, stdout=out, stderr=out) as started,
    ):
        try:
            yield
        except BaseException:
            print((folder / log).read_text()[-3000:])
            raise
        finally:
            started.terminate()
            try:
                started.wait(timeout=30)
            except subprocess.TimeoutExpired:
                started.kill()


def is_ready(address: str) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"http://{address}/-/ready", timeout=10).ok
    return False


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def wait_until(
    true: Callable[[], object],
    *,
    told: Callable[[], str] = lambda: "waited in vain",
    patience: float = PATIENCE_SECONDS,
) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.2)
