"""Shared by the tests of scrapes: a fake client, an account that uses it, and errors of VOD."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    ConnectionFailed,
    CredentialsError,
    NotFoundError,
    PermissionDenied,
    RequestRejected,
    VodError,
)
from exporter.model import Job, Task
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import Store
from exporter.tracking.videos import Videos
from exporter.vod.client import Client
from exporter.vod.limiter import Limiter
from exporter.vod.replies import JobsReply, SummaryReply, TaskListReply
from exporter.vod.sender import Observer, ignore
from tests.conftest import NOW, make_account, snapshot_of

CREATED = NOW - 60
DENIED = PermissionDenied("grant vod:ListTranscodeTask", code="Forbidden.RAM")
KEYS = CredentialsError("no such key", code="InvalidAccessKeyId.NotFound")
DOWN = ConnectionFailed("no connection", code="connect")
GONE = NotFoundError("gone", code="NoSuchResource")
FORBIDDEN = PermissionDenied("not yours", code="Forbidden")
REFUSED = RequestRejected("JobIds is not known", code="MissingParameter")


def running(task_id: str, *job_ids: str) -> Task:
    return Task(task_id, "video", "Processing", jobs=tuple(Job(job_id, "HD", "Transcoding", 0.5) for job_id in job_ids))


def done(task_id: str) -> Task:
    return Task(task_id, "video", "CompleteAllFail")


class FakeVod:
    """A fake client. It answers with its `tasks` and `videos`, raises those that are exceptions, and records calls."""

    def __init__(self, *tasks: Task) -> None:
        self.observer: Observer = ignore
        self.waiting_since: float | None = None
        self.latency = 0.0
        self.tasks: dict[str, Task | Exception] = {task.id: task for task in tasks}
        self.jobs: Exception | None = None
        self.summaries: Exception | None = None
        self.videos: dict[str, Sequence[Task | Exception]] = {}
        self.before: Callable[[str], object] = lambda _: None
        self.asked: list[str] = []
        self.forbidden: set[str] = set()  # ids of tasks and jobs

    def connect(self, limiter: Limiter, observer: Observer) -> Client:  # noqa: ARG002 - takes no turns
        self.observer = observer
        return cast(Client, self)

    def close(self) -> None: ...

    def get_task(self, task_id: str, deadline: Deadline) -> tuple[Task, tuple[str, ...]]:  # noqa: ARG002 - as the client's
        self._ask(f"task {task_id}")
        return self._answer("GetTranscodeTask", FORBIDDEN if task_id in self.forbidden else self.tasks[task_id]), ()

    def get_jobs(self, job_ids: Sequence[str], deadline: Deadline, *, urgent: bool = False) -> JobsReply:  # noqa: ARG002 - as the client's
        self._ask(f"jobs {','.join(sorted(job_ids))}")  # the order of a batch is that of answers, which threads decide
        refusal = FORBIDDEN if self.forbidden.intersection(job_ids) else self.jobs
        self._answer("GetTranscodeTask", refusal or done("any"))
        known = [job for task in self.tasks.values() if isinstance(task, Task) for job in task.jobs]
        return JobsReply(tuple(job for job in known if job.id in job_ids))

    def get_summaries(self, video_ids: Sequence[str], deadline: Deadline) -> SummaryReply:  # noqa: ARG002 - as the client's
        self._ask(f"summary {','.join(video_ids)}")
        self._answer("GetTranscodeSummary", self.summaries or done("any"))
        newest = {video_id: task for video_id in video_ids for task in self.videos[video_id] if isinstance(task, Task)}
        return SummaryReply(tuple(replace(task, id="", video_id=video_id) for video_id, task in newest.items()))

    def list_tasks(self, video_id: str, deadline: Deadline) -> Iterator[TaskListReply]:  # noqa: ARG002 - as the client's
        for page in self.videos[video_id]:
            self._ask(f"video {video_id}")
            yield TaskListReply((self._answer("ListTranscodeTask", page),))

    def take(self) -> list[str]:
        """The calls since the last `take`, in alphabetical order."""
        asked, self.asked = sorted(self.asked), []
        return asked

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        self.before(what)

    def _answer(self, action: str, answer: Task | Exception) -> Task:
        if isinstance(answer, VodError) or not isinstance(answer, Exception):
            self.observer(action=action, seconds=0.1, error=answer if isinstance(answer, VodError) else None)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Counted:
    """Counts malformed fields and dropped tasks."""

    def __init__(self) -> None:
        self.fields: list[str] = []
        self.reasons: list[str] = []

    def called(self, *, action: str, seconds: float | None, error: VodError | None) -> None: ...

    def malformed(self, fields: Iterable[str]) -> None:
        self.fields += fields

    def dropped(self, reason: str) -> None:
        self.reasons.append(reason)


class Made:
    """An account over a fake client. It tracks all tasks of that client."""

    def __init__(
        self, vod: FakeVod, *, videos: Sequence[str] = (), concurrency: int = 4, store: Store | None = None
    ) -> None:
        self.vod = vod
        self.now = NOW
        self.counted = Counted()
        self.ledger = Ledger(store=store, clock=lambda: self.now, dropped=self.counted.dropped)
        self.ledger.name("tasks", vod.tasks, source="tasks")
        self.videos = Videos(clock=lambda: self.now)
        self.videos.name("configuration", videos, source="videos")
        self.account = make_account(
            vod.connect,
            self.ledger,
            self.counted,
            videos=self.videos,
            concurrency=concurrency,
            clock=lambda: self.now,
        )

    def refresh(self) -> list[str]:
        """Refresh, and return the calls in alphabetical order."""
        self.account.refresh().result(20)
        return self.vod.take()

    @property
    def up(self) -> bool | None:
        return snapshot_of(self.account).up

    @property
    def job_statuses(self) -> dict[str, str]:
        return {shown.job.id: shown.job.status for shown in self.ledger.view().jobs}


def listed(count: int, *, concurrency: int = 4) -> Made:
    """An account with these named videos. The tasks of each were listed once; all have ended."""
    vod = FakeVod()
    for number in range(count):
        vod.tasks[f"t{number}"] = Task(f"t{number}", f"v{number}", "CompleteAllFail", created=CREATED)
        vod.videos[f"v{number}"] = [Task(f"t{number}", f"v{number}", "CompleteAllFail", created=CREATED)]
    made = Made(vod, videos=list(vod.videos), concurrency=concurrency)
    made.refresh()
    made.now += 60
    return made


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Calls that hang wait for this event. It is set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()
