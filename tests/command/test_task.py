"""The command `task`: what it prints, and its exit status."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from exporter.simulator.faults import Fault
from tests.command.conftest import Run, configured, one_line, process
from tests.conftest import Simulators, wait_until


def test_task_prints_a_table_and_json(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    config, task_id = configured(tmp_path, simulator), simulator.world.tasks[0].id
    status, out, err = run("task", config, task_id)
    assert (status, err) == (0, "")
    assert out.startswith(f"task {task_id}  ")
    status, out, err = run("task", "--json", task_id, config)
    assert (status, err) == (0, "")
    assert [task["id"] for task in json.loads(out)] == [task_id]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_task_not_found_is_one_line(run: Run, tmp_path: Path, simulators: Simulators, form: list[str]) -> None:
    """stdout stays valid JSON for programs, and has no empty line for people."""
    status, out, err = run("task", configured(tmp_path, simulators()), "f" * 32, *form)
    assert (status, out.strip()) == (1, "[]" if form else "")
    assert ("f" * 32) in one_line(err)


def test_task_with_wrong_keys_says_what_to_check(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    status, _, err = run("task", configured(tmp_path, simulators(), secret="wrong"), "a" * 32, "b" * 32)
    assert status == 1
    assert "check access_key_secret" in one_line(err)


def test_errors_of_task_have_no_control_characters(run: Run, tmp_path: Path, simulators: Simulators) -> None:
    """This holds for the text of the service and for an id on the command line."""
    simulator = simulators()
    simulator.faults.add(Fault(kind="code", status=400, code="Odd", message="\x1b[2J\r\nforged\x9b1m\u202e"))
    for task_id in ("a" * 32, "a\x1b[2J\nb"):
        _, _, err = run("task", configured(tmp_path, simulator), task_id)
        assert all(char.isprintable() for char in one_line(err))


def test_task_needs_an_account_if_there_are_several(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("accounts: [{name: a, region: cn-shanghai}, {name: b, region: cn-beijing}]\n")
    status, _, err = run("task", f"--config.file={path}", "x")
    assert (status, "choose with --account: a, b" in one_line(err)) == (1, True)
    status, _, err = run("task", f"--config.file={path}", "--account=c", "x")
    assert (status, "no account 'c'; its accounts are: a, b" in one_line(err)) == (1, True)


@pytest.mark.slow
def test_text_that_the_terminal_cannot_show_causes_no_traceback(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeMode": "x", "OutputFileUrl": "http://视频.example/ü"}))
    done = next(t for t in simulator.world.tasks if t.jobs)
    config = configured(tmp_path, simulator)
    with process("task", config, done.id, environ={"PYTHONIOENCODING": "ascii"}) as running:
        _, err = running.communicate(timeout=60)
        assert (running.returncode, err) == (0, "")


@pytest.mark.slow
def test_an_interrupted_command_causes_no_traceback(tmp_path: Path, simulators: Simulators) -> None:
    simulator = simulators(delay=30.0)
    with process("task", configured(tmp_path, simulator), "a" * 32) as running:
        wait_until(lambda: simulator.quota.calls)
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=60) == ("", "")
        assert running.returncode == 128 + signal.SIGINT
