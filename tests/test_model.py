"""Statuses have the meaning that the API documents, and properties of records come from their jobs and streams."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from exporter.model import (
    JOB_FINAL,
    JOB_STATUSES,
    TASK_FINAL,
    TASK_STATUSES,
    UNKNOWN,
    Job,
    Output,
    Stream,
    Task,
    job_status,
    task_status,
)


@pytest.mark.parametrize("status", TASK_STATUSES)
def test_documented_task_status_is_itself(status: str) -> None:
    assert status == task_status(status)


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_documented_job_status_is_itself(status: str) -> None:
    assert status == job_status(status)


@pytest.mark.parametrize("status", ["CompleteAllSucces", "CompeleteAllSucc"])
def test_misspelt_task_status_counts_as_the_one_meant(status: str) -> None:
    """Documented samples have both spellings."""
    assert task_status(status) == "CompleteAllSucc"
    assert Task("t", status=status).finished


@pytest.mark.parametrize("status", ["", "Finished", "transcoding", "CompleteAllSucc ", UNKNOWN])
def test_other_statuses_are_unknown_and_not_final(status: str) -> None:
    """A status with another case or spelling is not guessed."""
    assert UNKNOWN == task_status(status) == job_status(status)
    assert not Task("t", status=status).finished
    assert not Job("j", status=status).finished


def test_only_the_status_decides_whether_a_task_is_finished() -> None:
    """In two documented samples unfinished tasks and jobs have a CompleteTime."""
    assert [status for status in TASK_STATUSES if Task("t", status=status).finished] == list(TASK_FINAL)
    assert [status for status in JOB_STATUSES if Job("j", status=status).finished] == list(JOB_FINAL)
    assert not Task("t", status="Processing", completed=1.0).finished
    assert not Job("j", status="Transcoding", completed=1.0, progress=1.0).finished


def test_task_progress_is_the_mean_of_the_jobs_that_have_one() -> None:
    jobs = (Job("a", progress=1.0), Job("b", progress=0.5), Job("c"))

    assert Task("t", jobs=jobs).progress == 0.75
    assert Task("t", jobs=(Job("a", progress=0.0), Job("b", progress=1.0))).progress == 0.5
    assert Task("t", jobs=(Job("c"),)).progress is None
    assert Task("t").progress is None


def test_the_codec_is_the_codec_of_the_first_stream_of_its_kind() -> None:
    output = Output(streams=(Stream("audio", "0", "aac"), Stream("video", "1", "h264"), Stream("video", "2", "hevc")))

    assert output.codec("video") == "h264"
    assert output.codec("audio") == "aac"
    assert output.codec("subtitle") == ""


def test_records_are_frozen() -> None:
    """Several threads use them."""
    with pytest.raises(FrozenInstanceError):
        Job("j").status = "Transcoding"  # type: ignore[misc]
