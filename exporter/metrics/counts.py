"""The counters and histograms of the exporter's own work."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from exporter.metrics.catalog import Metric
from exporter.metrics.collector import families
from exporter.metrics.rows import Row
from exporter.snapshot import HistogramView

_Series = tuple[Metric, tuple[str, ...]]


class Counts:
    """Series in the order of their first count. Safe to use from several threads.

    `increase()` of Prometheus does not count the first value of a series, so a series is shown at 0 for `hold` seconds
    after it was first shown. `clock` is monotonic, in seconds. `bounds` are those of all histograms.
    """

    def __init__(self, *, hold: float, clock: Callable[[], float], bounds: tuple[float, ...] = ()) -> None:
        self._hold = hold
        self._clock = clock
        self._empty = HistogramView(bounds, (0,) * (len(bounds) + 1), 0.0)
        self._lock = threading.Lock()
        self._counters: dict[_Series, float] = {}
        self._histograms: dict[_Series, HistogramView] = {}
        self._held: dict[_Series, float | None] = {}  # with the time at which each was first shown

    def count(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Add `amount` to a counter. With 0, the series begins before there is something to count."""
        series = metric, labels
        with self._lock:
            if series not in self._counters:
                self._held[series] = None
            self._counters[series] = self._counters.get(series, 0.0) + amount

    def observe(self, metric: Metric, *labels: str, value: float | None) -> None:
        """Add `value` to a histogram. With None, the series begins without an observation."""
        series = metric, labels
        with self._lock:
            if series not in self._histograms:
                self._held[series] = None
            before = self._histograms.setdefault(series, self._empty)
            if value is not None:
                counts = list(before.counts)
                counts[bisect_left(before.bounds, value)] += 1
                self._histograms[series] = HistogramView(before.bounds, tuple(counts), before.sum + value)

    def rows(self) -> list[Row]:
        """The values to show now."""
        with self._lock:
            values: dict[_Series, float | HistogramView] = {**self._counters, **self._histograms}
            for series in self._still_held(self._clock()):
                values[series] = self._empty if series in self._histograms else 0.0
        return [(metric, labels, value) for (metric, labels), value in values.items()]

    def _still_held(self, now: float) -> Iterable[_Series]:
        first_shown = {series: now if since is None else since for series, since in self._held.items()}
        self._held = {series: since for series, since in first_shown.items() if now - since < self._hold}
        return self._held


class Own(Collector):
    """What the exporter says about itself: `rows` are values of `metrics`, and `others` has everything else.

    `Exposition` writes the rows, because `prometheus_client` is too slow for those of many accounts. `collect` returns
    the same as families of `prometheus_client`.
    """

    def __init__(
        self,
        metrics: Sequence[Metric] = (),
        rows: Callable[[], Iterable[Row]] = tuple,
        *,
        others: Collector | None = None,
    ) -> None:
        self.metrics = metrics
        self.rows = rows
        self.others = others or CollectorRegistry()

    def collect(self) -> Iterable[Family]:
        """The families of `metrics` in this order, and the others."""
        yield from families(self.metrics, self.rows())
        yield from self.others.collect()
