"""Speed, estimated end, and jobs that stand still or are slow."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Job
from exporter.snapshot import Earlier, HistogramView, LedgerView, Total, TotalsView
from exporter.web.pace import is_slow, per_minute, remaining, stands_still, usual_durations
from exporter.web.thresholds import SLOW_FACTOR, SLOW_SECONDS, STUCK_SECONDS

NOW = 1_700_000_000.0
RUNNING = Job("j", "HD", "Transcoding", 0.25, created=NOW - 300)


def view(*counts: int, bounds: tuple[float, ...] = (100.0, 600.0)) -> LedgerView:
    histogram = HistogramView(bounds, counts, 0.0)
    return LedgerView(totals=TotalsView(histograms={(Total.JOB_DURATION, ("HD", "TranscodeSuccess")): histogram}))


def test_a_job_that_goes_on_as_fast_needs_as_long_for_the_rest() -> None:
    assert remaining(RUNNING, NOW) == pytest.approx(900.0)
    assert per_minute(RUNNING, NOW) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"progress": None},
        {"progress": 0.0},
        {"created": None},
        {"created": NOW},
        {"created": NOW + 60},
        {"status": "TranscodeSuccess"},
    ],
)
def test_without_progress_or_time_nothing_is_estimated(changes: dict[str, object]) -> None:
    job = replace(RUNNING, **changes)  # type: ignore[arg-type]
    assert remaining(job, NOW) is None
    assert per_minute(job, NOW) is None


@given(st.floats(0.01, 1.0), st.floats(1.0, 1e6))
def test_speed_and_estimated_end_agree(progress: float, age: float) -> None:
    job = replace(RUNNING, progress=progress, created=NOW - age)
    left, speed = remaining(job, NOW), per_minute(job, NOW)
    assert left is not None
    assert speed is not None
    assert progress + left / 60 * speed == pytest.approx(1.0)


def test_a_started_job_stands_still_after_half_an_hour_without_progress() -> None:
    since = NOW - STUCK_SECONDS
    assert stands_still(RUNNING, since, NOW)
    assert not stands_still(RUNNING, since + 1, NOW)
    assert not stands_still(RUNNING, None, NOW)
    assert not stands_still(replace(RUNNING, progress=0.0), since, NOW)
    assert not stands_still(replace(RUNNING, status="TranscodeFail"), since, NOW)


def usual(*counts: int) -> dict[str, float]:
    return usual_durations(view(*counts))


def test_the_usual_duration_is_the_95th_percentile_of_twenty_jobs_or_more() -> None:
    assert usual(19, 0, 0) == {}
    assert usual(20, 0, 0) == {"HD": pytest.approx(95.0)}
    assert usual(10, 10, 0) == {"HD": pytest.approx(550.0)}
    assert usual(0, 0, 20) == {"HD": 600.0}  # as histogram_quantile: the last bound


def test_the_usual_duration_is_that_of_the_last_day() -> None:
    """Today jobs that were counted months ago, by another template, decide what is slow."""
    now, then = view(1000, 25, 0), view(1000, 5, 0)
    day_ago = Earlier(NOW - 86_400, then.totals)
    assert usual_durations(replace(now, day_ago=day_ago)) == {"HD": pytest.approx(575.0)}
    assert usual_durations(replace(then, day_ago=day_ago)) == {}


def test_failed_jobs_do_not_make_the_usual_duration_shorter() -> None:
    histogram = HistogramView((100.0,), (50, 0), 0.0)
    totals = TotalsView(histograms={(Total.JOB_DURATION, ("HD", "TranscodeFail")): histogram})
    assert usual_durations(LedgerView(totals=totals)) == {}


def test_a_job_is_slow_beyond_three_times_the_usual_duration() -> None:
    durations = {"HD": 500.0}
    limit = SLOW_FACTOR * 500.0
    assert is_slow(replace(RUNNING, created=NOW - limit - 1), durations, NOW)
    assert not is_slow(replace(RUNNING, created=NOW - limit), durations, NOW)
    assert not is_slow(replace(RUNNING, created=NOW - SLOW_SECONDS), {"HD": 1.0}, NOW)
    assert not is_slow(replace(RUNNING, created=NOW - 1e6), {"SD": 1.0}, NOW)
    assert not is_slow(replace(RUNNING, created=NOW - 1e6, status="TranscodeFail"), durations, NOW)
