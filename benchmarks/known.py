"""What known jobs cost: the start, a scrape when nothing is due, and the longest of 2,000 scrapes.

    python benchmarks/known.py [JOBS...]

Each size runs in its own process. 1,000 of the jobs are unfinished, and 5,000 are shown. The start is the processor
time to load the state. A scrape is the view and its lines, plain and compressed: when nothing has changed, and when 50
jobs have progress. A plan is that of the next ten seconds at 10 calls a second. The last columns are the wall time of
2,000 scrapes in milliseconds: the median, the 99th percentile and the longest. Meanwhile nothing is due, or another
thread observes answers, or it saves 1,000 jobs again and again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from benchmarks.state import ACCOUNT, LIMITS, UNFINISHED, fill, job
from exporter.garbage import Garbage
from exporter.metrics.counts import Own
from exporter.metrics.exposition import TEXT, Exposition
from exporter.snapshot import AccountSnapshot, Snapshot
from exporter.tracking.ledger import Ledger
from exporter.tracking.sqlite import SqliteStore

SIZES = (1_000, 10_000, 100_000, 300_000)
REPEATS = 11
SCRAPES = 2_000
CHANGED = 50
HEADS = ("known jobs", "start CPU s", "plain ms", "gzip ms", "50 changed ms", "plan ms", "idle", "observing", "saving")


def main(sizes: list[int]) -> None:
    print("".join(f"{head:>18}" for head in HEADS))
    for size in sizes:
        command = [sys.executable, __file__, "--one", str(size)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="", flush=True)


def measure(size: int, folder: Path) -> str:
    """One row of the table."""
    fill(folder / "state.db", size, unfinished=min(size, UNFINISHED))
    began = time.process_time()
    with Garbage().start():
        ledger = Ledger(ACCOUNT, LIMITS, store=SqliteStore(folder / "state.db"))
    start = time.process_time() - began
    exposition, own = Exposition(), Own()
    progress = 0.0

    def scrape(*, gzip: bool = False) -> None:
        snapshot = Snapshot((AccountSnapshot(ACCOUNT, "cn-shanghai", "", view=ledger.view()),))
        exposition.render(snapshot, own, TEXT, gzip=gzip)

    def change(count: int = CHANGED) -> None:
        nonlocal progress
        progress = (progress + 0.001) % 1
        seen = [replace(job(number, finished=False), progress=progress) for number in range(count)]
        ledger.observe_jobs([one.id for one in seen], seen)

    def plan() -> None:
        ledger.start_refresh()
        ledger.work(most_tasks=100, most_jobs=1_000)

    def save() -> None:
        with ledger._lock:
            ledger._roster.note_progress()
        ledger._keeper.save(time.time())

    figures = [cpu(scrape), cpu(lambda: scrape(gzip=True)), cpu(scrape, before=change), cpu(plan)]
    waits = [scrapes(scrape, beside) for beside in (None, change, save)]
    return (
        f"{size:>18,}{start:>18.2f}"
        + "".join(f"{figure * 1e3:>18.2f}" for figure in figures)
        + "".join(f"{text:>18}" for text in waits)
    )


def cpu(call: Callable[[], None], *, before: Callable[[], None] | None = None) -> float:
    """Seconds of processor time, the median of some calls after the first two."""
    took = []
    for _ in range(REPEATS + 2):
        if before is not None:
            before()
        began = time.process_time()
        call()
        took.append(time.process_time() - began)
    return median(took[2:])


def scrapes(scrape: Callable[[], None], beside: Callable[[], None] | None) -> str:
    """Median, 99th percentile and longest of the scrapes in milliseconds, while `beside` is done in another thread."""
    over = threading.Event()

    def work() -> None:
        while beside is not None and not over.wait(0.01):
            beside()

    thread = threading.Thread(target=work)
    thread.start()
    took = []
    for _ in range(SCRAPES):
        began = time.perf_counter()
        scrape()
        took.append((time.perf_counter() - began) * 1e3)
    over.set()
    thread.join()
    return f"{median(took):.1f} {quantiles(took, n=100)[-1]:.1f} {max(took):.0f}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--one", size]:
            with tempfile.TemporaryDirectory() as folder:
                print(measure(int(size), Path(folder)))
        case sizes:
            main([int(size) for size in sizes] or list(SIZES))
