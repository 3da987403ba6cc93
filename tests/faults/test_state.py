"""The state file when the process is killed, when the disk is full, and when the file is unusable."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.simulator.server import Simulator

ROUNDS = 200

KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path
from exporter.model import Job, Output, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.view import Limits

path, rounds = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(7)
began = time.time()
FOUND = 60  # tasks that discovery finds at a time: those of the last minutes, seen again and again

def clock():  # a thousand times as fast, so that what is finished leaves
    return 1.7e9 + (time.time() - began) * 1000.0

def task(number, finished):
    status = "TranscodeSuccess" if finished else "Transcoding"
    output = Output(duration=1.0) if finished else None
    jobs = tuple(Job(f"{number}-{name}", name, status, output=output) for name in ("LD", "HD"))
    return Task(f"{number}", status="CompleteAllSucc" if finished else "Processing", trigger="Auto", jobs=jobs)

def totals(view):
    sums = {}
    for (total, _), value in view.totals.counters.items():
        sums[total] = sums.get(total, 0) + value
    return [sums[one] for one in (Total.TASKS_FINISHED, Total.JOBS_FINISHED, Total.OUTPUT_DURATION)]

def opened():
    store = SqliteStore(path)
    return store, Ledger("prod", Limits(retention=50.0, lookback=86400.0), store=store, clock=clock)

def live(pipe, first):
    "Finds tasks, sees them run and end, and tells what it has shown, until it is killed."
    store, ledger = opened()
    number = first
    while True:
        number += 1
        ledger.discover([f"{one}" for one in range(max(0, number - FOUND), number)], source="discovery")
        ledger.start_refresh()
        for task_id, _, seen in ledger.tasks():
            ledger.observe_task(task_id, task(int(task_id), finished=seen is not None))
        if number % 3 == 0:
            ledger.register([f"{number}"], source="api")
        view = ledger.view()
        assert view.durable
        os.write(pipe, (json.dumps([number, totals(view)]) + "\\n").encode())

shown, number, lives, dead_early = [0, 0, 0], 0, 0, 0
for _ in range(rounds):
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reads)
            live(writes, number)
        finally:
            os._exit(1)
    os.close(writes)
    head = os.read(reads, 1) if chance.random() < 0.8 else b""  # it is at work
    time.sleep(chance.random() * 0.012)
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with os.fdopen(reads, "rb") as told:
        lines = (head + told.read()).splitlines()
    if lines:
        lives += len(lines)
        number, shown = json.loads(lines[-1])
    else:
        dead_early += 1
    store, ledger = opened()  # raises where the file is damaged
    kept = totals(ledger.view())
    assert all(after >= before for before, after in zip(shown, kept)), (shown, kept)
    shown = kept
    store.close()
store, ledger = opened()
# What was registered by a life that did not come to tell it is in the store all the same.
ids = sorted({*range(number + 1), *(int(one) for one, _, _ in ledger.tasks())})
for _ in range(2):  # all that ever was, found again
    ledger.discover([f"{one}" for one in ids], source="discovery")
    for one, _, seen in ledger.tasks():
        ledger.observe_task(one, task(int(one), finished=True))
print(json.dumps({"tasks": len(ids), "totals": totals(ledger.view()), "lives": lives, "dead_early": dead_early}))
store.close()
"""

