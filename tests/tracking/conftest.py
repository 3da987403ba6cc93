"""Shared by the tests of tracking: a clock, a ledger, a store that fails on request, and descriptions of tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import LedgerView, Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, MemoryStore, Store, Stored
from exporter.tracking.videos import Videos
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import NOW, Clock
from tests.tracking.counting import Account

HOUR = 3600.0
DAY = 24 * HOUR
RETENTION = 900.0
INTERVAL = 30.0
LOOKBACK = 86_400.0
START = NOW - 60.0  # of a task of a video


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def account(clock: Clock) -> Account:
    return Account(clock)


@pytest.fixture
def videos(clock: Clock) -> Videos:
    return Videos(interval=INTERVAL, lookback=LOOKBACK, clock=clock)


@pytest.fixture
def named(videos: Videos) -> Videos:
    videos.name("configuration", ["a", "b"], source="videos")
    return videos


@pytest.fixture
def dropped() -> list[str]:
    """The reasons for which a ledger or `Departures` dropped tasks; pass its `append`."""
    return []


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    """Shows finished tasks for 15 minutes."""
    made = Ledger(limits=Limits(retention=RETENTION), clock=clock)
    made.start_refresh()
    return made


class FailingStore:
    """A store that fails to read or to write while `reads` or `writes` is False.

    `meanwhile` is called during each save, `saved` after it.
    """

    def __init__(self, inner: Store | None = None, *, saved: Callable[[], None] = lambda: None) -> None:
        self.inner = inner or MemoryStore()
        self.reads = self.writes = True
        self.meanwhile: Callable[[], None] = lambda: None
        self._saved = saved

    def load(self, account: str, *, now: float) -> Stored:
        return self.inner.load(account, now=now)

    def save(self, account: str, changes: Changes) -> None:
        self.meanwhile()
        if not self.writes:
            raise StateError("the disk is full")
        self.inner.save(account, changes)
        self._saved()

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        if not self.reads:
            raise StateError("the disk is broken")
        return self.inner.remembered(account, task_ids)

    def close(self) -> None:
        self.inner.close()


class HangingStore(FailingStore):
    """A store whose `save` waits while it is `stuck`."""

    def __init__(self) -> None:
        super().__init__()
        self._go = threading.Event()
        self._go.set()
        self._waiting = threading.Event()

    def save(self, account: str, changes: Changes) -> None:
        self._waiting.set()
        self._go.wait(60)
        super().save(account, changes)

    @contextmanager
    def stuck(self, ledger: Ledger) -> Iterator[None]:
        """Meanwhile a thread waits for the store, which does not save a change of the ledger."""
        ledger.name("stuck", ["stuck"], source="tasks")
        self._go.clear()
        self._waiting.clear()
        thread = threading.Thread(target=ledger.view)
        thread.start()
        try:
            assert self._waiting.wait(60)
            yield
        finally:
            self._go.set()
            thread.join()


@pytest.fixture
def hanging() -> HangingStore:
    return HangingStore()


@pytest.fixture
def failing() -> FailingStore:
    return FailingStore()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], SqliteStore]]:
    """Opens the store at `path` again each time it is called."""
    stores: list[SqliteStore] = []

    def make() -> SqliteStore:
        for store in stores:
            store.close()
        stores.append(SqliteStore(path))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


class TickingClock:
    """Returns a time ten seconds later at each call."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


# Descriptions by VOD


def running(task_id: str, *job_ids: str, status: str = "Processing") -> Task:
    """A task whose jobs transcode."""
    return Task(task_id, "video", status, jobs=tuple(Job(job_id, "HD", "Transcoding", 0.5) for job_id in job_ids))


def done(task_id: str, *job_ids: str) -> Task:
    """A task whose jobs have succeeded."""
    return Task(task_id, "video", "CompleteAllSucc", jobs=tuple(success(job_id) for job_id in job_ids))


def success(job_id: str) -> Job:
    return Job(job_id, "HD", "TranscodeSuccess", 1.0)


def summary(created: float | None = START, status: str = "Processing", video_id: str = "v") -> Task:
    """The newest task of a video, as GetTranscodeSummary describes it."""
    return Task("", video_id, status, created=created)


def task(created: float | None = START, status: str = "Processing", task_id: str = "t") -> Task:
    """A task of a list."""
    return Task(task_id, "v", status, created=created)


# Steps of a refresh


def track(ledger: Ledger, *tasks: Task) -> None:
    """A source names the tasks, and VOD describes them."""
    ledger.name("key", [task.id for task in tasks], source="tasks")
    for task in tasks:
        ask_task(ledger, task)


def discover(ledger: Ledger, *tasks: Task) -> None:
    """Discovery finds the tasks, and VOD describes them."""
    ledger.discover([task.id for task in tasks], source="discovery")
    for task in tasks:
        ask_task(ledger, task)


def ask_task(ledger: Ledger, task: Task) -> None:
    """A refresh asks about the whole task; `task` is the answer."""
    ledger.start_refresh()
    ledger.observe_task(task.id, task)
    ledger.asked_task(task.id)


def ask_jobs(ledger: Ledger, asked: Sequence[str], *seen: Job) -> None:
    """A refresh asks about these jobs; `seen` is the answer."""
    ledger.start_refresh()
    ledger.observe_jobs(asked, seen)
    ledger.asked_jobs(asked)


def next_work(ledger: Ledger) -> Work:
    ledger.start_refresh()
    return ledger.work()


def pass_retention(ledger: Ledger, clock: Clock) -> None:
    """The retention passes, so finished tasks leave."""
    ledger.view()
    clock.now += RETENTION + 1
    ledger.view()


def due(videos: Videos) -> tuple[str, ...]:
    """The videos whose tasks to list now, without GetTranscodeSummary."""
    return videos.due(by_summaries=False).lists


# The content of a ledger


def tracked_ids(ledger: Ledger) -> list[str]:
    return [task_id for task_id, *_ in ledger.tasks()]


def job_statuses(ledger: Ledger) -> dict[str, str]:
    """The statuses of the shown jobs, by id."""
    return {shown.job.id: shown.job.status for shown in ledger.view().jobs}


def finished_jobs(view: LedgerView) -> float:
    """How many jobs the totals count as finished."""
    return sum(count for (total, _), count in view.totals.counters.items() if total == Total.JOBS_FINISHED)
