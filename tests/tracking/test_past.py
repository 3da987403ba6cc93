"""What was shown an hour and a day ago."""

from __future__ import annotations

from exporter.snapshot import HistogramView, Key, LedgerView, Total, TotalsView
from exporter.tracking.past import DAY, HOUR, POINTS, Past

START = 1_700_000_000.0
KEY: Key = (Total.JOBS_FINISHED, ("HD", "TranscodeFail"))


def view(at: float, count: float = 0.0, unfinished: int = 0) -> LedgerView:
    """A view with a total, and with unfinished jobs beside a finished one."""
    jobs = {("HD", "Transcoding"): unfinished, ("HD", "TranscodeFail"): 1}
    return LedgerView(totals=TotalsView({KEY: count}), job_counts=jobs, taken=START + at)


def test_the_first_view_is_the_start_until_an_hour_has_passed() -> None:
    past = Past()
    past.compared(view(0, 5.0))
    shown = past.compared(view(HOUR - 1, 9.0))
    assert (shown.hour_ago.at, shown.hour_ago.totals.counters) == (START, {KEY: 5.0})
    assert shown.totals.counters == {KEY: 9.0}


def test_later_the_start_is_at_least_an_hour_and_at_least_a_day_ago() -> None:
    """Scrapes every half minute for two days, with one finish in each."""
    past = Past()
    for number in range(int(2 * DAY / 30)):
        now = number * 30.0
        shown = past.compared(view(now, float(number)))
        for earlier, seconds in ((shown.hour_ago, HOUR), (shown.day_ago, DAY)):
            since = START + now - earlier.at
            assert since <= seconds + seconds / POINTS + 30
            assert since >= min(seconds, now)
            assert earlier.totals.counters.get(KEY, 0.0) == (earlier.at - START) / 30
    assert all(len(window._points) <= POINTS + 2 for window in (past._hour, past._day))


def test_the_fewest_unfinished_jobs_since_then_are_known() -> None:
    past = Past()
    for minute, unfinished in enumerate((20, 12, 30, 11)):
        shown = past.compared(view(minute * HOUR / POINTS, unfinished=unfinished))
    assert shown.hour_ago.fewest_unfinished == 11
    for minute in range(4, 80):
        shown = past.compared(view(minute * HOUR / POINTS, unfinished=minute))
    assert shown.hour_ago.fewest_unfinished == 80 - POINTS - 1


def test_a_clock_that_is_set_back_starts_the_past_again() -> None:
    past = Past()
    past.compared(view(DAY, 5.0))
    assert past.compared(view(0, 6.0)).hour_ago.at == START


def test_only_totals_that_are_not_zero_are_kept() -> None:
    empty, full = HistogramView((1.0,), (0, 0), 0.0), HistogramView((1.0,), (1, 0), 1.0)
    histograms: dict[Key, HistogramView] = {
        (Total.JOB_DURATION, (name, "TranscodeSuccess")): found for name, found in (("a", empty), ("b", full))
    }
    totals = TotalsView({KEY: 0.0, (Total.TASK_FAILURES, ("input",)): 2.0}, histograms)
    kept = Past().compared(LedgerView(totals=totals, taken=START)).hour_ago.totals
    assert (kept.counters, [labels for _, labels in kept.histograms]) == ({}, [("b", "TranscodeSuccess")])
