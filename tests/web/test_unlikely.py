"""Outputs that are empty, or have an unusual bitrate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.model import Job, Output
from exporter.snapshot import Earlier, HistogramView, Key, LedgerView, Total, TotalsView
from exporter.web.thresholds import BITRATE_FACTOR, BITRATE_MINIMUM
from exporter.web.unlikely import is_unlikely, usual_bitrates

KEY: Key = (Total.OUTPUT_BITRATE, ("HD",))
USUAL = {"HD": 1e6}


def totals(count: int, total: float) -> TotalsView:
    return TotalsView(histograms={KEY: HistogramView((1e6,), (count, 0), total)})


def test_the_usual_bitrate_is_the_mean_of_the_last_day() -> None:
    view = LedgerView(totals=totals(30, 40e6), day_ago=Earlier(1.0, totals(30 - BITRATE_MINIMUM, 20e6)))
    assert usual_bitrates(view) == {"HD": 20e6 / BITRATE_MINIMUM}
    assert usual_bitrates(replace(view, day_ago=Earlier(1.0, totals(31 - BITRATE_MINIMUM, 20e6)))) == {}


@pytest.mark.parametrize(
    ("size", "bitrate", "unlikely"),
    [
        (0, None, True),
        (1, None, False),
        (None, 1e6 * BITRATE_FACTOR, False),
        (None, 1e6 * BITRATE_FACTOR + 1, True),
        (None, 1e6 / BITRATE_FACTOR, False),
        (None, 1e6 / BITRATE_FACTOR - 1, True),
    ],
)
def test_an_empty_output_or_one_far_from_the_usual_bitrate_is_unlikely(
    size: int | None, bitrate: float | None, unlikely: bool
) -> None:
    job = Job("j", "HD", "TranscodeSuccess", output=Output(size=size, bitrate=bitrate))
    assert is_unlikely(job, USUAL) == unlikely
    assert not is_unlikely(replace(job, status="TranscodeFail"), USUAL)
    assert is_unlikely(replace(job, definition="SD"), USUAL) == (size == 0)
