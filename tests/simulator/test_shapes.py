"""Every documented quirk occurs, and nothing undocumented does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.shapes import job_json, task_json
from exporter.simulator.world import World

MakeWorld = Callable[..., tuple[World, Any]]
Shapes = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def shapes(make_world: MakeWorld) -> Shapes:
    """All tasks and all jobs of two hours."""
    world, clock = make_world(scenario=SCENARIOS["failures"])
    clock.go(3600)
    now = world.advance()
    tasks = [task_json(world, task, now) for task in world.tasks]
    jobs = [job_json(world, job, task.video, now) for task in world.tasks for job in task.jobs]
    return tasks, jobs


def test_tasks_show_each_documented_quirk(shapes: Shapes) -> None:
    tasks, _ = shapes
    assert {task.get("Trigger") for task in tasks} == {"Auto", "Auto ", "Manual", "Manual ", None}
    assert {"CompleteAllSucces", "CompeleteAllSucc", "CompleteAllSucc"} <= {task["TaskStatus"] for task in tasks}
    running = [task for task in tasks if task["TaskStatus"] in ("Processing", "Partial")]
    assert {"CompleteTime" in task for task in running} == {True, False}


def test_jobs_show_each_documented_quirk(shapes: Shapes) -> None:
    _, jobs = shapes
    by_status: dict[str, list[dict[str, Any]]] = {}
    for job in jobs:
        by_status.setdefault(job["TranscodeJobStatus"], []).append(job)
    running, good, failed = (by_status[name] for name in ("Transcoding", "TranscodeSuccess", "TranscodeFail"))
    assert not any("OutputFile" in job for job in running)
    assert {"CompleteTime" in job for job in running} == {True, False}
    assert {type(job["TranscodeProgress"]) for job in jobs} == {int, str}
    assert {job.get("ErrorCode") for job in running + good} == {None, "200"}
    assert {"FinishTime" in job for job in failed} == {"CompleteTime" in job for job in failed} == {True, False}
    assert {job["OutputFile"]["Bitrate"] if "OutputFile" in job else None for job in failed} == {None, "0"}
    outputs = [job["OutputFile"] for job in good]
    assert {type(output["Filesize"]) for output in outputs} == {int, str}
    assert {output.get("Encryption") for output in outputs} == {
        None,
        "{}",
        '{"EncryptType":"AliyunVoDEncryption"}',
        '{\\"EncryptType\\":\\"AliyunVoDEncryption\\"}',
        '{"EncryptType":"HLSEncryption"}',
        '{\\"EncryptType\\":\\"HLSEncryption\\"}',
    }
    assert {output["VideoStreamList"][:12] for output in outputs} == {"[]", '[{"AvgFPS":"', '[{\\"AvgFPS\\"'}
    audio = {output["AudioStreamList"][:16] for output in outputs}
    assert audio == {'[{"Bitrate":"' + audio_part for audio_part in {text[13:] for text in audio if text[2] == '"'}} | {
        text for text in audio if text.startswith(('[{\\"Bitrate\\":', '"AudioStreamList'))
    }
    assert any(text.startswith('"AudioStreamList') for text in audio)
    kinds = {type(output.get("WatermarkIdList")) for output in outputs}
    assert kinds == {list, str, type(None)}
    firsts = {output["WatermarkIdList"][0][:1] == "[" for output in outputs if output.get("WatermarkIdList")}
    assert firsts == {True, False}


def test_every_job_has_its_id_and_status(shapes: Shapes) -> None:
    _, jobs = shapes
    assert all(len(job["TranscodeJobId"]) == 32 and job["TranscodeJobStatus"] for job in jobs)
