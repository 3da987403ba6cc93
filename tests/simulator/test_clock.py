"""The world's clock: speed, standing still, and wall-clock times that never change once reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.clock import Clock


def test_speed_compresses_the_world_and_reported_times_are_wall_clock() -> None:
    at = [5.0]
    clock = Clock(speed=60, started=1000.0, monotonic=lambda: at[0])
    at[0] += 2
    assert clock.now() == 120
    assert clock.wall(120) == 1002
    assert clock.wall(-60) == 999


def test_frozen_world_stands_still_and_goes_on_where_it_stood() -> None:
    at = [0.0]
    clock = Clock(speed=10, started=1000.0, monotonic=lambda: at[0])
    at[0] = 3
    clock.freeze()
    clock.freeze()
    at[0] = 9
    assert (clock.frozen, clock.now()) == (True, 30)
    clock.resume()
    clock.resume()
    at[0] = 10
    assert (clock.frozen, clock.now()) == (False, 40)
    assert clock.wall(30) == 1003, "what had happened keeps its time"
    assert clock.wall(40) == 1010, "the present has the present time"


@given(st.lists(st.tuples(st.sampled_from(["freeze", "resume", "pass"]), st.integers(0, 5)), max_size=30))
def test_time_never_goes_back_and_reported_times_stay(moves: list[tuple[str, int]]) -> None:
    at = [0.0]
    clock = Clock(speed=4, started=1000.0, monotonic=lambda: at[0])
    reported: list[tuple[float, float]] = []
    for move, seconds in moves:
        if move != "pass":
            getattr(clock, move)()
        at[0] += seconds
        reported.append((clock.now(), clock.wall(clock.now())))
    assert reported == sorted(reported)
    assert [wall for _, wall in reported] == [clock.wall(second) for second, _ in reported]
    assert all(wall <= 1000 + at[0] for _, wall in reported), "no time is in the future"


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_speed_without_sense_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Clock(speed=speed)
