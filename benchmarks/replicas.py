"""Three replicas on PostgreSQL under faults, compared with the truth of the service; and the cost of a save.

    python -m benchmarks.replicas --minutes 10
    python -m benchmarks.replicas --saves

A fault hits the holder of the account: kill -9, a pause longer than the lease, a cut network, a terminated session, a
restart of the database. In every round of scrapes there is at most one holder, and the total never falls; at the end it
is exactly the truth. Prints the seconds until another replica, or the same again, shows the account, by kind of fault,
and the most calls of an operation in a second over all replicas, beside the budget. With `--saves`, prints the time of
a save of all jobs and of 40 jobs, in a SQLite file and in PostgreSQL. The database is one of the tests.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from exporter.keys import Key
from exporter.model import Job, Task
from exporter.replicas.replica import Replica
from exporter.replicas.session import Session
from exporter.simulator.server import Simulator
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Store
from tests.conftest import wait_until
from tests.replicas.conftest import Server
from tests.replicas.test_faults import FAULTS, RATE, Pair, break_it, mend_it

SIZES = (1_000, 10_000, 100_000)
CHANGED = 40  # jobs, as in a refresh
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--saves", action="store_true")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vod-replicas-", dir="/tmp")))
        folder.chmod(0o755)  # the server may run as another user
        server = Server(folder / "postgres")
        stack.callback(server.stop, "immediate")
        server.execute("CREATE DATABASE vod")
        if args.saves:
            saves(server, folder)
        else:
            faults(server, folder, stack, seconds=args.minutes * 60, seed=args.seed)


def faults(server: Server, folder: Path, stack: contextlib.ExitStack, *, seconds: float, seed: int) -> None:
    """Break one thing after the other, and compare every round of scrapes and the end with the truth."""
    simulator = stack.enter_context(Simulator(seed=seed, speed=20.0, history=600.0, quota=math.inf))
    three = Pair(folder, server, "vod", simulator, names=("a", "b", "c"))
    stack.callback(three.close)
    for name in three.networks:
        three.start(name)
    chance, end = random.Random(seed), time.monotonic() + seconds
    taken: dict[str, list[float]] = defaultdict(list)
    while time.monotonic() < end:
        wait_until(lambda: len(three.holders()) == 1, seconds=120, pause=0.1)
        (holder,) = three.holders()
        fault = chance.choice(FAULTS)
        began = time.monotonic()
        break_it(fault, holder, three)
        others = sorted(set(three.networks) - {holder} if fault in ("kill", "stop", "cut") else three.networks)
        wait_until(lambda others=others: len(three.holders(*others)) == 1, seconds=120, pause=0.1)  # type: ignore[misc]
        taken[fault].append(time.monotonic() - began)
        mend_it(fault, holder, three)
    wait_until(lambda: len(three.holders()) == 1, seconds=120, pause=0.1)
    expected = three.true_total()
    wait_until(lambda: three.shown() == [expected], seconds=120, pause=0.2)
    for fault, times in sorted(taken.items()):
        print(f"{fault:>10}: {len(times):>4} times, median {median(times):5.1f} s, longest {max(times):5.1f} s")
    print(f"{sum(map(len, taken.values()))} faults, {expected:,} jobs counted, difference to the truth 0")
    print(f"most calls of an operation in a second: {max(simulator.quota.peak.values())}; budget: {RATE}")


def saves(server: Server, folder: Path) -> None:
    """Print milliseconds of saves for each size."""
    print(f"{'jobs':>8} {'SQLite all':>12} {'SQLite 40':>12} {'PostgreSQL all':>15} {'PostgreSQL 40':>15}")
    for size in SIZES:
        row: list[float] = []
        for store in stores(server, folder, size):
            store.load("prod", now=1.0)
            row += [timed(store, jobs(size, refreshed=1.0), repeats=1), timed(store, jobs(CHANGED, refreshed=2.0))]
        print(f"{size:>8,} {row[0]:>12,.1f} {row[1]:>12,.1f} {row[2]:>15,.1f} {row[3]:>15,.1f}")


def stores(server: Server, folder: Path, size: int) -> Iterator[Store]:
    file = SqliteStore(folder / f"{size}.db")
    yield file
    file.close()
    database = f"saves_{size}"
    server.execute(f"CREATE DATABASE {database}")
    replica = Replica(
        lambda: Session(Key(server.url(database)), replica="a", lease=5.0),
        name="a",
        lease=5.0,
        answered=lambda _: None,
        saved=lambda _: None,
    )
    replica.want(["prod"])
    replica.start(lambda: None)
    wait_until(lambda: replica.of("prod") is not None)
    holding = replica.of("prod")
    assert holding is not None
    yield holding.store
    replica.close()


def jobs(count: int, *, refreshed: float) -> Changes:
    ids = range(count)
    tasks = [TaskRecord(id=f"t{one}", source="api", since=1.0, task=Task(f"t{one}", "v")) for one in ids[: count // 4]]
    made = [JobRecord(job=Job(f"j{one}", "HD"), task_id=f"t{one // 4}", refreshed=refreshed) for one in ids]
    return Changes(now=1.0, tasks=tasks, jobs=made)


def timed(store: Store, changes: Changes, *, repeats: int = REPEATS) -> float:
    times: Sequence[float] = [_one(store, changes) for _ in range(repeats)]
    return median(times) * 1000


def _one(store: Store, changes: Changes) -> float:
    began = time.perf_counter()
    store.save("prod", changes)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
