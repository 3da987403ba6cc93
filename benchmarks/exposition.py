"""The cost of an exposition: with cached lines, with `prometheus_client`, and with libraries of Go and Rust.

    python benchmarks/exposition.py [SAMPLES...]

Each program renders the body of the same exposition, by the call that its HTTP handler makes. Sending costs the same
for all, and is left out; `python -m benchmarks.curves floor` measures it. The programs take turns. Before each turn the
same share of the samples changes: random tasks and their jobs become new records with other values, and the other
programs set as many gauges.

The peers are `client_golang` and `VictoriaMetrics/metrics`, which need Go, and Rust's `prometheus-client`, which needs
cargo. Both fetch the libraries. A peer that cannot be built shows nan. `prometheus_client` compresses with Python's
default level, as its own handler does.
"""

from __future__ import annotations

import gzip
import math
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from prometheus_client.exposition import generate_latest

from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.exposition import TEXT, Exposition, Together
from exporter.metrics.telemetry import Telemetry
from exporter.model import DEFINITIONS, JOB_STATUSES, Job, Output, Stream, Task
from exporter.snapshot import (
    AccountSnapshot,
    HistogramView,
    LedgerView,
    ShownJob,
    ShownTask,
    Snapshot,
    Total,
    TotalsView,
)

SIZES = (1_000, 10_000, 100_000)
SHARES = (0.0, 0.01, 1.0)
JOBS_PER_TASK = 4
HERE = Path(__file__).parent
PEERS = ("client_golang", "victoriametrics", "rust_prometheus_client")


