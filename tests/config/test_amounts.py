"""Numbers and durations: their ranges, and values from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from exporter.config import (
    Buckets,
)
from tests.config.conftest import MINIMAL, faults, load


@pytest.mark.parametrize("count", [1, 50])
def test_a_histogram_has_1_to_50_bounds(count: int, tmp_path: Path) -> None:
    bounds = list(range(1, count + 1))
    loaded = load(MINIMAL + f"series: {{buckets: {{size: {bounds}}}}}\n", tmp_path)
    assert loaded.series.buckets.size == tuple(map(float, bounds))
    assert loaded.series.buckets.bitrate == Buckets().bitrate


@pytest.mark.parametrize(
    ("lookback", "interval", "give_up", "seconds"),
    [("10m", "5s", "1h", (600.0, 5.0, 3600.0)), ("30d", "1h", "365d", (2592000.0, 3600.0, 31536000.0))],
)
def test_the_ranges_include_their_ends(
    lookback: str, interval: str, give_up: str, seconds: tuple[float, ...], tmp_path: Path
) -> None:
    text = f"    track: {{discovery: {{lookback: {lookback}, interval: {interval}}}, give_up_after: {give_up}}}\n"
    track = load(MINIMAL + text, tmp_path).accounts[0].track
    assert (track.discovery.lookback, track.discovery.interval, track.give_up_after) == seconds


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0.0])
def test_no_bound_is_infinite(value: float) -> None:
    with pytest.raises(ValidationError):
        Buckets(size=(1.0, value))


def test_numbers_durations_and_booleans_may_come_from_the_environment(tmp_path: Path) -> None:
    text = MINIMAL + "scrape: {timeout: '${T}', concurrency: '${C}'}\nseries: {per_job: '${P}'}\n"
    loaded = load(text, tmp_path, {"T": "7s", "C": "3", "P": "false"})
    assert (loaded.scrape.timeout, loaded.scrape.concurrency, loaded.series.per_job) == (7.0, 3, False)


@pytest.mark.parametrize("key", ["timeout: '${V}'", "concurrency: '${V}'", "offset: ${V}", "concurrency: x${V}"])
def test_a_wrong_value_from_the_environment_is_shown_as_written(key: str, tmp_path: Path) -> None:
    (fault,) = faults(MINIMAL + f"scrape:\n  {key}\n", tmp_path, {"V": "CANARY"})
    assert "${V}" in fault
    assert "CANARY" not in fault
