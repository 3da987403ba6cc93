"""The budget: never more calls than the rate for each operation; it slows down when throttled, and recovers."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.deadline import Deadline
from exporter.errors import BudgetSpent, DeadlineError
from exporter.vod.limiter import Limiter

NEVER = Deadline(1e12)
GET = "GetTranscodeTask"


class Made:
    """A limiter with a clock that only the test moves."""

    def __init__(self, rate: float) -> None:
        self.now = 1000.0
        self.limiter = Limiter(rate, clock=lambda: self.now)

    def turn(self, action: str = GET, deadline: Deadline = NEVER) -> float:
        """Take a turn and return its time."""
        return self.limiter.turn(action, deadline).at

    def turns(self, count: int) -> list[float]:
        return [self.turn() for _ in range(count)]


def most_in_a_second(turns: list[float]) -> int:
    """The maximum number of calls within a second. A thousandth is left for rounding."""
    return max(sum(begin <= turn < begin + 0.999 for turn in turns) for begin in turns)


def test_calls_are_spaced_evenly_without_a_burst_and_the_first_does_not_wait() -> None:
    assert Made(4).turns(5) == [1000.0, 1000.25, 1000.5, 1000.75, 1001.0]


def test_idle_time_is_not_saved_up() -> None:
    made = Made(4)
    made.turn()
    made.now += 3600
    assert made.turns(3) == [4600.0, 4600.25, 4600.5]


@pytest.mark.parametrize(("rate", "seconds"), [(0.1, 10.0), (0.5, 2.0), (2.5, 0.4)])
def test_fractions_of_a_call_are_spaces_of_time(rate: float, seconds: float) -> None:
    assert Made(rate).turns(3) == pytest.approx([1000, 1000 + seconds, 1000 + 2 * seconds])


def test_operations_do_not_share_their_budget() -> None:
    made = Made(1)
    assert [made.turn(action) for action in (GET, "ListTranscodeTask", "GetVideoList")] == [1000.0] * 3


def test_a_call_after_the_deadline_is_refused_and_takes_no_turn() -> None:
    made = Made(1)
    made.turn()
    for _ in range(10):
        with pytest.raises(BudgetSpent, match="GetTranscodeTask: no call left in the budget") as caught:
            made.turn(deadline=Deadline(1001.0))
        assert caught.value.code == "budget"
    assert made.turn(deadline=Deadline(1001.1)) == 1001.0


def test_a_spent_budget_is_a_deadline_error() -> None:
    assert issubclass(BudgetSpent, DeadlineError)


def test_an_ended_deadline_is_refused_even_with_budget() -> None:
    with pytest.raises(BudgetSpent):
        Made(1).turn(deadline=Deadline(1000.0))


def test_many_threads_get_different_turns() -> None:
    """Twenty threads with twenty calls each take 400 turns, none closer to the next than the rate allows."""
    made = Made(8)  # an eighth is exact in binary

    class Slow:
        """A deadline that lets other threads run at the moment between reading a turn and taking it."""

        @property
        def at(self) -> float:
            time.sleep(0.0001)
            return NEVER.at

    slow: Any = Slow()
    with ThreadPoolExecutor(20) as pool:
        turns = [one.result() for one in [pool.submit(made.turn, GET, slow) for _ in range(400)]]
    assert sorted(turns) == [1000 + turn / 8 for turn in range(400)]


@given(rate=st.floats(0.05, 200), taken=st.integers(0, 30), seconds=st.floats(0, 30))
def test_calls_within_a_time_are_the_turns_before_its_end(rate: float, taken: int, seconds: float) -> None:
    made = Made(rate)
    made.turns(taken)
    fitting = made.limiter.calls_within(GET, seconds)
    turns = 0
    with suppress(BudgetSpent):
        while True:
            made.turn(deadline=Deadline(made.now + seconds))
            turns += 1
    assert abs(fitting - turns) <= 1  # a turn may be exactly at the end
    assert fitting <= seconds * rate + 1


# Throttling


def test_a_throttled_call_halves_the_rate_of_its_operation_alone() -> None:
    made = Made(10)
    made.limiter.throttled(GET)

    assert made.limiter.rate(GET) == 5
    assert made.limiter.rate("GetVideoList") == 10
    assert made.turns(3) == pytest.approx([1000.2, 1000.4, 1000.6], abs=0.01)


def test_the_rate_recovers_by_a_fiftieth_a_second_up_to_the_full_rate() -> None:
    made = Made(10)
    made.limiter.throttled(GET)
    rates = []
    for _ in range(4):
        made.now += 10
        rates.append(made.limiter.rate(GET))

    assert rates == pytest.approx([7, 9, 10, 10])
    assert made.turns(2) == pytest.approx([1040.0, 1040.1])


def test_calls_throttled_within_a_second_slow_it_down_once() -> None:
    made = Made(16)
    rates = []
    for seconds in (0, 0, 0.9, 0.2, 2):
        made.now += seconds
        made.limiter.throttled(GET)
        rates.append(made.limiter.rate(GET))

    assert rates == pytest.approx([8, 8, 8.288, 4.176, 2.408], abs=0.001)


def test_a_tenth_of_the_rate_is_left_after_many_throttled_calls() -> None:
    made = Made(10)
    for _ in range(100):
        made.limiter.throttled(GET)
        made.now += 1.0
    made.limiter.throttled(GET)

    assert made.limiter.rate(GET) == pytest.approx(1.0)


@pytest.mark.parametrize(("asked", "waited"), [(None, 0.2), (0.0, 0.2), (7.0, 7.0), (99_999.0, 60.0)])
def test_retry_after_holds_the_operation_for_at_most_a_minute(asked: float | None, waited: float) -> None:
    made = Made(10)
    made.limiter.throttled(GET, retry_after=asked)

    assert made.turn() == pytest.approx(1000 + waited)


def test_earlier_turns_are_void_while_the_operation_is_held() -> None:
    made = Made(10)
    turn, other = made.limiter.turn(GET, NEVER), made.limiter.turn("GetVideoList", NEVER)
    made.limiter.throttled(GET, retry_after=3.0)
    made.now += 0.4
    void = made.limiter.is_void(GET, turn), made.limiter.is_void("GetVideoList", other)
    made.now += 2.7

    assert void == (True, False)
    assert not made.limiter.is_void(GET, turn)


def test_an_urgent_call_takes_the_turn_of_the_call_that_waits_longest() -> None:
    """That call takes a later turn, so the pace stays the same."""
    made = Made(10)
    sent, *waiting = [made.limiter.turn(GET, NEVER) for _ in range(4)]
    made.now += 0.01
    urgent = [made.limiter.turn(GET, NEVER, urgent=True).at for _ in range(2)]

    assert urgent == [waiting[0].at, waiting[1].at] == pytest.approx([1000.1, 1000.2])
    assert [made.limiter.is_void(GET, turn) for turn in (sent, *waiting)] == [False, True, True, False]
    assert [made.turn() for _ in range(2)] == pytest.approx([1000.4, 1000.5])


def test_an_urgent_call_takes_no_turn_of_another_urgent_call_or_operation() -> None:
    made = Made(10)
    made.turn()
    made.turn("GetVideoList")
    waiting = made.limiter.turn("GetVideoList", NEVER)
    urgent = [made.limiter.turn(GET, NEVER, urgent=True) for _ in range(3)]

    assert [turn.at for turn in urgent] == pytest.approx([1000.1, 1000.2, 1000.3])
    assert not any(made.limiter.is_void(GET, turn) for turn in urgent)
    assert not made.limiter.is_void("GetVideoList", waiting)


def test_an_urgent_call_waits_for_no_turn_that_has_come() -> None:
    made = Made(10)
    made.turns(3)
    made.now += 5.0

    assert made.limiter.turn(GET, NEVER, urgent=True).seconds == 0.0


def test_a_processor_that_is_too_busy_to_send_calls_in_time_halves_their_rate() -> None:
    """Scrapes were answered after 9 s while 60 accounts used their full quota."""
    made, halved = Made(10), list[bool]()
    for _ in range(60):
        turn = made.limiter.turn(GET, NEVER)
        made.now = turn.at + 0.5
        halved.append(made.limiter.came(GET, turn))

    assert halved.count(True) == 1
    assert halved.index(True) > 20
    assert made.limiter.rate(GET) < 10
    assert made.limiter.rate("GetVideoList") == 10


@pytest.mark.parametrize("late", [[0.1] * 200, [0.0] * 20 + [5.0] + [0.0] * 20], ids=["a little", "once"])
def test_calls_that_are_a_little_late_or_late_once_keep_their_rate(late: list[float]) -> None:
    made = Made(10)
    for seconds in late:
        turn = made.limiter.turn(GET, NEVER)
        made.now = turn.at + seconds
        assert not made.limiter.came(GET, turn)

    assert made.limiter.rate(GET) == 10


@given(
    rate=st.floats(0.05, 200),
    steps=st.lists(
        st.tuples(
            st.sampled_from([GET, "GetVideoList"]), st.floats(0, 3), st.floats(-1, 5), st.sampled_from([None, 0.0, 2.0])
        ),
        min_size=1,
        max_size=60,
    ),
    throttles=st.sets(st.integers(0, 59)),
)
def test_no_window_holds_more_than_the_rate(
    rate: float, steps: list[tuple[str, float, float, float | None]], throttles: set[int]
) -> None:
    """This holds for any calls with any deadlines: operations are separate, and no turn is after the deadline."""
    made = Made(rate)
    turns: dict[str, list[float]] = {}
    for number, (action, pause, patience, retry_after) in enumerate(steps):
        made.now += pause
        deadline = Deadline(made.now + patience)
        if number in throttles:
            made.limiter.throttled(action, retry_after=retry_after)
        with suppress(BudgetSpent):
            turn = made.turn(action, deadline)
            assert made.now <= turn < deadline.at
            turns.setdefault(action, []).append(turn)
    for of_action in turns.values():
        gaps = [later - earlier for earlier, later in pairwise(of_action)]
        assert all(gap >= 1 / rate - 1e-6 for gap in gaps)
        assert most_in_a_second(of_action) <= math.ceil(rate + 1e-6)
