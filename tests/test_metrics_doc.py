"""docs/metrics.md agrees with the code: each metric with type and labels, each field with the places that show it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.command.tasktable import as_json, as_table
from exporter.metrics.catalog import CATALOG
from exporter.model import Job, Task
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot
from exporter.vod.payloads import task_reply
from exporter.web.listing import Query
from exporter.web.pages import status_page
from exporter.web.site import Site

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
FIELDS = [
    line
    for line in (TESTS / "data" / "vod-api" / "get-transcode-task-fields.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
SAMPLE = TESTS / "data" / "vod-api" / "samples" / "get-task-page-2024.json"


def section(heading: str) -> str:
    """The text under a heading of the second level."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The rows of the tables in this text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


METRIC_ROWS = {
    heading: rows(section(heading))
    for heading in ("Each job", "Each task", "Totals of an account", "Cost", "Accounts and the exporter")
}
FIELD_ROWS = {name: row for row in rows(section("Every field of GetTranscodeTask")) for name in names(row[0])}
METRICS, STATUS_PAGE, TABLE, JSON, REMARK = range(1, 6)


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_every_metric_is_documented_with_its_type_and_labels_and_no_other() -> None:
    documented = [(*names(row[0]), row[1], tuple(names(row[2]))) for part in METRIC_ROWS.values() for row in part]

    assert sorted((metric.name, metric.type, metric.labels) for metric in CATALOG) == sorted(documented)


def test_every_metric_has_a_meaning() -> None:
    assert all(len(row) == 4 and row[3] for part in METRIC_ROWS.values() for row in part)


@pytest.mark.parametrize(
    ("heading", "pattern"),
    [
        ("Each job", "vod_transcode_job_.*"),
        ("Each task", "vod_transcode_task_.*"),
        (
            "Totals of an account",
            (
                "vod_transcode_(tasks|jobs|videos|oldest_.*|output_.*|.*_total"
                "|(job|task)_(duration|processing|queue|first_output|realtime)_.*)"
            ),
        ),
        ("Cost", "vod_(transcode_(billed|price)|usage)_.*"),
        ("Accounts and the exporter", "vod_(up|account_info|exporter_.*)"),
    ],
)
def test_metrics_stand_under_their_heading(heading: str, pattern: str) -> None:
    assert [row[0] for row in METRIC_ROWS[heading] if not re.fullmatch(f"`{pattern}`", row[0])] == []


def test_text_names_no_metric_that_is_not_there() -> None:
    """A name that ends in `_` stands for several."""
    known = {metric.name for metric in CATALOG}

    assert set(re.findall(r"\bvod_[a-z_]*[a-z]\b", PAGE)) <= known


# -- fields ----------------------------------------------------------------------------------------------------------


def test_every_field_of_the_documentation_page_has_a_row_and_nothing_else_has() -> None:
    documented = [name for row in rows(section("Every field of GetTranscodeTask")) for name in names(row[0])]

    assert sorted(FIELDS) == sorted(documented)


def test_list_of_fields_holds_every_field_of_the_pages_example() -> None:
    """The copy of the page that the rows are held to is not short of any."""
    body = json.loads(SAMPLE.read_text(encoding="utf-8"))["body"]
    (job,) = body["TranscodeTask"]["TranscodeJobInfoList"]
    output = job["OutputFile"]
    parts = {"": body, "TranscodeTask.": body["TranscodeTask"], "Job.": job, "OutputFile.": output}
    found = {f"{prefix}{name}" for prefix, part in parts.items() for name in part}
    for prefix in ("VideoStream", "AudioStream"):
        found |= {f"{prefix}.{name}" for name in re.findall(r'\\"(\w+)\\":', output[f"{prefix}List"])}
    found |= {f"Encryption.{name}" for name in re.findall(r'\\"(\w+)\\":', output["Encryption"])}

    assert found == set(FIELDS) - {"request: TranscodeTaskId"}


def test_rows_of_fields_name_metrics_and_labels_that_exist() -> None:
    known = {metric.name for metric in CATALOG}
    known |= {f"{metric.name}{{{label}}}" for metric in CATALOG for label in metric.labels}

    assert {name for field in FIELDS for name in names(FIELD_ROWS[field][METRICS])} <= known


def test_fields_without_a_metric_say_why() -> None:
    assert {len(FIELD_ROWS[field]) for field in FIELDS} == {6}
    assert [field for field in FIELDS if not (FIELD_ROWS[field][METRICS] or FIELD_ROWS[field][REMARK])] == []


def test_every_domain_metric_has_a_field_that_it_is_from() -> None:
    used = {reference.partition("{")[0] for row in FIELD_ROWS.values() for reference in names(row[METRICS])}

    assert {metric.name for metric in CATALOG if metric.name.startswith("vod_transcode_")} - used == {
        "vod_transcode_job_processing_seconds",  # events alone know it
        "vod_transcode_videos",  # from GetVideoList
        "vod_transcode_price_per_minute",  # of the configuration
    }


