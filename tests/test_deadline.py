"""The time budget, and what of the scrape-timeout header is believed."""

from __future__ import annotations

import math

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from exporter.deadline import Deadline, scrape_timeout


@pytest.mark.parametrize(
    "header", [None, "", " ", "nan", "inf", "-inf", "infinity", "-1", "0", "-0", "1e400", "abc", "3s"]
)
def test_header_that_is_no_positive_finite_number_counts_as_absent(header: str | None) -> None:
    """faults 8: the configured limit holds, as if Prometheus had said nothing."""
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
def test_header_less_offset_at_most_the_limit(header: str, expected: float) -> None:
    assert scrape_timeout(header, offset=0.5, limit=10) == pytest.approx(expected)


@given(header=st.none() | st.text() | st.floats().map(str) | st.integers().map(str))
def test_any_header_gives_a_time_to_work_in(header: str | None) -> None:
    """Never an exception, never nothing, never over the limit."""
    told = scrape_timeout(header, offset=0.5, limit=10)

    assert math.isfinite(told)
    assert 0 <= told <= 10


def test_deadline_runs_down_to_nothing_and_stays_there() -> None:
    deadline = Deadline.after(60)

    assert 59 < deadline.remaining() <= 60
    assert not deadline.expired
    assert Deadline.after(-1).remaining() == 0
    assert Deadline.after(-1).expired


def test_deadline_does_not_mind_the_clock_being_set() -> None:
    """faults 14: an hour back or a day forward on the wall clock moves no deadline."""
    deadline = Deadline.after(60)
    with time_machine.travel("2030-01-01T00:00:00Z"):
        assert 59 < deadline.remaining() <= 60


def test_earlier_deadlines_sort_first() -> None:
    assert min(Deadline(2.0), Deadline(1.0)) == Deadline(1.0)
