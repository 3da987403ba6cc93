"""The cost of known jobs: memory, load time at the start, planning and snapshot, and one refresh.

    python benchmarks/state.py

Each size runs in its own process. 1,000 jobs are unfinished, the others are finished and still shown. A task has four
jobs. The state also remembers the ids of as many tasks that were counted before.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from exporter.model import Job, Output, Stream, Task
from exporter.snapshot import TotalsView
from exporter.tracking.ledger import Ledger
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Memory
from exporter.tracking.view import Limits

SIZES = (1_000, 10_000, 100_000)
UNFINISHED = 1_000
JOBS_PER_TASK = 4
FINISHED_IN_A_REFRESH = 40
REPEATS = 5
ACCOUNT = "prod"
LIMITS = Limits(retention=86_400.0, max_staleness=86_400.0)


def main() -> None:
    heads = ("known jobs", "file MB", "load s", "RSS MB", "snapshot ms", "observe ms", "save ms")
    print("".join(f"{head:>12}" for head in heads))
    for size in SIZES:
        row = subprocess.run([sys.executable, __file__, str(size)], capture_output=True, text=True, check=True).stdout
        print(
            "".join(
                f"{figure:>12,.1f}" if isinstance(figure, float) else f"{figure:>12,}" for figure in json.loads(row)
            )
        )


def measure(size: int, folder: Path) -> list[float | int]:
    """One row of the table."""
    path = folder / "state.db"
    fill(path, size)
    empty = resident()
    started = time.perf_counter()
    store = TimedStore(path)
    ledger = Ledger(ACCOUNT, LIMITS, store=store)
    loaded = time.perf_counter() - started
    memory = resident() - empty

    def plan_and_view() -> None:
        ledger.start_refresh()
        ledger.work()
        ledger.view()

    ended: list[float] = []
    for number in range(REPEATS):
        first = number * FINISHED_IN_A_REFRESH
        numbers = range(first, first + FINISHED_IN_A_REFRESH)
        jobs = [job(n, finished=True) for n in numbers]
        ended.append(seconds(lambda jobs=jobs: ledger.observe_jobs([job.id for job in jobs], jobs)))  # type: ignore[misc]
        ledger.view()
    viewed = median(seconds(plan_and_view) for _ in range(REPEATS))
    return [
        size,
        path.stat().st_size / 1e6,
        loaded,
        memory / 1e6,
        viewed * 1e3,
        median(ended) * 1e3,
        median(store.saves) * 1e3,
    ]


class TimedStore(SqliteStore):
    """Records the seconds of each save."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.saves: list[float] = []

    def save(self, account: str, changes: Changes) -> None:
        self.saves.append(seconds(lambda: super(TimedStore, self).save(account, changes)))


def fill(path: Path, size: int, *, unfinished: int = UNFINISHED) -> None:
    """Create a state file with `size` jobs."""
    now = time.time()
    store = SqliteStore(path)
    store.load(ACCOUNT, now=0.0)
    jobs = [
        JobRecord(
            job=job(n, finished=n >= unfinished),
            task_id=task_id(n),
            refreshed=now,
            finished_at=now if n >= unfinished else None,
        )
        for n in range(size)
    ]
    tasks = [
        TaskRecord(
            id=task_id(n),
            source="discovery",
            since=now,
            task=Task(
                task_id(n), f"{n:032x}", "CompleteAllSucc" if n >= unfinished else "Processing", "Auto", created=now
            ),
            refreshed=now,
            finished_at=now if n >= unfinished else None,
        )
        for n in range(0, size, JOBS_PER_TASK)
    ]
    remembered = {f"{n:032x}": Memory(now + 86_400.0, finished=True) for n in range(size, 2 * size, JOBS_PER_TASK)}
    changes = Changes(now=now, tasks=tasks, jobs=jobs, totals=TotalsView(), remembered=remembered)
    store.save(ACCOUNT, changes)
    store.close()


def job(number: int, *, finished: bool) -> Job:
    output = Output(
        url=f"http://outin-3f2b9c0d7e6a4158.oss-cn-shanghai.aliyuncs.com/{number:032x}/hd.mp4",
        format="mp4",
        bitrate=1_964_000.0,
        size=21_478_000.0,
        duration=87.0,
        frames_per_second=25.0,
        width=1280.0,
        height=720.0,
        streams=(Stream("video", "0", "h264", 1_830_000.0), Stream("audio", "1", "aac", 128_000.0)),
    )
    return Job(
        id=f"{number:032x}",
        definition=("LD", "SD", "HD", "FHD")[number % 4],
        status="TranscodeSuccess" if finished else "Transcoding",
        progress=1.0 if finished else 0.42,
        created=1_700_000_000.0,
        completed=1_700_000_300.0 if finished else None,
        priority="6",
        template_id="174b0534fea3d0b51c8f0ad1374b0534",
        input_url=f"http://outin-3f2b9c0d7e6a4158.oss-cn-shanghai.aliyuncs.com/customerTrans/{number:032x}/source.mp4",
        output=output if finished else None,
    )


def task_id(number: int) -> str:
    return f"{number - number % JOBS_PER_TASK:032x}"


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def resident() -> int:
    """The resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            json.dump(measure(int(sys.argv[1]), Path(folder)), sys.stdout)
    else:
        main()
