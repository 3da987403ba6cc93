"""Operations answer, page, filter and refuse as documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.simulator.answers import answer
from exporter.simulator.refusal import Refusal
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.state import job_state
from exporter.simulator.templates import GROUPS
from exporter.simulator.world import World

MakeWorld = Callable[..., tuple[World, Any]]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """With enough tasks for each kind of failure."""
    world, _ = make_world(scenario=replace(SCENARIOS["failures"], history=1200.0))
    world.advance()
    return world


def _ask(world: World, action: str, **parameters: str) -> Any:
    return answer(world, action, parameters)


def test_jobs_by_id_come_in_the_order_asked_with_the_unknown_apart(world: World) -> None:
    ids = [task.jobs[0].id for task in world.tasks if task.jobs][:9]
    body = _ask(world, "GetTranscodeTask", JobIds=",".join([*reversed(ids), "nobody"]))
    assert [job["TranscodeJobId"] for job in body["TranscodeJobInfoList"]] == ids[::-1]
    assert body["NonExistJobIds"] == ["nobody"]
    assert "TranscodeTask" not in body


def test_bad_source_has_no_jobs(world: World) -> None:
    bad = next(task for task in world.tasks if task.video.bad and task.ends < 0)
    task = _ask(world, "GetTranscodeTask", TranscodeTaskId=bad.id)["TranscodeTask"]
    assert (task["TaskStatus"], task["TranscodeJobInfoList"]) == ("CompleteAllFail", [])


@pytest.mark.parametrize(
    ("action", "parameters", "code", "status"),
    [
        ("GetTranscodeTask", {}, "MissingParameter", 400),
        ("GetTranscodeTask", {"TranscodeTaskId": ""}, "MissingParameter", 400),
        ("GetTranscodeTask", {"TranscodeTaskId": "nobody"}, "NoSuchResource", 404),
        ("GetTranscodeTask", {"JobIds": ","}, "InvalidParameter", 400),
        ("GetTranscodeTask", {"JobIds": ",".join(str(number) for number in range(11))}, "InvalidParameter", 400),
        ("ListTranscodeTask", {}, "MissingParameter", 400),
        ("ListTranscodeTask", {"VideoId": "nobody"}, "InvalidVideo.NotFound", 404),
        ("GetVideoList", {"PageSize": "101"}, "InvalidParameter", 400),
        ("GetVideoList", {"PageNo": "0"}, "InvalidParameter", 400),
        ("GetVideoList", {"PageNo": "9" * 5000}, "InvalidParameter", 400),
        ("GetVideoList", {"PageSize": "²"}, "InvalidParameter", 400),
        ("GetVideoList", {"StartTime": "yesterday"}, "InvalidParameter", 400),
        ("DescribeVodTranscodeData", {"StartTime": "2023-11-14T00:00:00Z"}, "MissingParameter", 400),
        (
            "DescribeVodTranscodeData",
            {"StartTime": "2023-11-14T00:00:00Z", "EndTime": "2023-11-14T00:00:00Z"},
            *("InvalidTimeRange", 400),
        ),
        (
            "DescribeVodTranscodeData",
            {"StartTime": "2023-11-06T00:00:00Z", "EndTime": "2023-11-14T00:00:00Z"},
            *("InvalidTimeRange", 400),
        ),
        ("GetTranscodeSummary", {}, "MissingParameter", 400),
        ("GetTranscodeSummary", {"VideoIds": ",".join("abcdefghijk")}, "InvalidParameter", 400),
        ("SubmitTranscodeJobs", {"TemplateGroupId": GROUPS[0].id}, "MissingParameter", 400),
        ("SubmitTranscodeJobs", {"VideoId": "nobody", "TemplateGroupId": "x"}, "InvalidVideo.NotFound", 404),
    ],
)
def test_refusals(world: World, action: str, parameters: dict[str, str], code: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        answer(world, action, parameters)
    assert (refused.value.code, refused.value.status) == (code, status)


def test_submit_refuses_an_unknown_template_group(world: World) -> None:
    with pytest.raises(Refusal, match="The specified resource x does not exist"):
        _ask(world, "SubmitTranscodeJobs", VideoId=world.tasks[0].video.id, TemplateGroupId="x")


def test_list_of_tasks_pages_to_a_short_page_newest_first(world: World) -> None:
    video = next(task.video for task in world.tasks if not task.video.bad)
    submitted = [
        _ask(world, "SubmitTranscodeJobs", VideoId=video.id, TemplateGroupId=GROUPS[0].id)["TranscodeTaskId"]
        for _ in range(6)
    ]
    seen: list[list[str]] = []
    for page in "123":
        rows = _ask(world, "ListTranscodeTask", VideoId=video.id, PageSize="3", PageNo=page)["TranscodeTaskList"]
        seen.append([row["TranscodeTaskId"] for row in rows])
    assert [len(page) for page in seen] == [3, 3, 1]
    assert [*seen[0], *seen[1]] == submitted[::-1]


def test_list_of_tasks_keeps_to_its_window(world: World) -> None:
    task = world.tasks[10]
    reported = _ask(world, "ListTranscodeTask", VideoId=task.video.id)["TranscodeTaskList"][-1]["CreationTime"]
    same = _ask(world, "ListTranscodeTask", VideoId=task.video.id, StartTime=reported, EndTime=reported)
    assert [row["TranscodeTaskId"] for row in same["TranscodeTaskList"]] == [task.id]
    later = _ask(world, "ListTranscodeTask", VideoId=task.video.id, StartTime="2100-01-01T00:00:00Z")
    assert later["TranscodeTaskList"] == []


def test_video_list_filters_pages_and_sorts(world: World) -> None:
    everything = _ask(world, "GetVideoList", PageSize="100")
    assert everything["Total"] == len({task.video.id for task in world.tasks})
    times = [video["CreationTime"] for video in everything["VideoList"]["Video"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 100
    oldest = _ask(world, "GetVideoList", PageSize="1", SortBy="CreationTime:Asc")["VideoList"]["Video"][0]
    assert oldest["CreationTime"] <= times[-1]
    wanted = _ask(world, "GetVideoList", Status="Transcoding, TranscodeFail", PageSize="100")
    assert {video["Status"] for video in wanted["VideoList"]["Video"]} == {"Transcoding", "TranscodeFail"}
    assert 0 < wanted["Total"] < everything["Total"]
    window = _ask(world, "GetVideoList", StartTime=times[50], EndTime=times[10], PageSize="100")["VideoList"]["Video"]
    assert [video["CreationTime"] for video in window] == [at for at in times if times[50] <= at <= times[10]]
    assert _ask(world, "GetVideoList", Status="Blocked") == {"Total": 0, "VideoList": {"Video": []}}


def test_rows_past_the_first_five_thousand_are_not_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.simulator.answers.MAX_VIDEO_ROWS", 15)
    pages = [_ask(world, "GetVideoList", PageNo=page)["VideoList"]["Video"] for page in "123"]
    assert [len(page) for page in pages] == [10, 5, 0]


def test_summary_tells_the_latest_task_without_ids(world: World) -> None:
    task = next(task for task in world.tasks if task.jobs)
    submitted = _ask(world, "SubmitTranscodeJobs", VideoId=task.video.id, TemplateGroupId=GROUPS[1].id)
    body = _ask(world, "GetTranscodeSummary", VideoIds=f"{task.video.id},nobody")
    assert body["NonExistVideoIds"] == ["nobody"]
    (reported,) = body["TranscodeSummaryList"]
    assert (reported["VideoId"], reported["TranscodeTemplateGroupId"]) == (task.video.id, GROUPS[1].id)
    assert reported["TranscodeStatus"] == "Processing"
    assert len(reported["TranscodeJobInfoSummaryList"]) == len(submitted["TranscodeJobs"]["TranscodeJob"])
    assert not any("TranscodeJobId" in job for job in reported["TranscodeJobInfoSummaryList"])


def test_a_late_task_shows_first_in_the_status_of_its_video(make_world: MakeWorld) -> None:
    scenario = replace(SCENARIOS["late"], history=0.0, asynchronous_share=0.0, duration_scale=10.0)
    world, clock = make_world(scenario=scenario, tasks=1)
    clock.go(30_000)
    world.advance()
    (first,) = world.tasks
    assert first.ends < 30_000
    late = world.submit(video=first.video, group=GROUPS[0], priority="6", trigger="Auto")
    job_id = late.jobs[0].id

    def known() -> tuple[bool, ...]:
        try:
            found = bool(_ask(world, "GetTranscodeTask", TranscodeTaskId=late.id))
        except Refusal as refusal:
            found = refusal.code != "NoSuchResource"
        listed = _ask(world, "ListTranscodeTask", VideoId=first.video.id)["TranscodeTaskList"]
        (newest,) = _ask(world, "GetTranscodeSummary", VideoIds=first.video.id)["TranscodeSummaryList"]
        return (
            found,
            job_id not in _ask(world, "GetTranscodeTask", JobIds=job_id)["NonExistJobIds"],
            [task["TranscodeTaskId"] for task in listed] == [late.id, first.id],
            newest["TranscodeTemplateGroupId"] == late.group.id,
        )

    clock.go(89)
    before = known()
    assert _ask(world, "GetVideoList", Status="Transcoding")["Total"] == 1
    clock.go(1)

    assert first.group.id != late.group.id
    assert (before, known()) == ((False,) * 4, (True,) * 4)


def test_a_video_without_a_visible_task_has_no_summary_and_an_empty_list(make_world: MakeWorld) -> None:
    world, clock = make_world(scenario=replace(SCENARIOS["late"], history=0.0, visible_after=1e9), tasks=1)
    clock.go(300)
    world.advance()
    video_id = world.tasks[0].video.id

    assert _ask(world, "ListTranscodeTask", VideoId=video_id) == {"TranscodeTaskList": []}
    assert _ask(world, "GetTranscodeSummary", VideoIds=video_id) == {
        "TranscodeSummaryList": [],
        "NonExistVideoIds": [],
    }


def test_submitted_task_is_a_real_one(world: World) -> None:
    video = next(task.video for task in world.tasks if not task.video.bad)
    submitted = _ask(world, "SubmitTranscodeJobs", VideoId=video.id, TemplateGroupId=GROUPS[0].id, Priority="8")
    task = _ask(world, "GetTranscodeTask", TranscodeTaskId=submitted["TranscodeTaskId"])["TranscodeTask"]
    assert (task["VideoId"], task["TaskStatus"]) == (video.id, "Processing")
    assert [{"JobId": job["TranscodeJobId"]} for job in task["TranscodeJobInfoList"]] == submitted["TranscodeJobs"][
        "TranscodeJob"
    ]
    assert {job["Priority"] for job in task["TranscodeJobInfoList"]} == {"8"}


def test_the_usage_of_closed_hours_is_the_truth(make_world: MakeWorld) -> None:
    """World second 0 is 22:13:20: the hour from 22:00 is not closed yet, and the history began at 20:13:20."""
    world, clock = make_world(scenario=replace(SCENARIOS["failures"], history=7200.0))
    window = {"StartTime": "2023-11-14T20:00:00Z", "EndTime": "2023-11-14T23:59:59Z"}
    items = _ask(world, "DescribeVodTranscodeData", **window)["TranscodeData"]["TranscodeDataItem"]
    assert [item["TimeStamp"] for item in items] == ["2023-11-14T20:00:00Z", "2023-11-14T21:00:00Z"]
    hour = 1_700_000_000 // 3600 * 3600
    with world.lock:
        now = world.advance()
        ended = [
            (job, state)
            for task in world.tasks
            for job in task.jobs
            if (state := job_state(job, now)).completed is not None and world.unix_seconds(state.completed) < hour
        ]
    expected = sum(job.output.duration for job, state in ended if state.status == "TranscodeSuccess")
    reported = [entry for item in items for entry in item["Data"]["DataItem"]]
    assert sum(int(entry["Value"]) for entry in reported) == expected
    assert any(state.status == "TranscodeFail" for _, state in ended)  # failed jobs are free
    assert {"H264.LD", "H264.SD", "H264.HD", "Audio"} <= {entry["Name"] for entry in reported}

    clock.go(3600)
    later = _ask(world, "DescribeVodTranscodeData", **window)["TranscodeData"]["TranscodeDataItem"]
    assert later[:2] == items
    assert len(later) == 3
    elsewhere = _ask(world, "DescribeVodTranscodeData", **window, Region="cn-beijing,eu-central-1")
    assert elsewhere["TranscodeData"]["TranscodeDataItem"] == []
