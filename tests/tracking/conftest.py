"""What the tests of tracking share: a clock, a store that fails on request, and descriptions of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.tracking.store import Changes, MemoryStore
from tests.conftest import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


class FailingStore(MemoryStore):
    """Fails to read or to write while `reads` or `writes` is False."""

    reads = writes = True

    def save(self, account: str, changes: Changes) -> None:
        if not self.writes:
            raise StateError("the disk is full")
        super().save(account, changes)

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        if not self.reads:
            raise StateError("the disk is broken")
        return super().remembered(account, task_ids)


def running(task_id: str, *job_ids: str, status: str = "Processing") -> Task:
    """A task whose jobs transcode."""
    return Task(task_id, "video", status, jobs=tuple(Job(job_id, "HD", "Transcoding", 0.5) for job_id in job_ids))


def done(task_id: str, *job_ids: str) -> Task:
    """A task whose jobs have succeeded."""
    return Task(task_id, "video", "CompleteAllSucc", jobs=tuple(success(job_id) for job_id in job_ids))


def success(job_id: str) -> Job:
    return Job(job_id, "HD", "TranscodeSuccess", 1.0)
