"""The deadline of a scrape, and the scrape-timeout header that it comes from."""

from __future__ import annotations

import math

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from exporter.deadline import Deadline, Reserve, scrape_timeout


def test_a_header_that_is_no_positive_finite_number_counts_as_absent() -> None:
    """Then the configured limit holds (faults 8)."""
    for header in [None, "", " ", "nan", "inf", "-inf", "infinity", "-1", "0", "-0", "1e400", "abc", "3s"]:
        assert scrape_timeout(header, offset=0.5, limit=10) == 10


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("3", 2.5),  # faults 7
        ("10", 9.5),
        ("15", 10),  # never over the limit
        ("1e3", 10),
        ("0.8", 0.4),  # the offset would leave less than half
        ("0.5", 0.25),
        ("1e-300", 5e-301),
    ],
)
def test_the_offset_is_subtracted_and_the_limit_holds(header: str, expected: float) -> None:
    assert scrape_timeout(header, offset=0.5, limit=10) == pytest.approx(expected)


@given(header=st.none() | st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_header_gives_a_time_within_the_limit(header: str | None) -> None:
    """There is no exception, and the time is never over the limit."""
    timeout = scrape_timeout(header, offset=0.5, limit=10)

    assert math.isfinite(timeout)
    assert 0 <= timeout <= 10


def test_the_remaining_time_falls_to_zero_and_stays_there() -> None:
    deadline = Deadline.after(60)

    assert 59 < deadline.remaining() <= 60
    assert not deadline.expired
    assert Deadline.after(-1).remaining() == 0
    assert Deadline.after(-1).expired


def test_a_change_of_the_wall_clock_does_not_move_a_deadline() -> None:
    """The deadline is on the monotonic clock (faults 14)."""
    deadline = Deadline.after(60)
    with time_machine.travel("2030-01-01T00:00:00Z"):
        assert 59 < deadline.remaining() <= 60


def test_earlier_deadlines_sort_first() -> None:
    assert min(Deadline(2.0), Deadline(1.0)) == Deadline(1.0)


def kept_back(reserve: Reserve, size: int, *, of: float = 100.0) -> float:
    """The seconds that a scrape with `of` seconds left keeps back."""
    deadline = Deadline.after(of)
    return round(deadline.at - reserve.before(deadline, size, since=deadline.at - of).at, 6)


def test_the_time_that_is_kept_back_grows_with_the_number_of_items() -> None:
    """Seen: with 100,000 jobs, a deadline of 10 s slipped to 10.4 s."""
    reserve = Reserve(0.0001, least=0.25)
    guessed = [kept_back(reserve, size) for size in (0, 1000, 100_000)]
    reserve.took(2.0, 10_000)
    measured = [kept_back(reserve, size) for size in (0, 10_000, 100_000)]

    assert guessed == [0.25, 0.25, 10.0]
    assert measured == [2.0, 2.0, 20.0]
    assert kept_back(reserve, 1_000_000, of=1e6) == 200.0
    assert kept_back(reserve, 100_000, of=10.0) <= 5.0


def test_at_most_half_of_the_whole_time_is_kept_back_also_near_its_end() -> None:
    """Else the deadline would move on while a scrape waits for it."""
    deadline = Deadline.after(1.0)

    assert Reserve(1.0).before(deadline, 100, since=deadline.at - 10.0) == deadline.less(5.0)


def test_a_slow_step_is_forgotten_slowly_and_few_items_say_nothing() -> None:
    reserve = Reserve(0.0)
    reserve.took(10.0, 10_000)
    after = []
    for _ in range(3):
        reserve.took(0.0, 10_000)
        after.append(kept_back(reserve, 10_000))
    few = Reserve(0.0)
    few.took(0.5, 1)

    assert after == [9.0, 8.1, 7.29]
    assert kept_back(few, 10_000) == 5.0
