"""Does anything grow? One exporter runs for an hour, while tasks come and go, calls fail and clients misbehave.

    python -m benchmarks.soak
    python -m benchmarks.soak --minutes 3 --interval 1

The service is the simulator, with errors in 15 % of all calls. Between two scrapes, clients send malformed requests and
close connections without warning. Prints memory, descriptors, threads, processor time of a scrape, and the size of the
state file and its write-ahead log, as medians of each tenth of the time. The first fifth is for warming up: `start` is
the median of the second fifth, `end` that of the last. The exit status is 1 if a figure grew beyond its limit, or a
scrape was not answered.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import requests

from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.web.listener import listen

FAULTS = (
    Fault(kind="code", share=0.03, status=400, code="Throttling.User"),
    Fault(kind="code", share=0.02, status=500, code="InternalError"),
    Fault(kind="status", share=0.01, status=503, retry_after=1),
    Fault(kind="delay", share=0.03, seconds=0.5),
    Fault(kind="hang", share=0.005, seconds=2.0),
    Fault(kind="drip", share=0.005, seconds=0.01),
    Fault(kind="stall", share=0.002, seconds=30.0),
    Fault(kind="reset", share=0.01),
    Fault(kind="truncated", share=0.01),
    Fault(kind="html", share=0.01),
    Fault(kind="malformed", share=0.01, variant="types"),
    Fault(kind="malformed", share=0.005, variant="nesting"),
    Fault(kind="redirect", share=0.005),
    Fault(kind="huge", share=0.002),
    Fault(kind="gzip-bomb", share=0.002),
)
CONFIG = """\
accounts:
  - name: soak
    endpoint: {endpoint}
    credentials: {{access_key_id: simulator, access_key_secret: simulator}}
    track: {{discovery: {{lookback: 10m, interval: 10s}}}}
scrape: {{timeout: 3s, min_interval: 0}}
series: {{retention: 1m}}
state: {{path: {state}}}
"""
RUDE = (
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",  # and leaves
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHos",
    b"nonsense\r\n\r\n",
    b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
)
FINISHED = r"^vod_transcode_tasks_finished_total.* (\S+)$"
# Closing sends a reset: https://man7.org/linux/man-pages/man7/socket.7.html
RESET = b"\x01\0\0\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Sample:
    """The process after a scrape; sizes in bytes. `cpu` is its processor time since the scrape before, in seconds."""

    memory: float
    descriptors: float
    threads: float
    cpu: float
    file: float
    log: float


# How much `end` may exceed `start`: by a part of `start`, and an amount. The file has about 80 bytes for each counted
# task until it is forgotten after days, and up to 1,024 unused pages. The log shrinks to 16 MiB.
PARTS = Sample(memory=0.1, descriptors=0.0, threads=0.0, cpu=0.5, file=0.0, log=0.0)
AMOUNTS = Sample(memory=16e6, descriptors=10, threads=10, cpu=0.05, file=6e6, log=17e6)
NAMES = ("memory MB", "descriptors", "threads", "CPU ms", "state kB", "log kB")
UNITS = (1e6, 1, 1, 1e-3, 1e3, 1e3)


class Exporter:
    """The exporter in its own process. `log` has its lines."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        with listen("127.0.0.1:0") as free:
            self.port = free.getsockname()[1]
        self._state = folder / "state.db"
        self.log = folder / "exporter.log"
        config = folder / "config.yml"
        config.write_text(CONFIG.format(endpoint=endpoint, state=self._state))
        config.chmod(0o600)
        command = [sys.executable, "-m", "exporter", "run", f"--config.file={config}"]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{self.port}"], stderr=log)
        self._cpu = 0.0

    def get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def ready(self) -> bool:
        if self._process.poll() is not None:
            raise SystemExit(f"the exporter has ended: {self.log.read_text()[-2000:]}")
        with contextlib.suppress(requests.RequestException):
            return self.get("/-/ready").ok
        return False

    def sample(self) -> Sample:
        process = Path(f"/proc/{self._process.pid}")
        status = dict(re.findall(r"^(\w+):\s+(\d+)", (process / "status").read_text(), re.MULTILINE))
        ticks = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        cpu = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        spent, self._cpu = cpu - self._cpu, cpu
        write_ahead_log = self._state.with_name("state.db-wal")
        return Sample(
            memory=1024.0 * int(status["VmRSS"]),
            descriptors=sum(1 for _ in (process / "fd").iterdir()),
            threads=int(status["Threads"]),
            cpu=spent,
            file=self._state.stat().st_size,
            log=write_ahead_log.stat().st_size,
        )

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(60)


