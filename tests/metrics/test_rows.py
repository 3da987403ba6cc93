"""The rows of a snapshot: a value where one was reported, and no row where none was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.metrics.rows import Exemplified, account_rows, elsewhere_rows, job_rows, task_rows
from exporter.model import JOB_STATUSES, TASK_STATUSES, Job, Output, Stream, Task
from exporter.snapshot import Exemplar, LedgerView, ShownJob, ShownTask, Snapshot, TotalsView
from exporter.tracking.ledger import Ledger
from tests.conftest import NOW
from tests.metrics.conftest import FAILURES, account, exemplified_account

OUTPUT = Output(
    url="http://bucket/out.m3u8",
    format="m3u8",
    encryption="HLSEncryption",
    bitrate=964_000.0,
    size=851_076.0,
    duration=12.0,
    frames_per_second=25.0,
    width=640.0,
    height=360.0,
    streams=(
        Stream("video", "0", "h264", 933_814.0),
        Stream("audio", "1", "aac", 64_533.0),
        Stream("audio", "2", "mp3", None),
        Stream("subtitle", "3", "webvtt", 1000.0),
    ),
)
JOB = Job(
    "j",
    definition="HD",
    status="TranscodeSuccess",
    progress=1.0,
    created=100.0,
    completed=160.0,
    priority="6",
    template_id="tpl",
    input_url="http://bucket/in.mp4",
    error_code="200",
    error_message="ErrorMessage",
    output=OUTPUT,
)
TASK = Task(
    "t",
    video_id="v",
    status="CompleteAllSucc",
    trigger="Auto",
    template_group_id="g",
    created=90.0,
    completed=170.0,
)


def of_job(job: Job) -> dict[str, list[tuple[tuple[str, ...], object]]]:
    """The rows of one job that have a value: label values and value, by metric."""
    rows: dict[str, list[tuple[tuple[str, ...], object]]] = {}
    for metric, labels, value in job_rows("prod", ShownJob(job, "t", "v")):
        if value is not None:
            rows.setdefault(metric.name, []).append((tuple(labels), value))
    return rows


def of_task(task: Task, progress: float | None = 0.5) -> dict[str, tuple[tuple[str, ...], object]]:
    rows = task_rows("prod", ShownTask(task, progress))
    return {metric.name: (tuple(labels), value) for metric, labels, value in rows if value is not None}


def test_finished_job_shows_everything_reported() -> None:
    labels = ("prod", "j", "HD")

    assert of_job(JOB) == {
        "vod_transcode_job_info": [((*labels, "t", "v", "tpl", "6"), 1)],
        "vod_transcode_job_status": [((*labels, "TranscodeSuccess"), 1)],
        "vod_transcode_job_progress_ratio": [(labels, 1.0)],
        "vod_transcode_job_created_timestamp_seconds": [(labels, 100.0)],
        "vod_transcode_job_completed_timestamp_seconds": [(labels, 160.0)],
        "vod_transcode_job_output_bitrate_bits_per_second": [(labels, 964_000.0)],
        "vod_transcode_job_output_size_bytes": [(labels, 851_076.0)],
        "vod_transcode_job_output_duration_seconds": [(labels, 12.0)],
        "vod_transcode_job_output_frames_per_second": [(labels, 25.0)],
        "vod_transcode_job_output_width_pixels": [(labels, 640.0)],
        "vod_transcode_job_output_height_pixels": [(labels, 360.0)],
        "vod_transcode_job_output_info": [((*labels, "m3u8", "HLSEncryption", "h264", "aac"), 1)],
        "vod_transcode_job_output_stream_bitrate_bits_per_second": [
            ((*labels, "video", "0"), 933_814.0),
            ((*labels, "audio", "1"), 64_533.0),
        ],
    }


def test_job_without_details_has_only_info_and_unknown_status() -> None:
    """What the service did not say is absent, not zero."""
    assert of_job(Job("j")) == {
        "vod_transcode_job_info": [(("prod", "j", "unknown", "t", "v", "", ""), 1)],
        "vod_transcode_job_status": [(("prod", "j", "unknown", "unknown"), 1)],
    }


@pytest.mark.parametrize("status", ["TranscodeFail", "TranscodeCancelled"])
def test_output_of_a_failed_job_is_left_out(status: str) -> None:
    """A documented sample has an OutputFile of zeros on a failed job: figures of a file that is not there."""
    assert not [name for name in of_job(replace(JOB, status=status)) if "output" in name]


@pytest.mark.parametrize("status", ["Submitted", "Transcoding", "TranscodeSuccess", "Paused", ""])
def test_output_of_any_other_job_is_shown(status: str) -> None:
    """A documented sample has an OutputFile on a job that is Transcoding."""
    assert len([name for name in of_job(replace(JOB, status=status)) if "output" in name]) == 8


@pytest.mark.parametrize("status", ["Submitted", "Transcoding", "Paused", ""])
def test_completion_of_an_unfinished_job_is_not_shown(status: str) -> None:
    """Documented samples carry CompleteTime on jobs and tasks that are not complete."""
    assert "vod_transcode_job_completed_timestamp_seconds" not in of_job(replace(JOB, status=status))


def test_error_code_of_a_job_says_nothing_about_its_status() -> None:
    """ErrorCode "200" stands on jobs that did not fail; the status alone says whether one did."""
    assert of_job(JOB) == of_job(replace(JOB, error_code="InvalidParameter", error_message="text"))


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_known_job_status_is_shown_as_it_is(status: str) -> None:
    rows = of_job(replace(JOB, status=status))["vod_transcode_job_status"]

    assert rows == [(("prod", "j", "HD", status), 1)]


@pytest.mark.parametrize("status", ["Paused", "transcoding", "", "\n"])
def test_undocumented_job_status_is_shown_as_unknown(status: str) -> None:
    rows = of_job(replace(JOB, status=status))["vod_transcode_job_status"]

    assert rows == [(("prod", "j", "HD", "unknown"), 1)]


def test_reported_zeros_are_shown() -> None:
    """Zero and absent are different: a job at 0 % has progress 0."""
    assert of_job(Job("j", progress=0.0))["vod_transcode_job_progress_ratio"][0][1] == 0.0


def test_finished_task_shows_everything_reported() -> None:
    assert of_task(TASK) == {
        "vod_transcode_task_info": (("prod", "t", "v", "g", "Auto"), 1),
        "vod_transcode_task_status": (("prod", "t", "CompleteAllSucc"), 1),
        "vod_transcode_task_progress_ratio": (("prod", "t"), 0.5),
        "vod_transcode_task_created_timestamp_seconds": (("prod", "t"), 90.0),
        "vod_transcode_task_completed_timestamp_seconds": (("prod", "t"), 170.0),
    }


@pytest.mark.parametrize("status", ["Processing", "Partial", "Unheard", ""])
def test_completion_of_an_unfinished_task_is_not_shown(status: str) -> None:
    assert "vod_transcode_task_completed_timestamp_seconds" not in of_task(replace(TASK, status=status))


def test_task_without_jobs_has_no_progress() -> None:
    assert "vod_transcode_task_progress_ratio" not in of_task(TASK, None)


def test_task_status_is_the_one_meant_or_unknown() -> None:
    for reported, shown in [(status, status) for status in TASK_STATUSES] + [
        ("CompleteAllSucces", "CompleteAllSucc"),
        ("CompeleteAllSucc", "CompleteAllSucc"),
        ("Odd", "unknown"),
    ]:
        assert of_task(replace(TASK, status=reported))["vod_transcode_task_status"] == (("prod", "t", shown), 1)


@pytest.mark.parametrize(("up", "expected"), [(True, [1]), (False, [0]), (None, [])])
def test_vod_up_is_one_zero_or_absent(up: bool | None, expected: list[int]) -> None:
    """It is absent before the first call, when nothing is known."""
    rows = account_rows(account(up=up))

    assert expected == [value for metric, _, value in rows if metric.name == "vod_up" and value is not None]


def test_account_that_was_never_asked_shows_what_is_known_and_no_more() -> None:
    names = {metric.name for metric, _, value in account_rows(account(up=None)) if value is not None}

    assert names == {
        "vod_account_info",
        "vod_exporter_account_held",
        "vod_exporter_stale_jobs",
        "vod_exporter_truncated_jobs",
        "vod_exporter_state_durable",
    }


def test_an_account_that_another_replica_holds_has_one_row_and_no_other() -> None:
    snapshot = Snapshot((account(up=True),), elsewhere={"test": "exporter-1"})

    assert [(metric.name, labels, value) for metric, labels, value in elsewhere_rows(snapshot)] == [
        ("vod_exporter_account_held", ("test",), 0)
    ]


def test_known_statuses_and_definitions_are_zero_from_the_start() -> None:
    """An alert on an increase needs the zero before it."""
    rows = list(account_rows(account(Ledger(clock=lambda: NOW).view())))

    jobs = {tuple(labels): value for metric, labels, value in rows if metric.name == "vod_transcode_jobs"}
    tasks = {tuple(labels): value for metric, labels, value in rows if metric.name == "vod_transcode_tasks"}
    assert len(jobs) == 11 * 6
    assert len(tasks) == 6
    assert set(jobs.values()) == set(tasks.values()) == {0}


def exemplars_of(view: TotalsView) -> list[tuple[str, dict[str, str]]]:
    """The labels of the exemplars, with the name of their metric."""
    rows = account_rows(account(LedgerView(totals=view)))
    return [
        (metric.name, dict(exemplar.labels))
        for metric, _, value in rows
        if isinstance(value, Exemplified)
        for exemplar in value.exemplars.values()
    ]


def test_exemplars_of_failures_and_durations_name_a_job_or_a_task() -> None:
    assert exemplars_of(exemplified_account().view.totals) == [
        ("vod_transcode_job_failures_total", {"job_id": "a"}),
        ("vod_transcode_job_duration_seconds", {"job_id": "b"}),
        ("vod_transcode_job_duration_seconds", {"job_id": "c"}),
        ("vod_transcode_task_duration_seconds", {"task_id": "t"}),
    ]


def test_id_that_is_too_long_or_needs_escapes_is_no_exemplar() -> None:
    """OpenMetrics allows 128 characters in names and values, and parsers disagree about escapes."""
    for job_id in ["", "a" * 123, 'a"', "a\\", "a\n", "a b", "é", "\ud800"]:
        assert exemplars_of(TotalsView({FAILURES: 1.0}, exemplars={FAILURES: {0: Exemplar(job_id, 1.0, NOW)}})) == []


def test_rows_of_an_account_are_the_same_each_time() -> None:
    """So the lines of a record that did not change can be kept."""
    view = LedgerView(tasks=(ShownTask(TASK, 0.5),), jobs=(ShownJob(JOB, "t", "v"),))

    assert list(account_rows(account(view))) == list(account_rows(account(view)))