# A response in which each field has a distinct value, and the text of each value where it is shown.
ANSWER = {
    "RequestId": "request-1",
    "TranscodeTask": {
        "CreationTime": "2019-01-23T12:35:12Z",
        "Trigger": "Manual",
        "TaskStatus": "CompletePartialSucc",
        "VideoId": "video-1",
        "CompleteTime": "2019-01-23T12:40:13Z",
        "TranscodeTemplateGroupId": "group-1",
        "TranscodeTaskId": "task-1",
        "TranscodeJobInfoList": [
            {
                "Definition": f"definition-{number}",
                "CreationTime": "2019-02-26T08:27:16Z",
                "InputFileUrl": "http://in.example/a.wmv",
                "ErrorMessage": "the source is bad",
                "ErrorCode": "Code.Bad",
                "CompleteTime": "2019-02-26T08:30:17Z",
                "TranscodeProgress": progress,
                "Priority": "priority-9",
                "TranscodeJobStatus": status,
                "TranscodeTemplateId": "template-1",
                "TranscodeJobId": f"job-{number}",
                "OutputFile": {
                    "VideoStreamList": '[{"Index":"717","CodecName":"codec-v","Bitrate":"933.814"}]',
                    "AudioStreamList": '[{"Index":"818","CodecName":"codec-a","Bitrate":"64.533"}]',
                    "SubtitleStreamList": '[{"Index":"919","CodecName":"codec-s"}]',
                    "OutputFileUrl": "http://out.example/b.mp4",
                    "Encryption": '{"EncryptType":"HLSEncryption"}',
                    "Height": "5557",
                    "Width": "8765",
                    "Bitrate": "964321",
                    "Fps": "47.5",
                    "Duration": "1234",
                    "Format": "format-1",
                    "Filesize": 851076000,
                    "WatermarkIdList": ["watermark-1"],
                },
            }
            for number, progress, status in [(1, 37, "TranscodeFail"), (2, 61, "TranscodeSuccess")]
        ],
    },
}
WRITTEN = {
    "request: TranscodeTaskId": "task-1",
    "RequestId": "request-1",
    "TranscodeTask.CreationTime": "2019-01-23 12:35:12",
    "TranscodeTask.Trigger": "Manual",
    "TranscodeTask.TaskStatus": "CompletePartialSucc",
    "TranscodeTask.VideoId": "video-1",
    "TranscodeTask.CompleteTime": "2019-01-23 12:40:13",
    "TranscodeTask.TranscodeTemplateGroupId": "group-1",
    "TranscodeTask.TranscodeTaskId": "task-1",
    "Job.Definition": "definitio",
    "Job.CreationTime": "2019-02-26 08:27:16",
    "Job.InputFileUrl": "http://in.example/a.wmv",
    "Job.ErrorMessage": "the source is bad",
    "Job.ErrorCode": "Code.Bad",
    "Job.CompleteTime": "2019-02-26 08:30:17",
    "Job.TranscodeProgress": r"(37|49|61) ?%",
    "Job.Priority": "priority-9",
    "Job.TranscodeJobStatus": "TranscodeSuccess|TranscodeFail",
    "Job.TranscodeTemplateId": "template-1",
    "Job.TranscodeJobId": "job-[12]",
    "OutputFile.OutputFileUrl": "http://out.example/b.mp4",
    "Encryption.EncryptType": "HLSEncryption",
    "OutputFile.Height": "5,?557",
    "OutputFile.Width": "8,?765",
    "OutputFile.Bitrate": r"964,?321|964\.32 Mbit",
    "OutputFile.Fps": "47.5",
    "OutputFile.Duration": "1,?234|20 min 34 s|20:34",
    "OutputFile.Format": "format-1",
    "OutputFile.Filesize": "851.1",
    "OutputFile.WatermarkIdList": "watermark-1",
    "VideoStream.Index": "717",
    "VideoStream.Bitrate": r"933[.,]?814",
    "VideoStream.CodecName": "codec-v",
    "AudioStream.Index": "818",
    "AudioStream.Bitrate": r"64[.,]?533",
    "AudioStream.CodecName": "codec-a",
    "OutputFile.SubtitleStreamList": "919|codec-s",
}


def answered() -> Task:
    task = task_reply(ANSWER).task
    assert task is not None
    return task


def documented_in(column: int) -> set[str]:
    """The fields whose row says that this place shows them."""
    return {field for field in WRITTEN if FIELD_ROWS[field][column]}


def shown_in(text: str) -> set[str]:
    return {field for field, written in WRITTEN.items() if re.search(written, text)}


def test_status_page_shows_the_fields_that_the_rows_say_and_no_others() -> None:
    task = answered()
    jobs: tuple[Job, ...] = task.jobs
    view = LedgerView(
        tasks=(ShownTask(task, task.progress),), jobs=tuple(ShownJob(job, task.id, task.video_id) for job in jobs)
    )
    account = AccountSnapshot("prod", "cn-shanghai", "https://vod.example", up=True, view=view)
    page = status_page(Snapshot((account,)), Query(), Site(), now=1.6e9)

    assert shown_in(page) == documented_in(STATUS_PAGE)


def test_task_command_prints_the_fields_that_the_rows_say_and_no_others() -> None:
    assert shown_in(as_table([answered()])) == documented_in(TABLE)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, object]]:
    """The values in this JSON, each with the keys that lead to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and not all(isinstance(inner, str) for inner in value):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, value


def test_json_of_the_task_command_has_the_keys_that_the_rows_say_and_no_others() -> None:
    (task,) = json.loads(as_json([answered()]))
    documented = {key for row in FIELD_ROWS.values() for key in names(row[JSON])}

    assert {path for path, value in leaves(task) if value not in (None, "", [])} == documented
    assert {path for path, _ in leaves(task)} == documented
