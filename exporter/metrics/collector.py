"""A snapshot as the metric families of `prometheus_client`.

The exporter uses the families only for the `# HELP`, `# TYPE` and `# UNIT` lines; `lines` writes the samples, because
`prometheus_client` is too slow for thousands of jobs. The tests compare the two byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain

from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.metrics import catalog
from exporter.metrics.catalog import Metric
from exporter.metrics.rows import Exemplified, Row, account_rows, elsewhere_rows
from exporter.snapshot import HistogramView, Snapshot

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


class TranscodeCollector(Collector):
    """Makes families from what `snapshot` returns. Can be registered in any registry.

    `describe` does not call `snapshot`, so registering the collector does not call VOD. One job gives, among others::

        vod_up{account="prod"} 1.0
        vod_transcode_jobs{account="prod",definition="HD",status="Transcoding"} 1.0
        vod_transcode_job_progress_ratio{account="prod",job_id="38f0e513c88",definition="HD"} 0.42
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Family]:
        """Every family without samples. The registry takes their names from here, so it makes no snapshot."""
        return families(catalog.COLLECTED, ())

    def collect(self) -> Iterable[Family]:
        """Every family, with the samples of a new snapshot."""
        snapshot = self._snapshot()
        rows = (row for account in snapshot.accounts for row in account_rows(account))
        return families(catalog.COLLECTED, chain(rows, elsewhere_rows(snapshot)))


def families(metrics: Sequence[Metric], rows: Iterable[Row]) -> Iterable[Family]:
    """A family of each metric, with the samples of the rows. Each row has one of `metrics`."""
    made = {metric: _family(metric) for metric in metrics}
    for metric, labels, value in rows:
        if value is not None:
            _add(made[metric], labels, value)
    return made.values()


def _family(metric: Metric) -> Family:
    match metric.type:
        case "counter":
            return CounterMetricFamily(metric.family, metric.help, labels=metric.labels, unit=metric.unit)
        case "histogram":
            return HistogramMetricFamily(metric.family, metric.help, labels=metric.labels, unit=metric.unit)
        case _:
            return GaugeMetricFamily(metric.family, metric.help, labels=metric.labels, unit=metric.unit)


def _add(family: Family, labels: Sequence[str], value: float | HistogramView | Exemplified) -> None:
    value, exemplars = value if isinstance(value, Exemplified) else Exemplified(value, {})
    if isinstance(value, HistogramView):
        assert isinstance(family, HistogramMetricFamily)  # noqa: S101 - only histograms have such values; mypy cannot know
        family.add_metric(labels, _cumulative(value, exemplars), value.sum)
    elif isinstance(family, CounterMetricFamily):
        family.add_metric(labels, value, exemplar=exemplars.get(0))
    elif isinstance(family, GaugeMetricFamily):
        family.add_metric(labels, value)


def _cumulative(
    histogram: HistogramView, exemplars: Mapping[int, Exemplar]
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    buckets = enumerate(zip(bounds, accumulate(histogram.counts), strict=True))
    return [(*bucket, exemplars[place]) if place in exemplars else bucket for place, bucket in buckets]
