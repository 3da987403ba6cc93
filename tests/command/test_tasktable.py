"""The output of the `task` command: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from exporter import wiring
from exporter.command import tasktable
from exporter.config import load
from exporter.deadline import Deadline
from exporter.model import Job, Output, Task
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.vod.client import Client
from tests.conftest import Simulators

DONE = Job(
    "job-1",
    "HD",
    "TranscodeSuccess",
    progress=1.0,
    output=Output(url="https://media.example/a.mp4", bitrate=1964380.0, size=21478000.0, duration=87.4),
)
FAILED = Job("job-2", "FHD", "TranscodeFail", error_code="InvalidSource", error_message="no video stream")
RUNNING = Job("job-3", "LD", "Transcoding", progress=0.425)
TASK = Task("task-1", "video-1", "Processing", "Manual", "group-1", 1700000000.0, None, (DONE, FAILED, RUNNING))

TABLE = """\
task task-1  Processing  71 %
  video video-1  template group group-1  trigger Manual
  created 2023-11-14 22:13:20 UTC  completed -
  JOB    DEFINITION  STATUS            PROGRESS  BITRATE       SIZE     DURATION    ERROR
  job-1  HD          TranscodeSuccess  100 %     1,964 kbit/s  21.5 MB  1 min 27 s
  job-2  FHD         TranscodeFail     -         -             -        -           InvalidSource: no video stream
  job-3  LD          Transcoding       42 %      -             -        -
  job-1 -> https://media.example/a.mp4"""


def test_table_of_a_task() -> None:
    assert tasktable.as_table([TASK]) == TABLE


def test_an_empty_line_separates_tasks() -> None:
    assert tasktable.as_table([TASK, TASK]) == f"{TABLE}\n\n{TABLE}"


@pytest.mark.parametrize(
    ("status", "line"),
    [("CompleteAllFail", "  no jobs: the source could not be transcoded"), ("Processing", "  no jobs")],
)
def test_a_task_without_jobs_says_why(status: str, line: str) -> None:
    assert tasktable.as_table([Task("t", status=status)]).splitlines()[-1] == line


def test_json_has_base_units() -> None:
    """Bits per second, bytes, seconds, ratios and Unix time, under the names of the model."""
    (task,) = json.loads(tasktable.as_json([TASK]))
    assert (task["id"], task["created"], task["completed"]) == ("task-1", 1700000000.0, None)
    done = task["jobs"][0]
    assert done["progress"] == 1.0
    assert {key: done["output"][key] for key in ("bitrate", "size", "duration")} == {
        "bitrate": 1964380.0,
        "size": 21478000.0,
        "duration": 87.4,
    }
    assert task["jobs"][1]["output"] is None


@pytest.fixture
def client_of(tmp_path: Path) -> Iterable[Callable[..., Client]]:
    made: list[Client] = []

    def make(simulator: Simulator, *, secret: str = "simulator") -> Client:
        path = tmp_path / "exporter.yml"
        path.write_text(
            f"accounts: [{{name: a, endpoint: '{simulator.url}',"
            f" credentials: {{access_key_id: simulator, access_key_secret: {secret}}}}}]\n"
        )
        settings = load(path)
        made.append(wiring.client(settings.accounts[0], settings.scrape))
        return made[-1]

    yield make
    for client in made:
        client.close()


def soon() -> Deadline:
    return Deadline.after(20)


def test_an_unknown_task_is_one_line_and_the_others_are_found(
    simulators: Simulators, client_of: Callable[..., Client]
) -> None:
    simulator = simulators(speed=0.001)
    known = [task.id for task in simulator.world.tasks[:2]]
    tasks, faults = tasktable.ask(client_of(simulator), [known[0], "f" * 32, known[1]], soon)
    assert [task.id for task in tasks] == known
    (fault,) = faults
    assert fault.startswith("f" * 32 + ": ")


def test_denied_keys_stop_after_the_first_call(simulators: Simulators, client_of: Callable[..., Client]) -> None:
    simulator = simulators(speed=0.001)
    tasks, faults = tasktable.ask(client_of(simulator, secret="wrong"), ["a" * 32, "b" * 32], soon)
    assert tasks == []
    (fault,) = faults
    assert "check access_key_secret" in fault
    assert sum(simulator.quota.calls.values()) == 1


def test_control_characters_from_vod_are_replaced(simulators: Simulators, client_of: Callable[..., Client]) -> None:
    """No text moves the cursor, sets a colour, changes the direction of text or starts a new line."""
    simulator = simulators(speed=0.001)
    hostile = "\x1b[2J\x1b]0;title\x07red\r\nforged\x9b31m\u202e\ud800\u2028"
    names = ("Definition", "ErrorMessage", "ErrorCode", "TranscodeJobStatus", "OutputFileUrl", "VideoId", "Trigger")
    simulator.faults.add(Fault(kind="replace", fields=dict.fromkeys(names, hostile)))
    (task,), faults = tasktable.ask(client_of(simulator), [simulator.world.tasks[0].id], soon)
    assert faults == []
    table = tasktable.as_table([task])
    assert "red" in table
    assert all(char.isprintable() for line in table.split("\n") for char in line)
    assert not any(line.startswith("forged") for line in table.split("\n"))
    assert tasktable.as_json([task]).isascii()
