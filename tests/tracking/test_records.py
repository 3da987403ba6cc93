"""Records: a tracked task or job notes every change that the store needs."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from exporter.model import Job, Output, Task
from exporter.tracking.records import JobRecord, TaskRecord, TrackedJob, TrackedTask, values

TASK = TaskRecord(
    id="t",
    source="discovery",
    since=1.0,
    task=Task("t", "v", "Processing"),
    refreshed=2.0,
    finished_at=None,
    already_counted=False,
)
JOB = JobRecord(
    job=Job("a", "HD", "Transcoding"),
    task_id="t",
    refreshed=2.0,
    finished_at=None,
    output_counted=False,
    processing_counted=False,
    queue_counted=False,
    claimed_by=(),
)
OTHER_TASK = TaskRecord(
    id="u",
    source="api",
    since=2.0,
    task=Task("t", "v", "Partial"),
    refreshed=3.0,
    registered=3.0,
    finished_at=3.0,
    already_counted=True,
)
OTHER_JOB = JobRecord(
    job=Job("a", "HD", "TranscodeSuccess"),
    task_id="u",
    refreshed=3.0,
    finished_at=3.0,
    output_counted=True,
    processing_counted=True,
    queue_counted=True,
    claimed_by=("u",),
)
# A field that is not noted: it changes with every answer, and is saved along with other changes.
UNNOTED = {"refreshed"}
STORED = [
    *((TrackedTask, TASK, OTHER_TASK, field.name) for field in fields(TaskRecord)),
    *((TrackedJob, JOB, OTHER_JOB, field.name) for field in fields(JobRecord)),
]


@pytest.mark.parametrize(
    ("kind", "record", "other", "name"), STORED, ids=[f"{row[0].__name__}.{row[3]}" for row in STORED]
)
def test_a_change_of_a_stored_field_is_noted_once_with_the_id(
    kind: type[TrackedTask | TrackedJob], record: TaskRecord | JobRecord, other: TaskRecord | JobRecord, name: str
) -> None:
    """The test covers every field, so a field that is added later cannot be forgotten."""
    noted: list[str] = []
    tracked = kind(**values(record))
    tracked.join(noted.append)
    setattr(tracked, name, getattr(record, name))
    unchanged = list(noted)
    setattr(tracked, name, getattr(other, name))

    assert getattr(record, name) != getattr(other, name)
    assert unchanged == []
    assert noted == ([] if name in UNNOTED else ["t" if kind is TrackedTask else "a"])
    assert tracked.record() == replace(record, **{name: getattr(other, name)})


def test_progress_is_not_noted_but_details_of_a_finished_job_are() -> None:
    noted: list[str] = []
    job = TrackedJob(**values(JOB))
    job.join(noted.append)
    job.describe(Job("a", "HD", "Transcoding", 0.9))
    running = list(noted)
    job.finished_at = 5.0
    job.describe(Job("a", "HD", "Transcoding", 0.9, completed=4.0))

    assert running == []
    assert noted == ["a", "a"]


def test_fields_that_are_not_stored_are_not_noted() -> None:
    noted: list[str] = []
    task = TrackedTask(**values(TASK))
    task.join(noted.append)
    job = TrackedJob(**values(JOB))
    job.join(noted.append)
    task.asked = task.final_seen = task.not_found = job.asked = 7
    task.stale = task.answered = job.missing = job.prioritized = True

    assert noted == []


def test_an_unfinished_job_takes_any_description_and_a_finished_one_only_details() -> None:
    output = Output(size=1.0)
    job = TrackedJob(**values(JOB))
    job.describe(Job("a", "HD", "TranscodeSuccess", output=output))
    job.finished_at = 5.0
    job.describe(Job("a", "HD", "Transcoding"))
    after_late_answer = job.job
    job.describe(Job("a", "HD", "TranscodeSuccess", completed=4.0))

    assert after_late_answer == Job("a", "HD", "TranscodeSuccess", output=output)
    assert job.job == Job("a", "HD", "TranscodeSuccess", completed=4.0, output=output)


def test_an_equal_description_keeps_the_same_record() -> None:
    """The exposition keeps the lines of a record as long as it is the same object."""
    job = TrackedJob(**values(JOB))
    before = job.job
    job.describe(Job("a", "HD", "Transcoding"))

    assert job.job is before
