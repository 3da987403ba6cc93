"""The totals of one account: counters and histograms, which continue after a restart from the stored values."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import product

from exporter.causes import CAUSES
from exporter.config import Buckets
from exporter.model import DEFINITIONS, JOB_FINAL, KNOWN_DEFINITIONS, OTHER, TASK_FINAL, UNKNOWN, Job
from exporter.snapshot import Exemplar, HistogramView, Key, Total, TotalsView

TRIGGERS = ("Auto", "Manual")
PRIORITIES = LOW, DEFAULT, HIGH = "low", "default", "high"
"""Classes of the priority of a task: below 6, 6, above 6."""
SUSPICIONS = ("no_bytes", "bitrate", "truncated")
MAX_DEFINITIONS = 50  # counted by name, further ones that VOD does not document as `other`
MAX_ERROR_CODES = 50
_RATIOS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


class Totals:
    """Starts with the totals that the store has. `stored.held` are those that were not exposed for `hold` seconds.

    A stored histogram whose bounds are not those of `buckets` starts again at zero, like a counter after a reset.
    `clock` gives Unix seconds. An exemplar has the time of counting, not of the finish: Prometheus refuses an exemplar
    that is older than the last one.

    `increase()` of Prometheus does not count the first value of a series. So each total that is new to Prometheus is
    exposed at 0 for `hold` seconds after it was first shown. After a restart this time begins again.
    """

    def __init__(
        self,
        buckets: Buckets | None = None,
        *,
        stored: TotalsView | None = None,
        hold: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._buckets = buckets or Buckets()
        stored = stored or TotalsView()
        counted = [key for key, value in stored.counters.items() if value]
        names = dict.fromkeys(_names(counted, Total.JOBS_FINISHED, 0))
        self._counters = _zeros() | {key: 0.0 for name in names for key in _zeros_of(name)} | dict(stored.counters)
        usable = {key: view for key, view in stored.histograms.items() if view.bounds == _bounds(self._buckets, key[0])}
        zeros = (*_zero_histograms(), *(key for name in names for key in _histograms_of(name)))
        self._histograms = {key: self._empty(key[0]) for key in zeros} | usable
        self._hold = hold
        known = {*stored.counters, *usable} - set(stored.held)
        # The totals that are exposed at 0, with the time at which each was first shown.
        self._held: dict[Key, float | None] = dict.fromkeys(
            key for key in (*self._counters, *self._histograms) if key not in known
        )
        self._definitions = dict.fromkeys((*DEFINITIONS, *_names(self._counters, Total.JOBS_FINISHED, 0)))  # in order
        self._with_histograms = set(names)  # definitions whose histograms exist
        self._error_codes = set(_names(self._counters, Total.JOB_FAILURES, 1))
        self._changed: set[Key] = set()
        self._exemplars: dict[Key, Mapping[int, Exemplar]] = {}
        self._clock = clock
        self._view: TotalsView | None = None  # as long as it has not changed

    @property
    def definitions(self) -> Collection[str]:
        """The definitions that are counted by name."""
        return self._definitions.keys()

    def definition(self, job: Job) -> str:
        """The label value for the job's definition: `unknown` without one.

        After the first 50 definitions, those that VOD does not document are `other`.
        """
        name = job.definition
        if not name:
            return UNKNOWN
        if name not in self._definitions and (name in KNOWN_DEFINITIONS or len(self._definitions) < MAX_DEFINITIONS):
            self._definitions[name] = None
            for key in _zeros_of(name):  # the series exist before the first job of the definition ends
                if key not in self._counters:
                    self._change(key)
                    self._counters[key] = 0.0
        if name not in self._definitions:
            return OTHER
        if name not in self._with_histograms:
            self._with_histograms.add(name)
            for key in _histograms_of(name):
                if key not in self._histograms:
                    self._change(key)
                    self._histograms[key] = self._empty(key[0])
        return name

    def error_code(self, job: Job) -> str:
        """The label value for the job's error code: `unknown` without one, `other` after the first 50 codes."""
        if not job.error_code:
            return UNKNOWN
        if len(self._error_codes) < MAX_ERROR_CODES:
            self._error_codes.add(job.error_code)
        return job.error_code if job.error_code in self._error_codes else OTHER

    def count(self, total: Total, labels: tuple[str, ...], amount: float = 1.0, *, of: str | None = None) -> None:
        """Add `amount` to a counter. `of` is the id of the job or task, if the counter has exemplars."""
        key = (total, labels)
        self._change(key)
        self._counters[key] = self._counters.get(key, 0.0) + amount
        self._changed.add(key)
        self._add_exemplar(key, 0, of, amount)

    def observe(self, total: Total, labels: tuple[str, ...], value: float, *, of: str | None = None) -> None:
        """Add `value` to a histogram. `of` is the id of the job or task, if the histogram has exemplars."""
        key = (total, labels)
        self._change(key)
        before = self._histograms.get(key) or self._empty(total)
        bucket = bisect_left(before.bounds, value)
        counts = (*before.counts[:bucket], before.counts[bucket] + 1, *before.counts[bucket + 1 :])
        self._histograms[key] = HistogramView(before.bounds, counts, before.sum + value)
        self._changed.add(key)
        self._add_exemplar(key, bucket, of, value)

    def show(self, now: float) -> None:
        """Call this at `now` (Unix seconds), before the totals are saved and shown."""
        for key, since in list(self._held.items()):
            if since is None or since > now:  # the clock was set back
                since = self._held[key] = now
            if now - since >= self._hold:
                del self._held[key]
                self._view = None
                if self._counters.get(key) or (key in self._histograms and any(self._histograms[key].counts)):
                    self._changed.add(key)

    def view(self) -> TotalsView:
        """All totals as they are now: the same object as before if nothing has changed."""
        if self._view is None:
            counters, histograms = dict(self._counters), dict(self._histograms)
            self._view = TotalsView(counters, histograms, dict(self._exemplars), frozenset(self._held))
        return self._view

    def take(self) -> TotalsView:
        """The unsaved totals: whole values, not differences. They count as saved, unless they are restored."""
        changed, self._changed = self._changed, set()
        return TotalsView(
            {key: self._counters[key] for key in changed & self._counters.keys()},
            {key: self._histograms[key] for key in changed & self._histograms.keys()},
            held=changed & self._held.keys(),
        )

    def restore(self, taken: TotalsView) -> None:
        """The totals that `take` returned were not saved."""
        self._changed |= taken.counters.keys() | taken.histograms.keys()

    def _empty(self, total: Total) -> HistogramView:
        bounds = _bounds(self._buckets, total)
        return HistogramView(bounds, (0,) * (len(bounds) + 1), 0.0)

    def _change(self, key: Key) -> None:
        """Call this before a total changes."""
        self._view = None
        if key not in self._counters and key not in self._histograms:
            self._held[key] = None

    def _add_exemplar(self, key: Key, bucket: int, of: str | None, value: float) -> None:
        if of is not None:
            self._exemplars[key] = {**self._exemplars.get(key, {}), bucket: Exemplar(of, value, self._clock())}


