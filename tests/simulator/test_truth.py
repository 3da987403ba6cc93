"""The truth is what the answers tell, once their oddities are taken off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.simulator.answers import answer
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.truth import summary, truth
from exporter.simulator.world import World

MakeWorld = Callable[..., tuple[World, Any]]
Reader = Callable[..., dict[str, object]]


@pytest.mark.no_cover
@pytest.mark.slow
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_task_and_job_has_its_true_state(
    scenario: str, make_world: MakeWorld, read_task: Reader, read_job: Reader
) -> None:
    world, _ = make_world(scenario=replace(SCENARIOS[scenario], visible_after=0.0))
    reported: Any = truth(world)["tasks"]
    assert len(reported) == len(world.tasks) > 50
    for task in reported:
        body: Any = answer(world, "GetTranscodeTask", {"TranscodeTaskId": task["task_id"]})
        assert task == {**read_task(body["TranscodeTask"]), "video_status": task["video_status"]}
        ids = [job["job_id"] for job in task["jobs"]]
        if ids:
            body = answer(world, "GetTranscodeTask", {"JobIds": ",".join(ids)})
            assert task["jobs"] == [read_job(job) for job in body["TranscodeJobInfoList"]]
        body = answer(world, "ListTranscodeTask", {"VideoId": task["video_id"]})
        assert {name: value for name, value in task.items() if name not in ("jobs", "video_status")} in [
            read_task(row, jobs=False) for row in body["TranscodeTaskList"]
        ]


def test_video_statuses_are_those_of_the_video_list(make_world: MakeWorld) -> None:
    world, _ = make_world(scenario=SCENARIOS["failures"])
    listed: dict[str, str] = {}
    for page in range(1, 10):
        body: Any = answer(world, "GetVideoList", {"PageSize": "100", "PageNo": str(page)})
        listed.update({video["VideoId"]: video["Status"] for video in body["VideoList"]["Video"]})
    tasks: Any = truth(world)["tasks"]
    assert {task["video_id"]: task["video_status"] for task in tasks} == listed
    assert set(listed.values()) == {"Transcoding", "Normal", "TranscodeFail"}
    assert truth(world)["videos"] == summary(world)["videos"] == Counter(listed.values())


def test_summary_counts_the_truth(make_world: MakeWorld) -> None:
    world, _ = make_world()
    tasks: Any = truth(world)["tasks"]
    counted: Any = summary(world)
    assert Counter(task["status"] for task in tasks) == counted["tasks"]
    jobs = Counter((job["definition"], job["status"]) for task in tasks for job in task["jobs"])
    assert jobs == Counter(
        {(definition, status): n for definition, row in counted["jobs"].items() for status, n in row.items()}
    )
