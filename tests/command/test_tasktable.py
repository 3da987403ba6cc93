"""The output of the `task` command: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import wiring
from exporter.command import tasktable
from exporter.command.terminal import display_width
from exporter.config import load
from exporter.deadline import Deadline
from exporter.model import JOB_STATUSES, TASK_STATUSES, Job, Output, Task
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.vod.client import Client
from tests.conftest import Simulators

DONE = Job(
    "job-1",
    "HD",
    "TranscodeSuccess",
    progress=1.0,
    input_url="oss://in/a.mov",
    output=Output(url="https://media.example/a.mp4", bitrate=1964380.0, size=21478000.0, duration=87.4),
)
FAILED = Job(
    "job-2",
    "FHD",
    "TranscodeFail",
    input_url="oss://in/a.mov",
    error_code="InvalidSource",
    error_message="no video stream",
    output=Output(url="https://media.example/none.mp4", bitrate=0.0, size=0.0, duration=0.0),
)
RUNNING = Job("job-3", "LD", "Transcoding", progress=0.425)
TASK = Task("task-1", "video-1", "Processing", "Manual", "group-1", 1700000000.0, None, (DONE, FAILED, RUNNING))

TABLE = """\
task task-1  Processing  71 %
  video video-1  trigger Manual
  template group group-1
  created 2023-11-14 22:13:20 UTC  completed -
  JOB    DEFINITION  STATUS            BITRATE      SIZE     DURATION
  job-1  HD          TranscodeSuccess  1.96 Mbit/s  21.5 MB  1:27
  job-2  FHD         TranscodeFail     -            -        -
  job-3  LD          Transcoding 42 %  -            -        -
  job-2: InvalidSource: no video stream
  input oss://in/a.mov
  job-1 -> https://media.example/a.mp4"""


def test_table_of_a_task() -> None:
    assert tasktable.as_table([TASK]) == TABLE


jobs = st.builds(
    Job,
    st.text("0123456789abcdef", min_size=32, max_size=32),
    definition=st.text("HDX-视", max_size=60),
    status=st.sampled_from(JOB_STATUSES) | st.text("Abc", min_size=1, max_size=60),
    progress=st.floats(0, 1),
    error_code=st.text("Abc.", max_size=60),
    error_message=st.text("abc 视", max_size=500),
    input_url=st.text("ab:/视", max_size=300),
    output=st.builds(
        Output,
        url=st.text("ab:/视", max_size=300),
        bitrate=st.floats(0, 99e6),
        size=st.floats(0, 9e12),
        duration=st.floats(0, 99 * 3600),
    ),
)


@given(st.lists(jobs, max_size=4), st.sampled_from(TASK_STATUSES))
def test_a_task_fits_100_columns(some: list[Job], status: str) -> None:
    task = Task("f" * 32, "v" * 32, status, "Manual", "g" * 32, 1700000000.0, 1700000000.0, tuple(some))
    assert max(map(display_width, tasktable.as_table([task]).splitlines())) <= 100


def test_a_long_url_keeps_its_start_and_end_and_json_has_all_of_it() -> None:
    """Signed URLs were lines of 400 columns."""
    url = f"https://media.example/{'folder/' * 20}a.mp4?Expires=1"
    task = Task("t", jobs=(replace(DONE, output=Output(url=url)),))
    *_, line, note = tasktable.as_table([task]).splitlines()
    assert len(line) == 100
    assert line.startswith("  job-1 -> https://media.example/folder/")
    assert line.endswith("/a.mp4?Expires=1")
    assert note == "  … shortens a line; --json prints it whole"
    assert json.loads(tasktable.as_json([task]))[0]["jobs"][0]["output"]["url"] == url


def test_a_failed_job_shows_no_output_and_its_error_below_the_table() -> None:
    """VOD sends an output of zeros, with the URL of a file that does not exist."""
    lines = tasktable.as_table([Task("t", jobs=(FAILED,))]).splitlines()
    assert not any("none.mp4" in line or "0.00" in line for line in lines)
    assert "  job-2: InvalidSource: no video stream" in lines


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
    assert task["jobs"][2]["output"] is None


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


def test_a_forbidden_task_does_not_stop_the_others(simulators: Simulators, client_of: Callable[..., Client]) -> None:
    simulator = simulators(speed=0.001)
    known = [task.id for task in simulator.world.tasks[:2]]
    simulator.faults.add(Fault(kind="code", code="Forbidden", count=1))
    tasks, faults = tasktable.ask(client_of(simulator), known, soon)
    assert [task.id for task in tasks] == known[1:]
    (fault,) = faults
    assert fault.startswith(f"{known[0]}: GetTranscodeTask: Forbidden: ")


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