def _bounds(buckets: Buckets, histogram: Total) -> tuple[float, ...]:
    if histogram is Total.JOB_REALTIME_RATIO:
        return _RATIOS
    return {Total.OUTPUT_BITRATE: buckets.bitrate, Total.OUTPUT_SIZE: buckets.size}.get(histogram, buckets.duration)


def _zeros() -> dict[Key, float]:
    """The counters whose label values are known beforehand. They exist from the start, at zero."""
    tasks = product([Total.TASKS_FINISHED], product(TASK_FINAL, (*TRIGGERS, UNKNOWN)))
    failures = product([Total.TASK_FAILURES], product(CAUSES))
    definitions = (key for name in DEFINITIONS for key in _zeros_of(name))
    return dict.fromkeys((*tasks, *failures, *definitions), 0.0)


def _zero_histograms() -> Iterable[Key]:
    """The histograms with few label values, which are all known. They exist from the start, without observations."""
    yield Total.TASK_FIRST_OUTPUT, ()
    yield from product([Total.TASK_DURATION], product(PRIORITIES))


def _histograms_of(definition: str) -> Iterable[Key]:
    """The histograms that the first successful job of a definition adds to. They exist as soon as there is a job.

    Not from the start, because each of them is a dozen series, and nobody uses all documented definitions.
    """
    yield Total.JOB_DURATION, (definition, "TranscodeSuccess")
    yield from product([Total.JOB_REALTIME_RATIO, Total.OUTPUT_BITRATE, Total.OUTPUT_SIZE], [(definition,)])


def _zeros_of(definition: str) -> Iterable[Key]:
    yield from product([Total.JOBS_FINISHED], product([definition], JOB_FINAL))
    yield Total.OUTPUT_DURATION, (definition,)
    yield from product([Total.SUSPICIOUS_OUTPUTS], product([definition], SUSPICIONS))


def _names(counters: Iterable[Key], total: Total, position: int) -> Iterable[str]:
    """The label values of a total at one position, without `other` and `unknown`."""
    values = (labels[position] for known, labels in counters if known == total)
    return (value for value in values if value not in (OTHER, UNKNOWN))