FULL = """
import json, logging, resource, sys
from pathlib import Path
from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.view import Limits

path = Path(sys.argv[1])
logging.basicConfig(format="%(message)s", stream=sys.stderr)

def done(number):
    return Task(f"{number}", status="CompleteAllSucc", jobs=(Job(f"{number}-a", "HD", "TranscodeSuccess"),))

def finish(ledger, numbers):
    ledger.discover([f"{one}" for one in numbers], source="discovery")
    for one in numbers:
        ledger.observe_task(f"{one}", done(one))
    view = ledger.view()
    return view.totals.counters[Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")], view.durable

store = SqliteStore(path)
ledger = Ledger("prod", store=store)
told = [finish(ledger, range(10))]
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("state.db-wal").stat().st_size, most))
told += [finish(ledger, range(20)), finish(ledger, range(2000))]
try:
    ledger.register(["registered"], source="api")
    refused = ""
except StateError as error:
    refused = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
told += [finish(ledger, range(2010))]
store.close()
store = SqliteStore(path)
told += [finish(Ledger("prod", store=store), range(2010))]
store.close()
print(json.dumps({"told": told, "refused": refused}))
"""


def run(script: str, *arguments: object) -> tuple[dict[str, object], str]:
    """What the script prints at its end, and its stderr."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, object] = json.loads(done.stdout)
    return told, done.stderr


def test_killed_hundreds_of_times_the_state_opens_and_every_finish_counts_once(tmp_path: Path) -> None:
    """SIGKILL within the start, a transaction or between two; totals never go below what was shown."""
    told, _ = run(KILLED, tmp_path / "state.db", ROUNDS)
    tasks, lives, early = (told[key] for key in ("tasks", "lives", "dead_early"))
    assert isinstance(tasks, int)
    assert isinstance(lives, int)
    assert isinstance(early, int)

    assert told["totals"] == [tasks, 2 * tasks, 2 * tasks]
    assert lives > ROUNDS  # it was killed at work
    assert 0 < early < ROUNDS  # and before it got there


def test_a_disk_that_fills_costs_durability_alone_and_recovers(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses to write beyond it."""
    told, log = run(FULL, tmp_path / "state.db")

    assert told["told"] == [[10, True], [20, False], [2000, False], [2010, True], [2010, True]]
    assert str(told["refused"]).startswith(f"{tmp_path / 'state.db'} cannot be written: ")
    assert log.splitlines() == ["state cannot be saved", "state is saved again"]


@pytest.fixture
def exporter(tmp_path: Path) -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Runs an exporter with this state file to its end."""

    def start(state: Path) -> subprocess.CompletedProcess[str]:
        config = tmp_path / "refused.yml"
        config.write_text(
            "accounts:\n  - {name: prod, region: cn-shanghai, credentials: {access_key_id: a, access_key_secret: b}}\n"
            f"state: {{path: {state}}}\n"
        )
        command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return start


def test_a_second_exporter_on_the_same_state_ends_and_the_first_goes_on(
    tmp_path: Path,
    exporter: Callable[[Path], subprocess.CompletedProcess[str]],
    start: Callable[..., object],
    account: Callable[..., str],
    simulators: Callable[..., Simulator],
) -> None:
    state = tmp_path / "state.db"
    first = start(account(simulators(tasks=3, seed=1).url, [], more=f"state: {{path: {state}}}\n"))
    second = exporter(state)
    answer = first.get()  # type: ignore[attr-defined]

    assert second.returncode == 1
    assert second.stderr == (
        f"vod-transcode-exporter: {state} is in use by another process; give each exporter its own file\n"
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("fault", ["missing folder", "letter", "other program"])
def test_a_state_file_that_cannot_be_used_ends_the_start_with_one_line(
    tmp_path: Path, exporter: Callable[[Path], subprocess.CompletedProcess[str]], fault: str
) -> None:
    state = tmp_path / "state.db"
    if fault == "missing folder":
        state, told = tmp_path / "no" / "state.db", "cannot be opened: No such file or directory"
    elif fault == "letter":
        state.write_text("a letter")
        told = "cannot be used: file is not a database"
    else:
        database = sqlite3.connect(state)
        database.execute("CREATE TABLE letters (text)")
        database.close()
        told = "is a database of another program"
    run = exporter(state)

    assert run.returncode == 1
    assert run.stderr.startswith(f"vod-transcode-exporter: {state} {told}; ")
    assert run.stderr.count("\n") == 1
