"""The programs that these tests start. Each is a process that ends at the end of its `with`."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import requests

import tests.conftest

PATIENCE_SECONDS = 240.0

# Other programs need more time than code of the exporter. Frequent questions would only keep the machine busy.
wait_until = partial(tests.conftest.wait_until, seconds=PATIENCE_SECONDS, pause=0.2)


@contextlib.contextmanager
def running_demo(*flags: str) -> Iterator[tuple[str, str]]:
    """Runs the demo. Yields the URLs of its exporter and its simulator."""
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            output = "".join(process.stdout.readline() for _ in range(4))
            metrics, simulator = (re.search(rf"{name} +(http://[\d.:]+)", output) for name in ("Metrics", "Simulator"))
            assert metrics is not None, output
            assert simulator is not None, output
            yield metrics[1], simulator[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


@contextlib.contextmanager
def running_exporter(folder: Path, settings: Mapping[str, object], *flags: str, hold: float = 0.0) -> Iterator[str]:
    """Runs the exporter with this configuration and these flags. Its state is in memory by default. Yields its URL."""
    config, log = folder / "exporter.yml", folder / "exporter.log"
    config.write_text(json.dumps({"state": {"memory": True}, **settings}))  # JSON is YAML
    command = [
        *tests.conftest.exporter_command(hold=hold),
        f"--config.file={config}",
        "--web.listen-address=127.0.0.1:0",
        *flags,
    ]

    def address() -> re.Match[str] | None:
        return re.search(r"msg=listening .*?(127\.0\.0\.1:\d+)", log.read_text())

    with running(command, folder, log.name):
        wait_until(address)
        found = address()
        assert found is not None
        yield f"http://{found[1]}"


@contextlib.contextmanager
def running_prometheus(program: str, folder: Path, config: str, *flags: str) -> Iterator[str]:
    """Runs Prometheus with this configuration. It stores exemplars. Yields its URL."""
    path = folder / "prometheus.yml"
    path.write_text(config)
    with reserved_address() as address:
        command = [program, f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address={address}", "--enable-feature=exemplar-storage", *flags]
        with running(command, folder, "prometheus.log"):
            wait_until(lambda: is_ready(address))
            yield f"http://{address}"


@contextlib.contextmanager
def running(command: list[str], folder: Path, log: str) -> Iterator[None]:
    """Runs a program in this folder. It writes its output to the file `log` there, which is printed after a failure."""
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


@contextlib.contextmanager
def reserved_address() -> Iterator[str]:
    """An address on which only one program can listen meanwhile."""
    with tests.conftest.reserved_port() as port:
        yield f"127.0.0.1:{port}"
