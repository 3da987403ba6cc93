"""What the exporter costs as a function of size: processor time, time, memory and bytes written.

    python -m benchmarks.curves known|unfinished|accounts|scrapers|calls|floor [SIZES...]

Each row starts `vod-transcode-exporter run` in its own process, on a state file and a service of its own, and asks it
over HTTP. Processor times are those of the exporter alone, also during calls.

- known: jobs known, of which 5,000 are shown, and nothing is due.
- unfinished: jobs in transcoding, at 50 calls a second for half a minute, with a scrape every 5 s.
- accounts: scrapes of all accounts, and probes of one, when nothing is due; and the start.
- scrapers: so many scrapes at the same time, with 100,000 jobs known.
- floor: so many megabytes that are ready, by the same server.
- calls: so many accounts use a full budget of 10 calls a second, with a scrape of one of them every 5 s.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks import canned, state
from exporter.web.listener import listen

SCRAPES = 20
SECONDS = 30.0
INTERVAL_SECONDS = 5.0
SHOWN = 5_000
TICK = os.sysconf("SC_CLK_TCK")


class Running:
    """The exporter in its own process."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._proc = Path(f"/proc/{process.pid}")
        self.url = url
        self._session = requests.Session()

    def get(self, path: str) -> float:
        """The seconds of a request."""
        started = time.monotonic()
        self._session.get(self.url + path, timeout=120).raise_for_status()
        return time.monotonic() - started

    @property
    def cpu(self) -> float:
        """Processor seconds so far."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    @property
    def resident(self) -> float:
        """Megabytes."""
        lines = (self._proc / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1e3

    @property
    def written(self) -> int:
        """Bytes that were written to files so far."""
        lines = (self._proc / "io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("wchar:"))


@contextmanager
def running(folder: Path, config: str) -> Iterator[Running]:
    """An exporter with this configuration, in this folder."""
    path = folder / "config.yml"
    path.write_text(config)
    with process("exporter", "run", f"--config.file={path}", address="--web.listen-address=127.0.0.1:") as made:
        yield made


@contextmanager
def process(*command: str, address: str = "") -> Iterator[Running]:
    """A module of Python that serves HTTP. Its last argument is `address` and the port."""
    with listen("127.0.0.1:0") as free:
        port = free.getsockname()[1]
    started = [sys.executable, "-m", *command, f"{address}{port}"]
    with subprocess.Popen(started, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[1]) as program:
        made = Running(program, f"http://127.0.0.1:{port}")
        try:
            while True:
                try:
                    made.get("/sd")  # 503 while the exporter loads its state
                    break
                except requests.RequestException:
                    assert program.poll() is None, "the process has ended"
                    time.sleep(0.05)
            yield made
        finally:
            program.terminate()


def account(name: str, url: str, *, rate: float = 10.0, tasks: str = "") -> str:
    return (
        f"  - name: {name}\n    endpoint: {url}\n    requests_per_second: {rate}\n"
        f"    credentials: {{access_key_id: none, access_key_secret: none-{name}}}\n"
        f"    track: {{discovery: {{enabled: false}}{tasks}}}\n"
    )


def known(jobs: int, folder: Path, service: str) -> dict[str, float]:
    return shown(jobs, folder, service, scrapers=1)


def scrapers(count: int, folder: Path, service: str) -> dict[str, float]:
    return shown(100_000, folder, service, scrapers=count)


def shown(jobs: int, folder: Path, service: str, *, scrapers: int) -> dict[str, float]:
    """Scrapes by several scrapers at the same time."""
    state.fill(folder / "state.db", jobs, unfinished=0)
    series = f"series: {{retention: 1d, max_jobs: {SHOWN}}}\nscrape: {{min_interval: 0s}}\n"
    with running(folder, f"accounts:\n{account('prod', service)}{series}state: {{path: state.db}}\n") as exporter:
        start = exporter.cpu
        with ThreadPoolExecutor(scrapers) as pool:

            def scrape() -> float:
                return max(pool.map(exporter.get, ["/metrics"] * scrapers))

            figures = each(exporter, scrape)
        return {"start CPU s": start, **figures, "resident MB": exporter.resident}


def each(exporter: Running, ask: Callable[[], float], count: int = SCRAPES) -> dict[str, float]:
    """The cost of each of several scrapes, after two that do not count."""
    ask()
    ask()
    cpu, written = exporter.cpu, exporter.written
    times = sorted(ask() for _ in range(count))
    return {
        "CPU ms": (exporter.cpu - cpu) / count * 1e3,
        "median ms": times[count // 2] * 1e3,
        "longest ms": times[-1] * 1e3,
        "written kB": (exporter.written - written) / count / 1e3,
    }


def unfinished(jobs: int, folder: Path, service: str) -> dict[str, float]:
    tasks = "".join(f"- task{number}\n" for number in range(jobs // canned.JOBS_PER_TASK))
    (folder / "tasks.yml").write_text(f"tasks:\n{tasks}".replace("\n- ", "\n  - "))
    one = account("prod", service, rate=50.0, tasks=", files: [tasks.yml]")
    series = f"series: {{max_jobs: {SHOWN}}}\n"
    with running(folder, f"accounts:\n{one}{series}state: {{path: state.db}}\n") as exporter:
        while calls(service) < jobs // canned.JOBS_PER_TASK:  # each new task costs a call
            exporter.get("/metrics")
            time.sleep(1.0)
        return {**over_time(exporter, service, "/metrics"), "resident MB": exporter.resident}


def over_time(exporter: Running, service: str, path: str) -> dict[str, float]:
    """Half a minute of scrapes and calls."""
    began, cpu, made, written = time.monotonic(), exporter.cpu, calls(service), exporter.written
    times = []
    while time.monotonic() < began + SECONDS:
        times.append(exporter.get(path))
        time.sleep(max(0.0, INTERVAL_SECONDS - times[-1]))
    seconds, made, cpu = time.monotonic() - began, calls(service) - made, exporter.cpu - cpu
    return {
        "calls/s": made / seconds,
        "CPU ms a call": cpu / max(made, 1) * 1e3,
        "of a core %": 100 * cpu / seconds,
        "longest ms": max(times) * 1e3,
        "written kB/s": (exporter.written - written) / seconds / 1e3,
    }


def calls(service: str) -> int:
    return int(requests.get(f"{service}/calls", timeout=60).text)


def accounts(count: int, folder: Path, service: str) -> dict[str, float]:
    names = [f"account-{number}" for number in range(count)]
    listed = "".join(account(name, service) for name in names)
    rest = "scrape: {min_interval: 1h}\nstate: {path: state.db}\n"
    began = time.monotonic()
    with running(folder, f"accounts:\n{listed}{rest}") as exporter:
        ready, start = time.monotonic() - began, exporter.cpu
        exporter.get("/metrics")
        whole = each(exporter, lambda: exporter.get("/metrics"), 5)
        probe = each(exporter, lambda: exporter.get(f"/probe?account={names[0]}"), 200)
        return {
            "ready s": ready,
            "start CPU s": start,
            "all: CPU ms": whole["CPU ms"],
            "all: median ms": whole["median ms"],
            "one: CPU ms": probe["CPU ms"],
            "one: median ms": probe["median ms"],
            "resident MB": exporter.resident,
        }


def full_quota(count: int, folder: Path, service: str) -> dict[str, float]:
    (folder / "tasks.yml").write_text("tasks:\n" + "".join(f"  - task{number}\n" for number in range(1_000)))
    listed = "".join(account(f"account-{number}", service, tasks=", files: [tasks.yml]") for number in range(count))
    with running(folder, f"accounts:\n{listed}state: {{memory: true}}\n") as exporter:
        exporter.get("/metrics")
        return {**over_time(exporter, service, "/metrics"), "resident MB": exporter.resident}


def floor(megabytes: int, folder: Path, service: str) -> dict[str, float]:  # noqa: ARG001 - needs neither
    with process("benchmarks.ready", str(megabytes)) as server:
        return each(server, lambda: server.get("/"))


CURVES: dict[str, tuple[Callable[[int, Path, str], dict[str, float]], Sequence[int]]] = {
    "known": (known, (1_000, 10_000, 100_000, 300_000)),
    "unfinished": (unfinished, (100, 1_000, 10_000)),
    "accounts": (accounts, (1, 10, 100, 1_000)),
    "scrapers": (scrapers, (1, 2, 10)),
    "calls": (full_quota, (10, 30, 60)),
    "floor": (floor, (1, 14)),
}


def main(curve: str, sizes: Sequence[int]) -> None:
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    measure, usual = CURVES[curve]
    for place, size in enumerate(sizes or usual):
        with tempfile.TemporaryDirectory() as folder, canned.running() as service:
            row = measure(size, Path(folder), service)
        if not place:
            print(f"{curve:>12}" + "".join(f"{head:>16}" for head in row))
        print(f"{size:>12,}" + "".join(f"{figure:>16,.1f}" for figure in row.values()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], [int(size) for size in sys.argv[2:]])
