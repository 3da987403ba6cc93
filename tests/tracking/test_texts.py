"""Texts: a job keeps those that the status page can show."""

from __future__ import annotations

from dataclasses import replace

from exporter.model import Job, Output, Stream
from exporter.tracking.texts import with_shown_texts, without_texts

OUTPUT = Output(url="http://h/out", bitrate=1e6, streams=(Stream("video", "0"),), watermark_ids=("w",))
JOB = Job("a", "HD", input_url="http://h/in", error_message="why", error_code="code", output=OUTPUT)


def test_an_unfinished_job_keeps_no_texts() -> None:
    job = replace(JOB, status="Transcoding")
    assert with_shown_texts(job) == replace(job, input_url="", error_message="", output=replace(OUTPUT, url=""))


def test_a_failed_job_keeps_its_source_and_its_message() -> None:
    job = replace(JOB, status="TranscodeFail")
    assert with_shown_texts(job) == replace(job, output=replace(OUTPUT, url=""))


def test_a_successful_job_keeps_the_address_of_its_output() -> None:
    job = replace(JOB, status="TranscodeSuccess")
    assert with_shown_texts(job) == replace(job, input_url="", error_message="")


def test_a_job_without_texts_keeps_what_is_counted() -> None:
    output = replace(OUTPUT, url="", streams=(), watermark_ids=())
    assert without_texts(JOB) == replace(JOB, input_url="", error_message="", output=output)


def test_a_job_with_nothing_to_drop_stays_the_same_object() -> None:
    """Its lines are then not rendered again."""
    for job in (Job("a"), Job("a", status="TranscodeFail", output=Output(size=1.0)), Job("a", output=Output())):
        assert with_shown_texts(job) is job
        assert without_texts(job) is job
