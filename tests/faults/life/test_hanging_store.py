"""The disk of the state hangs: while the exporter runs, and at its start."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from tests.conftest import Simulators, WorldTime, reserved_port, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account

pytestmark = pytest.mark.slow

HANGING = """
import time
from pathlib import Path
from exporter.tracking import database
from exporter.tracking.database import Database
from exporter.web import starting
starting.SECONDS = database.PATIENCE_SECONDS = 0.5  # not waited for here
answers = Database.{method}
def hangs(self, *arguments, **options):
    while Path("disk-hangs").exists():
        time.sleep(0.01)
    return answers(self, *arguments, **options)
Database.{method} = hangs
"""
"""The disk hangs inside a transaction, or at the first open, while a file of this name is in the working folder."""
API = "api: {token: 0123456789abcdef}\n"
SETTINGS = f"scrape: {{min_interval: 0s, timeout: 20s}}\nseries: {{max_staleness: 10s}}\n{API}"
UP, DURABLE = 'vod_up{account="prod"}', 'vod_exporter_state_durable{account="prod"}'
STALE, REGISTERED = (
    'vod_exporter_stale_jobs{account="prod"}',
    'vod_exporter_tracked_tasks{account="prod",source="api"}',
)
FINISHED = "vod_transcode_tasks_finished_total"


def register(exporter: ExporterProcess, task_id: str) -> requests.Response:
    return requests.post(
        f"{exporter.url}/api/v1/tasks",
        json={"task_id": task_id},
        headers={"Authorization": "Bearer 0123456789abcdef"},
        timeout=120,
    )


@pytest.fixture
def world_time() -> WorldTime:
    return WorldTime()


@pytest.fixture
def simulator(simulators: Simulators, world_time: WorldTime) -> Simulator:
    return simulators(monotonic=world_time)


def test_while_the_store_hangs_health_is_of_now_and_nothing_is_lost(
    tmp_path: Path, start: Start, simulator: Simulator, world_time: WorldTime
) -> None:
    """`vod_up` stayed 1, and old progress was shown for ever."""
    running = [task for task in simulator.world.tasks if task.jobs and all(job.ends > 0 for job in task.jobs)]
    running.sort(key=lambda task: task.ends)
    config = account(simulator.url, [task.id for task in running[:3]], more=SETTINGS)
    exporter = start(config, change=HANGING.format(method="_check_files"))
    wait_until(lambda: "vod_transcode_job_progress_ratio{" in exporter.get().text)
    assert (exporter.value(UP), exporter.value(DURABLE), exporter.total(FINISHED)) == (1, 1, 0)

    (tmp_path / "disk-hangs").touch()
    world_time.now = (world_time.now or 0) + running[1].ends + 1  # two of the three tasks end
    with ThreadPoolExecutor(1) as pool:
        registered = pool.submit(register, exporter, running[3].id)
        exporter.get()  # asks VOD about the tasks that have ended
        simulator.faults.add(Fault(kind="code", code="ServiceUnavailable", status=503))
        assert exporter.value(UP) == 0
        wait_until(lambda: exporter.value(DURABLE) == 0)
        wait_until(lambda: "vod_transcode_job_progress_ratio{" not in exporter.get().text)
        assert (exporter.value(STALE) or 0) > 0
        assert exporter.total(FINISHED) == 0  # not saved, so not shown
        assert [exporter.get(path).status_code for path in ("/-/healthy", "/-/ready", "/")] == [200] * 3
        assert exporter.log.count("state cannot be saved") == 1

        simulator.faults.clear()
        (tmp_path / "disk-hangs").unlink()
        assert registered.result().status_code == 200
    wait_until(lambda: exporter.total(FINISHED) == 2)
    assert (exporter.value(UP), exporter.value(DURABLE), exporter.value(REGISTERED)) == (1, 1, 1)
    assert exporter.log.count("state is saved again") == 1
    exporter.process.kill()
    exporter.wait()
    restarted = start(config)
    assert (restarted.total(FINISHED), restarted.value(REGISTERED)) == (2, 1)


def test_a_start_that_waits_for_the_disk_says_so_and_answers_probes(tmp_path: Path, start: Start) -> None:
    """Its liveness probe failed, so it was killed again and again, and nothing said why."""
    (tmp_path / "disk-hangs").touch()
    config = account(NOWHERE, more=f"state: {{path: {tmp_path}/state.db}}\n")
    with reserved_port() as port:
        address = f"127.0.0.1:{port}"
        flag = f"--web.listen-address={address}"
        exporter = start(config, flag, "--web.route-prefix=/vod", listens=False, change=HANGING.format(method="_hold"))

        def status(path: str) -> int:
            return requests.get(f"http://{address}/vod{path}", timeout=60).status_code

        wait_until(lambda: exporter.log)
        assert "the state does not answer; the start waits for its disk" in exporter.log
        assert f"file={tmp_path}/state.db" in exporter.log
        assert [status(path) for path in ("/-/healthy", "/-/ready", "/metrics", "/")] == [200, 200, 503, 503]
        (tmp_path / "disk-hangs").unlink()
        exporter.wait_until_listening()
        assert [status(path) for path in ("/-/healthy", "/-/ready", "/metrics", "/")] == [200] * 4


def test_a_start_that_waits_for_the_disk_can_be_stopped(tmp_path: Path, start: Start) -> None:
    (tmp_path / "disk-hangs").touch()
    config = account(NOWHERE, more=f"state: {{path: {tmp_path}/state.db}}\n")
    exporter = start(config, listens=False, change=HANGING.format(method="_hold"))
    wait_until(lambda: exporter.log)
    assert exporter.stop() == -signal.SIGTERM
