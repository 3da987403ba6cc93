"""A process reloads its configuration: by SIGHUP, over HTTP, and with faults."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import Simulators, WorldTime, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account

pytestmark = pytest.mark.slow

LIFECYCLE = "--web.enable-lifecycle"


def successful(exporter: ExporterProcess) -> bool:
    return "\nvod_exporter_config_last_reload_successful 1.0\n" in exporter.get().text


def test_sighup_with_a_faulty_file_keeps_the_old_configuration(
    start: Start, simulators: Simulators, tmp_path: Path
) -> None:
    """A metric shows the failed reload, and one line of the log has its reason."""
    simulator = simulators(speed=0.001)
    good = account(simulator.url, [simulator.world.tasks[0].id])
    exporter = start(good)
    file = tmp_path / "exporter.yml"
    assert successful(exporter)

    file.write_text(good + "nonsense: 1\napi: {token: short}\n")
    exporter.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not successful(exporter))
    assert 'vod_up{account="prod"} 1.0' in exporter.get().text
    (line,) = [line for line in exporter.log.splitlines() if "level=error" in line]
    assert "nonsense" in line
    assert "api.token" in line

    file.write_text(good.replace("name: prod", "name: other"))
    exporter.process.send_signal(signal.SIGHUP)
    wait_until(lambda: successful(exporter))
    answer = exporter.get().text
    assert 'vod_up{account="other"} 1.0' in answer
    assert 'vod_up{account="prod"}' not in answer
    assert exporter.stop() == 0
    assert exporter.log.splitlines()[-1].endswith("msg=stopped")


def test_without_the_flag_a_reload_over_http_is_refused_and_names_the_flag(start: Start, tmp_path: Path) -> None:
    exporter = start(account(NOWHERE))
    (tmp_path / "exporter.yml").write_text("nonsense: 1\n")
    answer = requests.post(f"{exporter.url}/-/reload", timeout=20)

    assert (answer.status_code, LIFECYCLE in answer.text) == (403, True)
    assert successful(exporter)


def test_the_totals_of_a_changed_account_survive_the_reload_and_a_restart(
    start: Start, simulators: Simulators, tmp_path: Path
) -> None:
    world_time = WorldTime()
    simulator = simulators(speed=100.0, monotonic=world_time)
    simulator.clock.freeze()
    text = account(simulator.url, [task.id for task in simulator.world.tasks[-8:]], more="scrape: {min_interval: 0s}\n")
    exporter = start(text, LIFECYCLE)

    def counted() -> float:
        lines = exporter.get().text.splitlines()
        name = "vod_transcode_tasks_finished_total"
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    # VOD reports whole seconds, so a task that ended in the second in which the state was created counts.
    at_start = counted()
    world_time.now = None
    simulator.clock.resume()
    wait_until(lambda: counted() >= at_start + 2)
    simulator.clock.freeze()
    exporter.get()
    before = counted()
    changed = text.replace("    track:", "    requests_per_second: 50\n    track:")
    (tmp_path / "exporter.yml").write_text(changed)
    assert requests.post(f"{exporter.url}/-/reload", timeout=20).status_code == 200

    assert counted() == before
    assert exporter.stop() == 0
    exporter = start(changed)
    assert counted() == before


@pytest.mark.stack
@pytest.mark.parametrize("how", ["signal", "http"])
def test_many_reloads_in_a_row_harm_no_scrape(start: Start, simulators: Simulators, tmp_path: Path, how: str) -> None:
    """Each reload changes the configuration. The process stops normally although another reload was requested."""
    simulator = simulators(speed=0.001)
    texts = [
        account(simulator.url, [simulator.world.tasks[0].id], more="scrape: {min_interval: 0s}\n").replace("prod", name)
        for name in ("prod", "other")
    ]
    exporter = start(texts[0], LIFECYCLE)

    def reload_often() -> None:
        for number in range(60):
            new = tmp_path / "new.yml"
            new.write_text(texts[number % 2])
            new.chmod(0o600)
            new.replace(tmp_path / "exporter.yml")
            if how == "signal":
                exporter.process.send_signal(signal.SIGHUP)
            else:
                assert requests.post(f"{exporter.url}/-/reload", timeout=20).status_code == 200

    threads, descriptors = exporter.status("Threads"), exporter.descriptors()
    with ThreadPoolExecutor(1) as pool:
        reloads = pool.submit(reload_often)
        while not reloads.done():
            answer = exporter.get()
            assert answer.status_code == 200
            assert answer.text.count("\nvod_account_info{") == 1
        reloads.result()
    assert exporter.status("Threads") < threads + 60
    assert exporter.descriptors() < descriptors + 60
    exporter.process.send_signal(signal.SIGHUP)
    assert exporter.stop() == 0
    assert not [line for line in exporter.log.splitlines() if "level=info" not in line]