def main(sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        programs = {name: build(name, Path(folder)) for name in PEERS}
        print(f"{os.cpu_count()} cores, Python {platform.python_version()}; milliseconds, and ratios to kept lines")
        print("".join(f"{head:>24}" for head in ("samples", "changed", "", "kept lines", "prometheus_client", *PEERS)))
        for size in sizes:
            for share in SHARES:
                for compressed in (False, True):
                    print(row(size, share, programs, Path(folder), compressed=compressed), flush=True)


def row(size: int, share: float, programs: dict[str, Path | None], folder: Path, *, compressed: bool) -> str:
    """One row of the table: the medians of alternating runs, and their ratios."""
    shelf = Shelf(size)
    telemetry = Telemetry()
    telemetry.account("prod")
    exposition = Exposition()

    def kept() -> bytes:
        return exposition.render(snapshot, telemetry.whole, TEXT, gzip=compressed)

    def library() -> bytes:
        body = generate_latest(Together(TranscodeCollector(lambda: snapshot), telemetry.registry))
        return gzip.compress(body) if compressed else body

    snapshot = shelf.snapshot()
    text = generate_latest(Together(TranscodeCollector(lambda: snapshot), telemetry.registry))
    peers = [Peer(program, text, folder) if program else None for program in programs.values()]
    kept()
    times: list[list[float]] = []
    for _ in range(5 if size >= 100_000 else 15):
        shelf.change(share)
        snapshot = shelf.snapshot()
        theirs = [peer.run(share, compressed=compressed) if peer else math.nan for peer in peers]
        times.append([seconds(kept), seconds(library), *theirs])
    for peer in filter(None, peers):
        peer.close()
    ours, *others = (median(column) for column in zip(*times, strict=True))
    figures = "".join(f"{f'{other * 1e3:.1f} ({other / ours:.1f})':>24}" for other in others)
    kind = "gzip" if compressed else "plain"
    return f"{sample_count(text):>24,}{share:>24.0%}{kind:>24}{ours * 1e3:>24.2f}{figures}"


class Shelf:
    """Finished jobs and their tasks, with about `size` samples, and the aggregates of one account."""

    def __init__(self, size: int) -> None:
        self._random = random.Random(size)
        # A task has 5 samples, a job 14. The aggregates and the exporter itself have about 450.
        count = max(1, (size - 450) // (5 + 14 * JOBS_PER_TASK))
        self._tasks = [self._task(number) for number in range(count)]
        self._jobs = [self._job(number) for number in range(count * JOBS_PER_TASK)]

    def snapshot(self) -> Snapshot:
        """A snapshot. Unchanged tasks and jobs are the same objects as before, as in snapshots of a ledger."""
        view = LedgerView(
            tasks=tuple(self._tasks),
            jobs=tuple(self._jobs),
            job_counts={(definition, status): 7 for definition in DEFINITIONS for status in JOB_STATUSES},
            totals=TotalsView(
                counters={
                    (Total.JOBS_FINISHED, (definition, "TranscodeSuccess")): 1234.0 for definition in DEFINITIONS[:4]
                },
                histograms={
                    (total, (definition,)): HistogramView(tuple(10.0 * 2**n for n in range(12)), (3,) * 13, 4567.5)
                    for total in (Total.JOB_QUEUE, Total.JOB_PROCESSING, Total.OUTPUT_BITRATE, Total.OUTPUT_SIZE)
                    for definition in DEFINITIONS[:4]
                },
            ),
        )
        account = AccountSnapshot("prod", "cn-shanghai", "https://vod.cn-shanghai.aliyuncs.com", up=True, view=view)
        return Snapshot((account,))

    def change(self, share: float) -> None:
        """Change the values of this share of the tasks, and of their jobs."""
        count = min(len(self._tasks), max(1, round(share * len(self._tasks)))) if share else 0
        for number in self._random.sample(range(len(self._tasks)), count):
            self._tasks[number] = self._task(number)
            for job in range(number * JOBS_PER_TASK, (number + 1) * JOBS_PER_TASK):
                self._jobs[job] = self._job(job)

    def _task(self, number: int) -> ShownTask:
        task = Task(
            f"{number:032x}",
            f"{number + 7:032x}",
            "CompleteAllSucc",
            "Auto",
            "174b0534fea3d0b51c8f0ad1374b0534",
            created=1.7e9 + self._figure(1_000_000),
            completed=1.7e9 + self._figure(1_000_000),
        )
        return ShownTask(task, self._figure(100) / 100)

    def _job(self, number: int) -> ShownJob:
        output = Output(
            format="mp4",
            bitrate=1000.0 * self._figure(5000),
            size=float(self._figure(100_000_000)),
            duration=self._figure(100_000) / 100,
            frames_per_second=float(self._figure(60)),
            width=float(self._figure(1920)),
            height=float(self._figure(1080)),
            streams=(
                Stream("video", "0", "h264", float(self._figure(5_000_000))),
                Stream("audio", "1", "aac", float(self._figure(200_000))),
            ),
        )
        job = Job(
            # Ids of VOD are 32 hexadecimal digits without a pattern.
            id=f"{random.Random(number).getrandbits(128):032x}",
            definition=("LD", "SD", "HD", "FHD")[number % 4],
            status="TranscodeSuccess",
            progress=self._figure(100) / 100,
            created=1.7e9 + self._figure(1_000_000),
            completed=1.7e9 + self._figure(1_000_000),
            priority="6",
            template_id="174b0534fea3d0b51c8f0ad1374b0534",
            output=output,
        )
        return ShownJob(job, f"{number // JOBS_PER_TASK:032x}", f"{number // JOBS_PER_TASK + 7:032x}")

    def _figure(self, below: int) -> int:
        return self._random.randrange(1, below)


class Peer:
    """A program of another library, with the samples of `text`. `client_golang/main.go` has its commands."""

    def __init__(self, program: Path, text: bytes, folder: Path) -> None:
        file = folder / "samples.prom"
        file.write_bytes(text)
        self._process = subprocess.Popen([program, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        dumped = bytes.fromhex(self._ask("dump"))
        assert sample_count(dumped) == sample_count(text), f"{program.name} serves other samples"
        self._ask("plain")

    def run(self, share: float, *, compressed: bool) -> float:
        """Set this share of the gauges, and return the seconds for one body."""
        self._ask(f"change {round(1 / share) if share else 0}")
        return int(self._ask("gzip" if compressed else "plain").split()[0]) / 1e9

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def sample_count(text: bytes) -> int:
    return sum(not line.startswith(b"#") for line in text.splitlines())


def build(name: str, folder: Path) -> Path | None:
    """Build the program of a peer. Returns None without its compiler, or if the library cannot be fetched."""
    rust = (HERE / name / "Cargo.toml").exists()
    compiler = shutil.which("cargo" if rust else "go") or shutil.which("/usr/local/go/bin/go")
    if compiler is None:
        return None
    out = folder / name
    target = ("--release", f"--target-dir={out}") if rust else ("-o", str(out / name))
    run = subprocess.run([compiler, "build", *target], cwd=HERE / name, capture_output=True, text=True, check=False)
    if run.returncode:
        print(f"{name} cannot be built: {run.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return out / "release" / name if rust else out / name


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(SIZES))
