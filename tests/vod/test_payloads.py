"""Whole answers: every documented sample with its irregularities, and the limits of what is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.model import Job, Output, Stream, Task
from exporter.vod.payloads import (
    error_reply,
    jobs_reply,
    summary_reply,
    task_list_reply,
    task_reply,
    usage_reply,
    video_list_reply,
)
from exporter.vod.replies import ErrorReply, JobsReply, Usage, UsageReply, Video
from tests.conftest import growth

SAMPLES = Path(__file__).parents[1] / "data" / "vod-api" / "samples"
FAILED = "get-task-failed+hls-encrypted+mp4-watermark"
PROCESSING = "get-task-processing-no-output-quirks"
PAGE = "get-task-page-2024"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))["body"]


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def the_task(body: object) -> Task:
    task = task_reply(body).task
    assert task is not None
    return task


VIDEOS = {
    "RequestId": "F4C6D5BE-BF13-4561-9F6C-516EA8906DCD",
    "Total": 3,
    "VideoList": {
        "Video": [
            {"VideoId": "v1", "Status": "Transcoding", "CreationTime": "2026-09-30T00:00:00Z", "Title": "a"},
            {"VideoId": "v2", "Status": "Normal", "CreationTime": "2026-09-30T00:00:01Z"},
        ]
    },
}


def hours(*rows: object, interval: str = "hour") -> dict[str, object]:
    return {"DataInterval": interval, "TranscodeData": {"TranscodeDataItem": list(rows)}}


def hour(time: str, **seconds: object) -> dict[str, object]:
    items = [{"Name": name.replace("_", "."), "Value": value} for name, value in seconds.items()]
    return {"TimeStamp": time, "Data": {"DataItem": items}}


# -- the documented samples ------------------------------------------------------------------------------------------


def test_documented_summary_has_the_newest_task_of_each_video() -> None:
    """It is Processing although both jobs have succeeded, and one video does not exist."""
    reply = summary_reply(sample("transcode-summary"))

    assert reply.malformed == ()
    assert reply.tasks == (
        Task(
            id="",
            video_id="92ab9693dd50759ad9c14a05e2e71dc5",
            status="Processing",
            template_group_id="7a81c1257b6fd3da4fa1aa7fa45e592a",
            created=at("2019-01-23T12:35:12Z"),
            completed=at("2019-01-23T12:40:12Z"),
        ),
    )


def test_summaries_without_a_video_are_left_out_and_malformed_fields_are_absent() -> None:
    rows = [{"TranscodeStatus": "Processing"}, "x", {"VideoId": "v", "TranscodeStatus": 1.5, "CreationTime": "soon"}]
    reply = summary_reply({"TranscodeSummaryList": {"TranscodeSummary": rows}})

    assert reply.tasks == (Task("", "v"),)
    assert sorted(reply.malformed) == ["CreationTime", "TranscodeStatus", "TranscodeSummaryList", "VideoId"]


def test_page_sample_is_read_whole() -> None:
    """All fields of the documentation of the operation, from its sample."""
    reply = task_reply(sample(PAGE))

    assert reply.malformed == ()
    assert reply.task == Task(
        id="b1b65ab107e14*****3dbb900f6c1fe0",
        video_id="883f5d98107*****b7f20aaa352f",
        status="Processing",
        trigger="Auto",
        template_group_id="b500c7094bd241*****3e9900752d7c3",
        created=at("2019-01-23T12:35:12Z"),
        completed=at("2019-01-23T12:40:12Z"),
        jobs=(
            Job(
                id="38f0e513c88*****85515f9d50be188",
                definition="LD",
                status="Transcoding",
                progress=1.0,
                created=at("2019-02-26T08:27:16Z"),
                completed=at("2019-02-26T08:30:16Z"),
                priority="6",
                template_id="174b0534fea3*****b51c8f0ad1374",
                input_url="http://outin-40564*****e1403e7.oss-cn-shanghai.aliyuncs.com/customerTrans/"
                "5b95e568f8e*****47f38e/31f1184c-*****b2a2-f94-c213f.wmv",
                error_code="200",
                error_message="ErrorMessage",
                output=Output(
                    url="http://outin-40564*****e1403e7.oss-cn-shanghai.aliyuncs.com/883f5d*****f20aaa352f/"
                    "c3be4f073*****7d5193ec8-{DestMd5}-od-S00000001-200000.mp4",
                    format="m3u8",
                    encryption="AliyunVoDEncryption",
                    bitrate=964000.0,
                    size=851076.0,
                    duration=12.0,
                    frames_per_second=25.0,
                    width=640.0,
                    height=360.0,
                    streams=(Stream("video", "0", "h264", 933814.0), Stream("audio", "1", "aac", 64533.0)),
                    watermark_ids=("64079a0e3e286*****b48a8c9413",),
                ),
            ),
        ),
    )


def test_failed_job_has_finish_time_and_zeros() -> None:
    """The 2019 sample has FinishTime instead of CompleteTime, progress 20, an output of zeros, and no Trigger."""
    reply = task_reply(sample(FAILED))
    task = the_task(sample(FAILED))
    failed = task.jobs[0]

    assert reply.malformed == ()
    assert (task.trigger, task.status) == ("", "CompleteAllSucc")
    assert (failed.status, failed.progress, failed.completed) == ("TranscodeFail", 0.2, at("2019-01-23T12:35:06Z"))
    assert failed.error_code == "InvalidParameter.ResourceContentBad"
    assert failed.error_message == "The resource operated InputFile is bad"
    assert failed.output is not None
    assert failed.output == Output(
        url=failed.output.url, bitrate=0, size=0, duration=0, frames_per_second=0, width=0, height=0
    )


def test_outputs_of_the_2019_sample() -> None:
    """Encryption and streams are strings of JSON, escaped once; `{}` means none; a watermark is in an array."""
    _, hls, mp4 = (job.output for job in the_task(sample(FAILED)).jobs)

    assert hls is not None
    assert mp4 is not None
    assert (hls.format, hls.encryption, hls.bitrate, hls.size) == ("m3u8", "AliyunVoDEncryption", 549000, 851076)
    assert (mp4.format, mp4.encryption, mp4.bitrate, mp4.size) == ("mp4", "", 964000, 1520439)
    assert hls.streams == (Stream("video", "0", "h264", 487954.0), Stream("audio", "1", "aac", 62015.0))
    assert (hls.codec("video"), hls.codec("audio"), hls.codec("subtitle")) == ("h264", "aac", "")
    assert mp4.watermark_ids == ("9b3dfcc8dacfa0f96a5cfb3815579042",)


def test_processing_sample_with_a_job_that_has_no_id() -> None:
    """The 2021 sample: a job without output, an output without job id, numbers as strings, and `Trigger: "Auto "`."""
    reply = task_reply(sample(PROCESSING))
    task = the_task(sample(PROCESSING))
    working, nameless = task.jobs

    assert reply.malformed == ("TranscodeJobId",)
    assert (task.trigger, task.status, task.completed) == ("Auto", "Processing", at("2019-01-23T12:40:12Z"))
    assert (working.progress, working.error_code, working.output) == (1.0, "200", None)
    assert not working.finished
    assert (nameless.id, nameless.status) == ("", "")
    assert nameless.output is not None
    assert nameless.output.size == 851076
    assert nameless.output.encryption == "AliyunVoDEncryption"
    assert nameless.output.streams == (Stream("video", "0", "h264", 933814.0), Stream("audio", "1", "aac", 64533.0))
    assert nameless.output.watermark_ids == ("cda84d9a1375dc6b4916a5b1012d1fbc",)


def test_the_list_sample_is_read() -> None:
    """A misspelled status, and a Processing task with a CompleteTime: both are kept as VOD sends them."""
    reply = task_list_reply(sample("list-transcode-task"))

    assert reply.malformed == ()
    assert reply.rows == 2
    assert [task.status for task in reply.tasks] == ["Processing", "CompeleteAllSucc"]
    assert [task.finished for task in reply.tasks] == [False, True]
    assert reply.tasks[0] == Task(
        id="d8be661a4607a3cb4470562c3c01ce7c",
        video_id="9fe24a0ae757a3b6b7af7b2c9005325d",
        status="Processing",
        template_group_id="6275e5488b1e327c8394aecc25988733",
        created=at("2019-01-23T12:35:12Z"),
        completed=at("2019-01-23T12:40:12Z"),
    )


def test_the_error_sample_is_read() -> None:
    assert error_reply(sample("error-unsupported-operation")) == ErrorReply(
        "UnsupportedOperation", "The specified action is not supported.", "8906582E-6722-409A-A6C4-0E7863B733A5"
    )


@pytest.mark.parametrize("name", [FAILED, PROCESSING, PAGE, "list-transcode-task", "submit-transcode-jobs"])
def test_a_successful_answer_is_not_an_error(name: str) -> None:
    assert error_reply(sample(name)) is None


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_jobs_are_read_by_their_ids() -> None:
    """With `JobIds` the list is at the top level and not in a task."""
    jobs = sample(FAILED)["TranscodeTask"]["TranscodeJobInfoList"]
    reply = jobs_reply({"RequestId": "r", "TranscodeJobInfoList": jobs, "NonExistJobIds": ["gone-1", "gone-2"]})

    assert reply == JobsReply(the_task(sample(FAILED)).jobs)


def test_job_list_may_be_an_object() -> None:
    """Some clients expect this form."""
    body = sample(FAILED)
    jobs = body["TranscodeTask"]["TranscodeJobInfoList"]
    body["TranscodeTask"]["TranscodeJobInfoList"] = {"TranscodeJobInfo": jobs}

    assert task_reply(body) == task_reply(sample(FAILED))
    assert jobs_reply({"TranscodeJobInfoList": {"TranscodeJobInfo": jobs}}).jobs == the_task(sample(FAILED)).jobs


def test_a_task_with_a_bad_source_has_no_jobs() -> None:
    """CompleteAllFail without a job list means that the source was bad. It is not malformed."""
    body = {"TranscodeTask": {"TranscodeTaskId": "t", "TaskStatus": "CompleteAllFail"}}

    assert task_reply(body).task == Task("t", status="CompleteAllFail")
    assert task_reply(body).malformed == ()


def test_videos_are_read() -> None:
    reply = video_list_reply(VIDEOS)
    first = Video("v1", "Transcoding", at("2026-09-30T00:00:00Z"))

    assert reply.malformed == ()
    assert (reply.rows, reply.total) == (2, 3)
    assert reply.videos == (first, Video("v2", "Normal", at("2026-09-30T00:00:01Z")))
    assert video_list_reply({**VIDEOS, "VideoList": VIDEOS["VideoList"]["Video"]}) == reply  # type: ignore[index]


def test_rows_count_those_without_id_too() -> None:
    """Whether a page is short depends on the rows that VOD sent, including unusable rows."""
    tasks = task_list_reply({"TranscodeTaskList": [{"TranscodeTaskId": "a"}, {"VideoId": "v"}, 7]})
    videos = video_list_reply({"VideoList": [{"VideoId": "a"}, {"VideoId": None}, "x"], "Total": "1.5"})

    assert (len(tasks.tasks), tasks.rows) == (1, 3)
    assert Counter(tasks.malformed) == {"TranscodeTaskId": 1, "TranscodeTaskList": 1}
    assert (len(videos.videos), videos.rows) == (1, 3)
    assert Counter(videos.malformed) == {"VideoId": 1, "VideoList": 1, "Total": 1}
    assert videos.total is None


def test_duplicate_jobs_are_one() -> None:
    """faults 30: the last job is kept, so that no two series have the same labels."""
    jobs = [{"TranscodeJobId": "a", "TranscodeProgress": progress} for progress in (10, 30, 20)]
    reply = jobs_reply({"TranscodeJobInfoList": jobs})

    assert reply.jobs == (Job("a", progress=0.2),)
    assert reply.malformed == ("TranscodeJobId",) * 2


def test_job_without_id_stays_in_its_task_and_nowhere_else() -> None:
    jobs = [{"Definition": "LD"}, {"TranscodeJobId": "a"}, {"Definition": "HD"}, None]
    task = task_reply({"TranscodeTask": {"TranscodeTaskId": "t", "TranscodeJobInfoList": jobs}})

    assert task.task == Task("t", jobs=(Job("", "LD"), Job("a"), Job("", "HD")))
    assert sorted(task.malformed) == ["TranscodeJobId", "TranscodeJobId", "TranscodeJobInfoList"]
    assert jobs_reply({"TranscodeJobInfoList": jobs}).jobs == (Job("a"),)


def test_finish_time_replaces_a_malformed_complete_time() -> None:
    jobs = [{"TranscodeJobId": "a", "CompleteTime": "soon", "FinishTime": "2019-01-23T12:35:06Z"}]
    reply = jobs_reply({"TranscodeJobInfoList": jobs})

    assert reply.jobs[0].completed == at("2019-01-23T12:35:06Z")
    assert reply.malformed == ("CompleteTime",)


@pytest.mark.parametrize("body", [None, [], "text", 7, True])
def test_a_body_that_is_not_an_object_is_malformed(body: object) -> None:
    assert task_reply(body).malformed == ("body", "TranscodeTask")
    assert (
        jobs_reply(body).malformed
        == task_list_reply(body).malformed
        == summary_reply(body).malformed
        == video_list_reply(body).malformed
        == ("body",)
    )
    assert error_reply(body) is None


@pytest.mark.parametrize("code", [None, "", " ", [], True, {}])
def test_error_without_a_code_is_none(code: object) -> None:
    assert error_reply({"Code": code, "Message": "m"}) is None


def test_error_text_is_safe_to_log() -> None:
    """faults 35."""
    body = {"Code": "X" * 500, "Message": "a\nb\x1b[31m" + "c" * 10**6, "RequestId": "r\r"}

    assert error_reply(body) == ErrorReply("X" * 64, "a\ufffdb\ufffd[31m" + "c" * 1016, "r")


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_rows_are_bounded() -> None:
    """faults 31: of a million jobs in one answer a thousand are read, and one malformed field is reported."""
    rows = [{"TranscodeJobId": f"job-{number}"} for number in range(1001)] + [{}] * 10**6
    reply = jobs_reply({"TranscodeJobInfoList": rows})

    assert len(reply.jobs) == 1000
    assert reply.malformed == ("TranscodeJobInfoList",)


def test_time_to_read_jobs_grows_no_faster_than_their_number() -> None:
    def reading(count: int) -> Callable[[], object]:
        jobs = sample(FAILED)["TranscodeTask"]["TranscodeJobInfoList"][1:] * count
        body = {"TranscodeJobInfoList": [{**job, "TranscodeJobId": f"{place}"} for place, job in enumerate(jobs)]}
        return lambda: jobs_reply(body)

    assert growth(reading(10), reading(40)) < 10


# -- usage -----------------------------------------------------------------------------------------------------------


def test_usage_is_read_by_hour_and_specification_without_the_sum() -> None:
    """The rows of the documented samples: the newer one has text, the older one numbers and a row `All`."""
    body = hours(hour("2019-02-01T16:00:00Z", H264_SD="111"), hour("2019-02-01T17:00:00Z", Audio=111, All=333))
    expected = (Usage(at("2019-02-01T16:00:00Z"), "H264.SD", 111.0), Usage(at("2019-02-01T17:00:00Z"), "Audio", 111.0))
    assert usage_reply(body) == UsageReply(expected)


def test_usage_by_day_is_left_out_because_it_does_not_say_the_hours() -> None:
    body = hours(hour("2019-02-01T16:00:00Z", H264_SD="111"), interval="day")
    assert usage_reply(body) == UsageReply((), ("DataInterval",))


def test_a_malformed_row_of_usage_costs_only_that_row() -> None:
    rows = [hour("yesterday", Audio=1), "x", {"TimeStamp": "2019-02-01T16:00:00Z", "Data": [1]}]
    body = hours(*rows, hour("2019-02-01T16:00:00Z", Audio="many", H264_SD=2))
    reply = usage_reply(body)
    assert reply.usage == (Usage(at("2019-02-01T16:00:00Z"), "H264.SD", 2.0),)
    assert sorted(reply.malformed) == ["Data", "TimeStamp", "TranscodeData", "Value"]


def test_an_hour_without_transcoding_has_no_usage() -> None:
    assert usage_reply(hours()) == UsageReply(())
    assert usage_reply({"DataInterval": "hour"}) == UsageReply(())
