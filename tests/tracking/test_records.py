"""Records: what is tracked and what is kept of it are the same, but for what one process alone knows."""

from __future__ import annotations

from dataclasses import fields

from exporter.model import Job, Task
from exporter.tracking.records import JobRecord, TaskRecord, TrackedJob, TrackedTask

TASK = TaskRecord(
    id="t",
    source="discovery",
    since=1.0,
    task=Task("t", "v", "CompleteAllSucc"),
    refreshed=2.0,
    finished_at=3.0,
    silent=True,
)
JOB = JobRecord(
    job=Job("a", "HD", "TranscodeSuccess"),
    task_id="t",
    refreshed=2.0,
    finished_at=3.0,
    output_counted=True,
    processing_counted=True,
    claimed_by=("u",),
)


def test_a_task_comes_back_as_it_was_kept_with_every_field() -> None:
    assert all(getattr(TASK, field.name) != field.default for field in fields(TASK))
    assert TrackedTask.of(TASK).record() == TASK


def test_a_job_comes_back_as_it_was_kept_with_every_field() -> None:
    assert all(getattr(JOB, field.name) != field.default for field in fields(JOB))
    assert TrackedJob.of(JOB).record() == JOB
