"""Scenarios look like what they are called."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from exporter.simulator.scenario import SCENARIOS, Outage, arrivals, named


def test_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(
        ValueError,
        match=r"unknown scenario 'steadi'; known are burst, failures, late, outage, steady, stuck, throttled$",
    ):
        named("steadi")


def test_steady_brings_four_to_six_tasks_a_minute() -> None:
    times = list(islice(arrivals(SCENARIOS["steady"], seed=1), 3000))
    assert times == sorted(times)
    assert 4 < 3000 / ((times[-1] - times[0]) / 60) < 6


def test_burst_brings_its_tasks_together() -> None:
    scenario = SCENARIOS["burst"]
    times = list(islice(arrivals(scenario, seed=1), 1000))
    assert times == sorted(times)
    gaps = sorted(later - earlier for earlier, later in pairwise(times))
    assert gaps[len(gaps) // 2] < 1, "most tasks come in a burst"
    assert gaps[-1] > 30, "and the rest one at a time"


def test_arrivals_are_made_by_the_seed() -> None:
    def first(seed: int) -> list[float]:
        return list(islice(arrivals(SCENARIOS["burst"], seed=seed), 200))

    assert first(7) == first(7)
    assert first(7) != first(8)


def test_an_outage_begins_lasts_ends_and_comes_again() -> None:
    outage = Outage(after=120.0, lasts=900.0, every=1800.0)
    seen = [second for second in range(0, 4000, 10) if outage.on(second)]
    assert seen == [*range(120, 1020, 10), *range(1920, 2820, 10), *range(3720, 4000, 10)]


@pytest.mark.parametrize("scenario", ["stuck", "throttled", "outage", "late"])
def test_nothing_fails_where_something_else_is_to_be_seen(scenario: str) -> None:
    shown = SCENARIOS[scenario]
    assert (shown.job_failure_share, shown.task_failure_share, shown.bad_source_share) == (0, 0, 0)
