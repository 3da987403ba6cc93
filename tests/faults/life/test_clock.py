"""The wall clock of the machine is set back and forward, in a real process: libfaketime changes its clock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exporter.simulator.faults import Fault
from tests.conftest import Simulators, WorldTime, wait_until
from tests.faults.conftest import Start, account

pytestmark = pytest.mark.stack

HOUR, DAY = "-3600", "+86400"
FINISHED = "vod_transcode_tasks_finished_total"
TIMEOUTS = 'vod_exporter_api_errors_total{account="prod",action="GetTranscodeTask",code="timeout"}'


@pytest.fixture
def faked(tmp_path: Path, tool: Callable[[str], str]) -> tuple[Path, dict[str, str]]:
    """A file with the offset of the wall clock in seconds, and the environment of a process that reads it."""
    program = Path(tool("faketime"))
    library = next(program.parents[1].glob("lib/*/faketime/libfaketime.so.1"))
    offset = tmp_path / "offset"
    offset.write_text("+0")
    names = ("FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "FAKETIME_NO_CACHE")
    return offset, {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), **dict.fromkeys(names, "1")}


@pytest.mark.parametrize("step", [HOUR, DAY])
def test_a_step_of_the_clock_moves_no_deadline_and_counts_nothing_twice(
    start: Start, simulators: Simulators, faked: tuple[Path, dict[str, str]], step: str
) -> None:
    """The clock is stepped while VOD's answer drips and a scrape waits. VOD refuses calls with a wrong clock."""
    offset, environment = faked
    world_time = WorldTime()
    simulator = simulators(monotonic=world_time)
    running = [task for task in simulator.world.tasks if task.ends > 0][:3]
    begin, ends = world_time.now or 0, [task.ends for task in running]
    config = account(simulator.url, [task.id for task in running], more="scrape: {min_interval: 0s, timeout: 3s}\n")
    exporter = start(config, environment=environment)
    world_time.now = begin + sorted(ends)[1] + 1
    wait_until(lambda: exporter.total(FINISHED) == 2)

    with ThreadPoolExecutor(1) as pool:
        before = sum(simulator.quota.calls.values())
        simulator.faults.add(Fault(kind="drip"))  # some minutes for an answer
        scrape = pool.submit(exporter.get)
        wait_until(lambda: sum(simulator.quota.calls.values()) > before)
        offset.write_text(step)
        simulator.faults.clear()
        assert scrape.result().status_code == 200
    # The call under way is cut by its time, an hour too late if the wall clock counted.
    wait_until(lambda: exporter.value(TIMEOUTS))
    wait_until(lambda: exporter.value('vod_up{account="prod"}') == 0)
    assert "InvalidTimeStamp.Expired" in exporter.log
    assert exporter.total(FINISHED) == 2

    offset.write_text("+0")
    world_time.now = begin + max(ends) + 1
    wait_until(lambda: exporter.total(FINISHED) == 3)
    for _ in range(3):
        assert exporter.total(FINISHED) == 3
    exporter.process.kill()
    exporter.wait()
    assert start(config, environment=environment).total(FINISHED) == 3
