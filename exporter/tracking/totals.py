"""What has been counted: counters and histograms that only grow, and go on after a restart."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from exporter.model import (
    DEFINITIONS,
    JOB_FINAL,
    OTHER,
    TASK_FINAL,
    UNKNOWN,
    Job,
    Output,
    Task,
    job_status,
    task_status,
)
from exporter.snapshot import Exemplar, HistogramView, Key, Total, TotalsView

TRIGGERS = ("Auto", "Manual")
MAX_DEFINITIONS = 50  # by name, the rest as `other`; the service documents ten
MAX_ERROR_CODES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """Upper bounds of the histograms, without `+Inf`: seconds, bits per second, bytes.

    A clip in LD takes seconds, a film in 4K hours; audio starts at 32 kbit/s, 4K ends at some 40 Mbit/s.
    """

    duration: tuple[float, ...] = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)
    bitrate: tuple[float, ...] = (64e3, 128e3, 256e3, 512e3, 1e6, 1.5e6, 2e6, 3e6, 4e6, 6e6, 8e6, 12e6, 20e6, 40e6)
    size: tuple[float, ...] = (1e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9, 2.5e9, 5e9, 1e10)

    def of(self, histogram: Total) -> tuple[float, ...]:
        return {Total.OUTPUT_BITRATE: self.bitrate, Total.OUTPUT_SIZE: self.size}.get(histogram, self.duration)


class Totals:
    """The totals of one account. `counters` and `histograms` are what the store had of them.

    A histogram with other bounds than today's begins anew, as a counter does after a reset. `clock` gives Unix seconds:
    exemplars are dated when they are counted, so that the next is never older, as Prometheus wants them.
    """

    def __init__(
        self,
        buckets: Buckets | None = None,
        *,
        counters: Mapping[Key, float] | None = None,
        histograms: Mapping[Key, HistogramView] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._buckets = buckets or Buckets()
        self._counters = _zeros() | dict(counters or {})
        self._histograms = {
            key: view for key, view in (histograms or {}).items() if view.bounds == self._buckets.of(key[0])
        }
        self._definitions = dict.fromkeys((*DEFINITIONS, *_names(self._counters, Total.JOBS_FINISHED, 0)))  # in order
        self._error_codes = set(_names(self._counters, Total.JOB_FAILURES, 1))
        self._changed: set[Key] = set()
        self._exemplars: dict[Key, Mapping[int, Exemplar]] = {}
        self._clock = clock

    @property
    def definitions(self) -> Collection[str]:
        """Those counted by name."""
        return self._definitions.keys()

    def definition(self, job: Job) -> str:
        """The label of the job's definition: itself, `unknown` where there is none, `other` past the bound."""
        if not job.definition:
            return UNKNOWN
        if job.definition not in self._definitions and len(self._definitions) < MAX_DEFINITIONS:
            self._definitions[job.definition] = None
        return job.definition if job.definition in self._definitions else OTHER

    def finished_job(self, job: Job) -> None:
        """Count a job that was seen finished for the first time."""
        definition, status = self.definition(job), job_status(job.status)
        self._count((Total.JOBS_FINISHED, (definition, status)))
        if status == "TranscodeFail":
            self._count((Total.JOB_FAILURES, (definition, self._error_code(job.error_code))), of=job.id)
        if job.created is not None and job.completed is not None and job.completed >= job.created:
            self._observe((Total.JOB_DURATION, (definition,)), job.completed - job.created, of=job.id)

    def finished_output(self, job: Job, output: Output) -> None:
        """Count the output of a job that succeeded, seen for the first time."""
        labels = (self.definition(job),)
        if output.bitrate is not None:
            self._observe((Total.OUTPUT_BITRATE, labels), output.bitrate)
        if output.size is not None:
            self._observe((Total.OUTPUT_SIZE, labels), output.size)
        if output.duration is not None:
            self._count((Total.OUTPUT_DURATION, labels), output.duration)

    def processed_job(self, job: Job, seconds: float) -> None:
        """Count how long a job took from its start to its finish, as an event told."""
        self._observe((Total.JOB_PROCESSING, (self.definition(job),)), seconds, of=job.id)

    def finished_task(self, task: Task) -> None:
        """Count a task that was seen finished for the first time."""
        trigger = task.trigger if task.trigger in TRIGGERS else OTHER if task.trigger else UNKNOWN
        self._count((Total.TASKS_FINISHED, (task_status(task.status), trigger)))
        if task.created is not None and task.completed is not None and task.completed >= task.created:
            self._observe((Total.TASK_DURATION, ()), task.completed - task.created, of=task.id)

    def view(self) -> TotalsView:
        return TotalsView(dict(self._counters), dict(self._histograms), dict(self._exemplars))

    def changes(self) -> TotalsView:
        """What has changed since `saved`: whole values, not differences."""
        return TotalsView(
            {key: self._counters[key] for key in self._changed & self._counters.keys()},
            {key: self._histograms[key] for key in self._changed & self._histograms.keys()},
        )

    def saved(self) -> None:
        """The store has taken the last `changes`."""
        self._changed.clear()

    def _count(self, key: Key, amount: float = 1.0, *, of: str | None = None) -> None:
        self._counters[key] = self._counters.get(key, 0.0) + amount
        self._changed.add(key)
        self._exemplify(key, 0, of, amount)

    def _observe(self, key: Key, value: float, *, of: str | None = None) -> None:
        bounds = self._buckets.of(key[0])
        before = self._histograms.get(key) or HistogramView(bounds, (0,) * (len(bounds) + 1), 0.0)
        bucket = bisect_left(bounds, value)
        counts = (*before.counts[:bucket], before.counts[bucket] + 1, *before.counts[bucket + 1 :])
        self._histograms[key] = HistogramView(bounds, counts, before.sum + value)
        self._changed.add(key)
        self._exemplify(key, bucket, of, value)

    def _exemplify(self, key: Key, bucket: int, of: str | None, value: float) -> None:
        if of is not None:
            self._exemplars[key] = {**self._exemplars.get(key, {}), bucket: Exemplar(of, value, self._clock())}

    def _error_code(self, code: str) -> str:
        if not code:
            return UNKNOWN
        if len(self._error_codes) < MAX_ERROR_CODES:
            self._error_codes.add(code)
        return code if code in self._error_codes else OTHER


def _zeros() -> dict[Key, float]:
    """The counters whose labels are known beforehand: they are there, at zero, from the start."""
    tasks = product([Total.TASKS_FINISHED], product(TASK_FINAL, (*TRIGGERS, UNKNOWN)))
    jobs = product([Total.JOBS_FINISHED], product(DEFINITIONS, JOB_FINAL))
    durations = product([Total.OUTPUT_DURATION], product(DEFINITIONS))
    return dict.fromkeys((*tasks, *jobs, *durations), 0.0)


def _names(counters: Iterable[Key], total: Total, place: int) -> Iterable[str]:
    """The label values of a total in one place, but for those that stand for any."""
    return (labels[place] for known, labels in counters if known == total and labels[place] not in (OTHER, UNKNOWN))
