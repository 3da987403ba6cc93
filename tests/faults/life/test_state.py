"""The state file when the process is killed, when the disk is full, and when the file is unusable."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Simulators, WorldTime, wait_until
from tests.faults.conftest import NOWHERE, Start, account, run_to_end

pytestmark = pytest.mark.slow

# `.ci/run` kills it a thousand times.
ROUNDS = 1000 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 200

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
started = time.time()
FOUND = 60  # tasks that discovery finds at a time: the newest, most of them again

def clock():  # a thousand times as fast, so that finished tasks leave
    return 1.7e9 + (time.time() - started) * 1000.0

def task(number, finished):
    status = "TranscodeSuccess" if finished else "Transcoding"
    output = Output(duration=1.0) if finished else None
    jobs = tuple(Job(f"{number}-{name}", name, status, output=output) for name in ("LD", "HD"))
    return Task(f"{number}", status="CompleteAllSucc" if finished else "Processing", trigger="Auto", jobs=jobs)

def totals(view):
    sums = {}
    for (total, _), value in view.totals.counters.items():
        sums[total] = sums.get(total, 0) + value
    return [sums[total] for total in (Total.TASKS_FINISHED, Total.JOBS_FINISHED, Total.OUTPUT_DURATION)]

def opened():
    store = SqliteStore(path)
    return store, Ledger("prod", Limits(retention=50.0, lookback=90 * 86400.0), store=store, clock=clock)

def live(pipe, first):
    "Finds tasks, observes them running and finished, and writes the shown totals to the pipe, until it is killed."
    store, ledger = opened()
    number = first
    while True:
        number += 1
        ledger.discover([f"{found}" for found in range(max(0, number - FOUND), number)], source="discovery")
        ledger.start_refresh()
        for task_id, _, seen in ledger.tasks():
            ledger.observe_task(task_id, task(int(task_id), finished=seen is not None))
        if number % 3 == 0:
            ledger.register([f"{number}"], source="api")
        view = ledger.view()
        assert view.durable
        os.write(pipe, (json.dumps([number, totals(view)]) + "\\n").encode())

shown, number, views, dead_early = [0, 0, 0], 0, 0, 0
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
    if chance.random() < 0.8:
        head = os.read(reads, 1)  # waits until the child has shown its totals
        time.sleep(chance.random() * 0.012)
    else:
        head = b""
        time.sleep(max(0, chance.random() - 0.3) * 0.012)  # often at once: a fast machine shows its totals soon
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with os.fdopen(reads, "rb") as output:
        lines = (head + output.read()).splitlines()
    if lines:
        views += len(lines)
        number, shown = json.loads(lines[-1])
    else:
        dead_early += 1
    store, ledger = opened()  # raises if the file is damaged
    kept = totals(ledger.view())
    assert all(after >= before for before, after in zip(shown, kept)), (shown, kept)
    shown = kept
    store.close()
store, ledger = opened()
# A child may have registered a task and died before it wrote the number of the task.
ids = sorted({*range(number + 1), *(int(task_id) for task_id, _, _ in ledger.tasks())})
for _ in range(2):  # discovery finds all tasks again
    ledger.discover([f"{task_id}" for task_id in ids], source="discovery")
    for task_id, _, _ in ledger.tasks():
        ledger.observe_task(task_id, task(int(task_id), finished=True))
print(json.dumps({"tasks": len(ids), "totals": totals(ledger.view()), "views": views, "dead_early": dead_early}))
store.close()
"""


def run(script: str, *arguments: object) -> dict[str, object]:
    """Run the script. Returns the JSON that it prints at its end."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.stack
@pytest.mark.timeout(1600)
def test_killed_hundreds_of_times_the_state_opens_and_every_finish_counts_once(tmp_path: Path) -> None:
    """SIGKILL hits the start, a transaction, or the time between two. No total falls below its shown value."""
    result = run(KILLED, tmp_path / "state.db", ROUNDS)
    tasks, views, early = (result[key] for key in ("tasks", "views", "dead_early"))
    assert isinstance(tasks, int)
    assert isinstance(views, int)
    assert isinstance(early, int)

    assert result["totals"] == [tasks, 2 * tasks, 2 * tasks]
    assert views > ROUNDS / 2  # many were killed after they had shown totals
    assert 0 < early < ROUNDS  # some were killed before that


def test_a_full_disk_costs_only_durability_until_it_has_space_again(
    tmp_path: Path, start: Start, simulators: Simulators
) -> None:
    """A limit on the size of files acts as a full disk: the kernel refuses further writes."""
    world_time = WorldTime()
    simulator = simulators(monotonic=world_time)
    running = [task for task in simulator.world.tasks if task.ends > 0]
    config = account(simulator.url, [task.id for task in running], more="scrape: {min_interval: 0s}\n")
    exporter = start(config)
    durable, finished = 'vod_exporter_state_durable{account="prod"}', "vod_transcode_tasks_finished_total"
    wait_until(lambda: exporter.value(durable) == 1 and exporter.total("vod_transcode_task_info") == len(running))

    limits = resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE)
    full = (tmp_path / "vod-transcode-exporter.db-wal").stat().st_size
    resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (full, limits[1]))
    world_time.now = (world_time.now or 0) + max(task.ends for task in running) + 1
    wait_until(lambda: exporter.total(finished) == len(running))
    assert exporter.value(durable) == 0
    assert exporter.value('vod_up{account="prod"}') == 1
    assert exporter.log.count("state cannot be saved") == 1

    resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, limits)
    wait_until(lambda: exporter.value(durable) == 1)
    assert exporter.log.count("state is saved again") == 1
    exporter.process.kill()
    exporter.wait()
    assert start(config).total(finished) == len(running)


def test_a_second_exporter_on_the_same_state_ends_and_the_first_continues(
    tmp_path: Path, start: Start, simulators: Simulators
) -> None:
    state = tmp_path / "state.db"
    text = account(simulators(tasks=3, seed=1).url, more=f"state: {{path: {state}}}\n")
    first = start(text)
    second = run_to_end(tmp_path, text)

    assert second.returncode == 1
    assert second.stderr == (
        f"vod-transcode-exporter: {state} is in use by another process; give each exporter its own state.path\n"
    )
    assert first.get().status_code == 200


@pytest.mark.parametrize("fault", ["missing folder", "unwritable", "letter", "other program"])
def test_a_state_file_that_cannot_be_used_ends_the_start_with_one_line(tmp_path: Path, fault: str) -> None:
    state = tmp_path / "state.db"
    if fault == "missing folder":
        state, reason = tmp_path / "no" / "state.db", "cannot be opened: No such file or directory"
    elif fault == "unwritable":  # root may write everything, but not there
        state, reason = Path("/proc/state.db"), "cannot be opened: No such file or directory"
    elif fault == "letter":
        state.write_text("a letter")
        reason = "cannot be used: file is not a database"
    else:
        database = sqlite3.connect(state)
        database.execute("CREATE TABLE letters (text)")
        database.close()
        reason = "is a database of another program"
    if state.exists():
        state.chmod(0o600)  # otherwise a warning comes first
    ended = run_to_end(tmp_path, account(NOWHERE, more=f"state: {{path: {state}}}\n"))

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vod-transcode-exporter: {state} {reason}; ")
    assert ended.stderr.count("\n") == 1
