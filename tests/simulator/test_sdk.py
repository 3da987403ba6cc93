"""The official SDK, pointed at the simulator, gets right answers for each operation."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator

Reader = Callable[..., dict[str, object]]


@pytest.fixture(scope="module")
def models() -> Any:
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"  # else it starts a thread that asks for a role
    from alibabacloud_vod20170321 import models

    return models


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(quota=math.inf, scenario=SCENARIOS["failures"], history=1800.0) as running:
        running.clock.freeze()
        yield running


@pytest.fixture(scope="module")
def truth(simulator: Simulator) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()["tasks"]
    return tasks


def _client(
    simulator: Simulator, secret: str = "simulator", token: str | None = None, algorithm: str | None = None
) -> Any:
    from alibabacloud_tea_openapi.models import Config
    from alibabacloud_vod20170321.client import Client

    return Client(
        Config(
            access_key_id="simulator",
            access_key_secret=secret,
            security_token=token,
            signature_algorithm=algorithm,
            endpoint=simulator.url.removeprefix("http://"),
            protocol="http",
        )
    )


def _as_the_sdk_reports(jobs: list[dict[str, Any]], reported: list[dict[str, object]]) -> list[dict[str, Any]]:
    """The true jobs without the time of failures in FinishTime, which the model of the SDK does not have."""
    return [
        job | {"completed": None} if job["status"] == "TranscodeFail" and other["completed"] is None else job
        for job, other in zip(jobs, reported, strict=True)
    ]


@pytest.fixture(scope="module")
def client(simulator: Simulator, models: Any) -> Any:
    return _client(simulator)


def test_sdk_gets_a_task_by_its_id(client: Any, models: Any, truth: list[dict[str, Any]], read_task: Reader) -> None:
    for task in truth[::10]:
        body = client.get_transcode_task(models.GetTranscodeTaskRequest(transcode_task_id=task["task_id"])).body
        assert body.request_id
        reported: Any = read_task(body.transcode_task.to_map())
        jobs = _as_the_sdk_reports(task["jobs"], reported["jobs"])
        assert {**task, "jobs": jobs} == {**reported, "video_status": task["video_status"]}


def test_sdk_gets_jobs_by_their_ids(client: Any, models: Any, truth: list[dict[str, Any]], read_job: Reader) -> None:
    jobs = [job for task in truth for job in task["jobs"]][::13]
    for begin in range(0, len(jobs), 9):
        asked = jobs[begin : begin + 9]
        ids = ",".join([*(job["job_id"] for job in asked), "f" * 32])
        body = client.get_transcode_task(models.GetTranscodeTaskRequest(job_ids=ids)).body
        reported = [read_job(job.to_map()) for job in body.transcode_job_info_list]
        assert _as_the_sdk_reports(asked, reported) == reported
        assert body.non_exist_job_ids == ["f" * 32]
        assert body.transcode_task is None


def test_sdk_lists_tasks_of_a_video(client: Any, models: Any, truth: list[dict[str, Any]], read_task: Reader) -> None:
    for video_id in sorted({task["video_id"] for task in truth})[::10]:
        body = client.list_transcode_task(models.ListTranscodeTaskRequest(video_id=video_id, page_size=50)).body
        expected = [
            {name: value for name, value in task.items() if name not in ("jobs", "video_status")}
            for task in reversed(truth)
            if task["video_id"] == video_id
        ]
        assert expected == [read_task(row.to_map(), jobs=False) for row in body.transcode_task_list]


def test_sdk_lists_videos(client: Any, models: Any, truth: list[dict[str, Any]]) -> None:
    listed: dict[str, str] = {}
    for page in range(1, 9):
        request = models.GetVideoListRequest(status="Transcoding,TranscodeFail", page_no=page, page_size=40)
        body = client.get_video_list(request).body
        listed.update({video.video_id: video.status for video in body.video_list.video})
    expected = {task["video_id"]: task["video_status"] for task in truth if task["video_status"] != "Normal"}
    assert expected == listed
    assert len(expected) == body.total > 40


def test_sdk_gets_the_summary_of_a_video(client: Any, models: Any, truth: list[dict[str, Any]]) -> None:
    latest = {task["video_id"]: task for task in truth}
    for video_id in sorted(latest)[::15]:
        body = client.get_transcode_summary(models.GetTranscodeSummaryRequest(video_ids=f"{video_id},nobody")).body
        assert body.non_exist_video_ids == ["nobody"]
        (reported,) = body.transcode_summary_list
        task = latest[video_id]
        assert (reported.video_id, reported.transcode_template_group_id) == (video_id, task["template_group_id"])
        rows = [
            (row.transcode_job_status, int(row.transcode_progress) / 100, row.error_code or "", row.bitrate)
            for row in reported.transcode_job_info_summary_list
        ]
        assert rows == [
            (
                job["status"],
                job["progress"],
                row.error_code if row.error_code == "200" else job["error_code"],
                str(job["output"]["bitrate"] // 1000) if job["output"] else None,
            )
            for job, row in zip(task["jobs"], reported.transcode_job_info_summary_list, strict=True)
        ]


def test_sdk_gets_the_usage_by_hour(models: Any) -> None:
    """The seconds of the outputs that succeeded in each closed hour. At least one hour of the history is closed."""
    few = replace(SCENARIOS["failures"], tasks_per_minute=1.0)
    with Simulator(quota=math.inf, scenario=few, history=7300.0) as simulator:
        simulator.clock.freeze()
        truth = requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()
        this_hour = int(truth["now"]) // 3600 * 3600

        def text(seconds: int) -> str:
            return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

        asked = models.DescribeVodTranscodeDataRequest(
            start_time=text(this_hour - 86_400), end_time=text(this_hour + 3599)
        )
        body = _client(simulator).describe_vod_transcode_data(asked).body
    reported = {
        item.time_stamp: sum(int(row.value) for row in item.data.data_item)
        for item in body.transcode_data.transcode_data_item
    }
    expected: Counter[str] = Counter()
    for job in (job for task in truth["tasks"] for job in task["jobs"] if job["status"] == "TranscodeSuccess"):
        if job["completed"] < this_hour:
            expected[text(job["completed"] // 3600 * 3600)] += job["output"]["duration"]
    assert reported == expected != {}
    assert body.data_interval == "hour"


def test_sdk_submits_a_task(simulator: Simulator, client: Any, models: Any, truth: list[dict[str, Any]]) -> None:
    source = next(task for task in truth if task["jobs"])
    body = client.submit_transcode_jobs(
        models.SubmitTranscodeJobsRequest(
            video_id=source["video_id"], template_group_id=source["template_group_id"], priority="10"
        )
    ).body
    tasks = requests.get(f"{simulator.url}/simulator/truth", timeout=10).json()["tasks"]
    (task,) = [task for task in tasks if task["task_id"] == body.transcode_task_id]
    assert (task["video_id"], task["status"]) == (source["video_id"], "Processing")
    assert [job["job_id"] for job in task["jobs"]] == [job.job_id for job in body.transcode_jobs.transcode_job]
    assert {job["priority"] for job in task["jobs"]} == {"10"}


def test_security_token_is_signed_along(simulator: Simulator, models: Any) -> None:
    body = _client(simulator, token="token").get_video_list(models.GetVideoListRequest()).body
    assert body.total > 0


def test_refusals_reach_the_sdk_as_its_own_errors(simulator: Simulator, models: Any) -> None:
    with pytest.raises(Exception, match="SignatureDoesNotMatch") as refused:
        _client(simulator, secret="wrong").get_video_list(models.GetVideoListRequest())
    # The SDK compares the string to sign in the message with its own. It reports a wrong secret only if both are equal.
    assert "server string to sign" in str(refused.value) or "secret" in str(refused.value).lower()
    with pytest.raises(Exception, match="NoSuchResource"):
        _client(simulator).get_transcode_task(models.GetTranscodeTaskRequest(transcode_task_id="nobody"))


def test_older_sdks_sign_with_hmac_sha1(simulator: Simulator, models: Any, truth: list[dict[str, Any]]) -> None:
    """With `v2`, the SDK sends what older SDKs of Python, Java and others send: the signature is a parameter."""
    client = _client(simulator, algorithm="v2", token="token")
    task = next(task for task in truth if task["jobs"])
    request = models.GetTranscodeTaskRequest(transcode_task_id=task["task_id"])
    assert client.get_transcode_task(request).body.transcode_task.video_id == task["video_id"]
    assert client.get_video_list(models.GetVideoListRequest(status="Transcoding,Normal")).body.total > 0
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        _client(simulator, secret="wrong", algorithm="v2").get_video_list(models.GetVideoListRequest())