def soak(folder: Path, *, minutes: float, interval: float, speed: float) -> int:
    """Run, and print the figures. Returns the number of faults."""
    with Simulator(speed=speed) as simulator:
        for fault in FAULTS:
            simulator.faults.add(fault)
        exporter = Exporter(folder, simulator.url)
        try:
            while not exporter.ready():
                time.sleep(0.1)
            samples, slowest, lost = live(exporter, seconds=60 * minutes, interval=interval)
            counted = sum(map(float, re.findall(FINISHED, exporter.get("/metrics").text, re.MULTILINE)))
        finally:
            status = exporter.stop()
        met = sum(int(str(fault["met"])) for fault in simulator.faults.listed())
        calls, tasks = sum(simulator.quota.calls.values()), len(simulator.world.tasks)
    print(
        f"{minutes:g} minutes, {len(samples)} scrapes, the slowest {slowest:.2f} s, {lost} not answered; {tasks} tasks"
        f" arrived, {counted:.0f} were counted; {calls} calls, {met} with a fault;"
        f" {exporter.log.read_text().count(chr(10))} lines in the log; exit status {status}"
    )
    return report(samples) + lost + status


def live(exporter: Exporter, *, seconds: float, interval: float) -> tuple[list[Sample], float, int]:
    """The samples after each scrape, the seconds of the slowest scrape, and how many were not answered with 200.

    A process of its own scrapes. In this one, the huge answers of the simulator would make scrapes look slow.
    """
    samples, slowest, lost = [], 0.0, 0
    end = time.monotonic() + seconds
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as scraper:
        while time.monotonic() < end:
            began = time.monotonic()
            status, took = scraper.submit(scrape, exporter.port).result()
            slowest = max(slowest, took)
            lost += status != 200
            samples.append(exporter.sample())
            misbehave(exporter.port)
            if len(samples) % 10 == 0:
                exporter.get("/").raise_for_status()
            time.sleep(max(0.0, began + interval - time.monotonic()))
    return samples, slowest, lost


def scrape(port: int) -> tuple[int, float]:
    """The status of the answer, and the seconds until it was there."""
    began = time.monotonic()
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    return answer.status_code, time.monotonic() - began


def misbehave(port: int) -> None:
    for request in RUDE:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(request)


def report(samples: Sequence[Sample]) -> int:
    """Print the medians of each tenth of the time. Returns how many figures grew beyond their limits."""
    tenths = [samples[len(samples) * tenth // 10 : len(samples) * (tenth + 1) // 10] or samples for tenth in range(10)]
    start, end = medians([*tenths[2], *tenths[3]]), medians([*tenths[8], *tenths[9]])
    slacks = zip(start, astuple(PARTS), astuple(AMOUNTS), strict=True)
    limits = [value * (1 + part) + amount for value, part, amount in slacks]
    print_row("", NAMES)
    for number, tenth in enumerate(tenths, 1):
        print_row(f"{number} of 10", shown(medians(tenth)))
    for name, figures in (("start", start), ("end", end), ("limit", limits)):
        print_row(name, shown(figures))
    grown = [name for name, value, limit in zip(NAMES, end, limits, strict=True) if value > limit]
    print(f"grew beyond the limit: {', '.join(grown) or 'nothing'}", flush=True)
    return len(grown)


def medians(samples: Sequence[Sample]) -> list[float]:
    return [median(values) for values in zip(*map(astuple, samples), strict=True)]


def shown(figures: Sequence[float]) -> list[str]:
    return [f"{figure / unit:,.1f}" for figure, unit in zip(figures, UNITS, strict=True)]


def print_row(name: str, cells: Sequence[str]) -> None:
    print(f"{name:>8}" + "".join(f"{cell:>16}" for cell in cells))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it runs (60)")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two scrapes (5)")
    parser.add_argument("--speed", type=float, default=12.0, help="how many times faster than real time tasks run (12)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return min(1, soak(Path(folder), minutes=args.minutes, interval=args.interval, speed=args.speed))


if __name__ == "__main__":
    sys.exit(main())
