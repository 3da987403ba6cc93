"""What was counted since an earlier view."""

from __future__ import annotations

from exporter.snapshot import Earlier, HistogramView, Key, LedgerView, Total, TotalsView
from exporter.web.recent import counted, observed

FINISHED: Key = (Total.JOBS_FINISHED, ("HD", "TranscodeFail"))
BITRATE: Key = (Total.OUTPUT_BITRATE, ("HD",))


def test_counters_are_compared_with_the_earlier_ones() -> None:
    other: Key = (Total.JOBS_FINISHED, ("SD", "TranscodeFail"))
    view = LedgerView(totals=TotalsView({FINISHED: 7.0, other: 3.0, (Total.TASK_FAILURES, ("input",)): 9.0}))
    assert counted(view, Earlier(0.0), Total.JOBS_FINISHED) == {FINISHED[1]: 7, other[1]: 3}
    assert counted(view, Earlier(1.0, TotalsView({FINISHED: 5.0, other: 3.0})), Total.JOBS_FINISHED) == {FINISHED[1]: 2}


def test_histograms_are_compared_bucket_by_bucket() -> None:
    view = LedgerView(totals=TotalsView(histograms={BITRATE: HistogramView((1.0, 2.0), (4, 5, 6), 30.0)}))
    then = Earlier(1.0, TotalsView(histograms={BITRATE: HistogramView((1.0, 2.0), (4, 3, 5), 20.0)}))
    assert list(observed(view, then, Total.OUTPUT_BITRATE)) == [(("HD",), HistogramView((1.0, 2.0), (0, 2, 1), 10.0))]
    assert list(observed(view, then, Total.OUTPUT_SIZE)) == []


def test_a_histogram_with_other_bounds_is_a_new_one() -> None:
    now = HistogramView((1.0, 3.0), (1, 0, 0), 1.0)
    view = LedgerView(totals=TotalsView(histograms={BITRATE: now}))
    then = Earlier(1.0, TotalsView(histograms={BITRATE: HistogramView((1.0, 2.0), (1, 0, 0), 1.0)}))
    assert list(observed(view, then, Total.OUTPUT_BITRATE)) == [(("HD",), now)]
