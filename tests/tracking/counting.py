"""An account whose ledger can be started again, and tasks whose finishes the tests count."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.model import Job, Output, Task
from exporter.snapshot import LedgerView, Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.view import Limits
from tests.conftest import Clock

HOUR = 3600.0
DAY = 24 * HOUR
OUTPUT = Output(bitrate=1e6, size=7.5e6, duration=60.0)


class Account:
    """A ledger that can be started again from its store."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.restart()

    def restart(self) -> None:
        self.ledger = Ledger(limits=Limits(retention=900.0, lookback=DAY), store=self.store, clock=self.clock)
        self.ledger.start_refresh()

    def sees(self, *tasks: Task) -> LedgerView:
        """Discovery finds these tasks, and VOD describes the tracked ones."""
        self.ledger.discover([task.id for task in tasks], source="discovery")
        return self.asks(*tasks)

    def asks(self, *tasks: Task) -> LedgerView:
        for task in tasks:
            self.ledger.observe_task(task.id, task)
        return self.ledger.view()

    def waits(self, seconds: float) -> LedgerView:
        self.clock.now += seconds
        return self.ledger.view()

    def counted(self) -> dict[str, float]:
        return counted(self.ledger.view())


def counted(view: LedgerView) -> dict[str, float]:
    """The sum of each total over its labels, without zeros."""
    sums = sum_up(view.totals.counters)
    for (total, _), histogram in view.totals.histograms.items():
        sums[total] = sums.get(total, 0) + sum(histogram.counts)
    return {total: amount for total, amount in sums.items() if amount}


def sum_up(counters: Mapping[tuple[Total, tuple[str, ...]], float]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for (total, _), amount in counters.items():
        sums[total] = sums.get(total, 0.0) + amount
    return sums


def job(job_id: str, *, at: float | None = None, output: Output | None = OUTPUT) -> Job:
    created = None if at is None else at - 30
    return Job(job_id, "HD", "TranscodeSuccess", created=created, completed=at, output=output)


def done(task_id: str = "t", *job_ids: str, at: float | None = None) -> Task:
    created = None if at is None else at - 30
    jobs = tuple(job(one, at=at) for one in job_ids)
    return Task(task_id, "video", "CompleteAllSucc", "Auto", created=created, completed=at, jobs=jobs)


ONE_TASK = {"tasks_finished": 1}
ONE_OUTPUT = {"output_bitrate": 1, "output_size": 1, "output_duration": 60.0, "billed": 60.0}
ONE_JOB = {"jobs_finished": 1, **ONE_OUTPUT}
DURATIONS = {"job_duration": 1, "job_realtime_ratio": 1, "task_duration": 1, "task_first_output": 1}
