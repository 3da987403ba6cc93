"""What was counted within the last hour or day: the totals now minus the totals at its start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from exporter.snapshot import Earlier, HistogramView, LedgerView, Total


def counted(view: LedgerView, since: Earlier, total: Total) -> Counter[tuple[str, ...]]:
    """What a counter has added since, by its label values. Label values without a finish are left out."""
    then = since.totals.counters
    added = ((key, value - then.get(key, 0.0)) for key, value in view.totals.counters.items() if key[0] is total)
    return Counter({labels: round(value) for (_, labels), value in added if value > 0})


def observed(view: LedgerView, since: Earlier, total: Total) -> Iterator[tuple[tuple[str, ...], HistogramView]]:
    """What a histogram has observed since, by its label values."""
    for key, now in view.totals.histograms.items():
        if key[0] is total:
            then = since.totals.histograms.get(key)
            yield key[1], now if then is None or then.bounds != now.bounds else _less(now, then)


def _less(now: HistogramView, then: HistogramView) -> HistogramView:
    counts = tuple(count - before for count, before in zip(now.counts, then.counts, strict=True))
    return HistogramView(now.bounds, counts, now.sum - then.sum)
