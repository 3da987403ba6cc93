"""The budget: never more calls than the rate, apart for each operation; what does not fit is refused at once."""

from __future__ import annotations

import math
import threading
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


class Clock:
    """Stands still unless moved; `turns` are the moments the limiter let a call wait for, in order of taking them."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns: list[float] = []
        self._lock = threading.Lock()

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.turns.append(self.now + seconds)

    def limiter(self, rate: float) -> Limiter:
        return Limiter(rate, clock=self.read, sleep=self.sleep)


def most_in_a_second(turns: list[float]) -> int:
    """Of the windows of one second that begin with a call, the fullest. A thousandth is left for rounding."""
    return max(sum(begin <= turn < begin + 0.999 for turn in turns) for begin in turns)


def test_the_first_call_does_not_wait() -> None:
    clock = Clock()
    clock.limiter(10).acquire("GetTranscodeTask", NEVER)
    assert clock.turns == [1000.0]


def test_calls_are_spaced_evenly_without_a_burst() -> None:
    clock = Clock()
    limiter = clock.limiter(4)
    for _ in range(5):
        limiter.acquire("GetTranscodeTask", NEVER)
    assert clock.turns == [1000.0, 1000.25, 1000.5, 1000.75, 1001.0]


def test_idle_time_is_not_saved_up() -> None:
    clock = Clock()
    limiter = clock.limiter(4)
    limiter.acquire("GetTranscodeTask", NEVER)
    clock.now += 3600
    for _ in range(3):
        limiter.acquire("GetTranscodeTask", NEVER)
    assert clock.turns[1:] == [4600.0, 4600.25, 4600.5]


@pytest.mark.parametrize(("rate", "seconds"), [(0.1, 10.0), (0.5, 2.0), (2.5, 0.4)])
def test_fractions_of_a_call_are_spaces_of_time(rate: float, seconds: float) -> None:
    clock = Clock()
    limiter = clock.limiter(rate)
    for _ in range(3):
        limiter.acquire("GetTranscodeTask", NEVER)
    assert clock.turns == pytest.approx([1000, 1000 + seconds, 1000 + 2 * seconds])


def test_operations_do_not_share_their_budget() -> None:
    clock = Clock()
    limiter = clock.limiter(1)
    for action in ("GetTranscodeTask", "ListTranscodeTask", "GetVideoList"):
        limiter.acquire(action, NEVER)
    assert clock.turns == [1000.0, 1000.0, 1000.0]


def test_what_does_not_fit_is_refused_at_once_and_spends_nothing() -> None:
    clock = Clock()
    limiter = clock.limiter(1)
    limiter.acquire("GetTranscodeTask", NEVER)
    for _ in range(10):
        with pytest.raises(BudgetSpent, match="GetTranscodeTask: no call left in the budget") as caught:
            limiter.acquire("GetTranscodeTask", Deadline(1001.0))
        assert caught.value.code == "budget"
    assert len(clock.turns) == 1
    limiter.acquire("GetTranscodeTask", Deadline(1001.1))
    assert clock.turns == [1000.0, 1001.0]


def test_no_budget_is_a_matter_of_the_deadline() -> None:
    assert issubclass(BudgetSpent, DeadlineError)


def test_an_ended_deadline_is_refused_even_with_budget() -> None:
    clock = Clock()
    with pytest.raises(BudgetSpent):
        clock.limiter(1).acquire("GetTranscodeTask", Deadline(1000.0))
    assert clock.turns == []


def test_many_threads_get_turns_of_their_own() -> None:
    """Twenty threads, twenty calls each: four hundred turns, no two closer than the rate allows."""
    clock = Clock()
    limiter = clock.limiter(8)  # an eighth is exact in binary

    class Slow:
        """A deadline that lets other threads in just where the turn is known and not yet taken."""

        @property
        def at(self) -> float:
            time.sleep(0.0001)
            return NEVER.at

    slow: Any = Slow()

    def calls() -> None:
        for _ in range(20):
            limiter.acquire("GetTranscodeTask", slow)

    with ThreadPoolExecutor(20) as pool:
        for future in [pool.submit(calls) for _ in range(20)]:
            future.result()
    assert sorted(clock.turns) == [1000 + turn / 8 for turn in range(400)]


def test_a_thread_that_waits_keeps_no_other_from_being_refused() -> None:
    """The lock is not held while waiting."""
    waiting, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        if seconds:
            waiting.set()
            assert go_on.wait(20)

    limiter = Limiter(1, clock=lambda: 0.0, sleep=sleep)
    limiter.acquire("GetTranscodeTask", NEVER)
    thread = threading.Thread(target=limiter.acquire, args=("GetTranscodeTask", NEVER))
    thread.start()
    assert waiting.wait(20)
    with pytest.raises(BudgetSpent):
        limiter.acquire("GetTranscodeTask", Deadline(1.5))
    go_on.set()
    thread.join()


def test_the_real_clock_is_waited_for() -> None:
    limiter = Limiter(20)
    started = time.monotonic()
    for _ in range(5):
        limiter.acquire("GetTranscodeTask", Deadline.after(60))
    assert time.monotonic() - started >= 0.2


@given(
    rate=st.floats(0.05, 200),
    steps=st.lists(
        st.tuples(st.sampled_from(["GetTranscodeTask", "GetVideoList"]), st.floats(0, 3), st.floats(-1, 5)),
        min_size=1,
        max_size=60,
    ),
)
def test_no_window_holds_more_than_the_rate(rate: float, steps: list[tuple[str, float, float]]) -> None:
    """However calls come, with whatever deadlines: each operation apart, and no turn after the call's deadline."""
    clock = Clock()
    limiter = clock.limiter(rate)
    turns: dict[str, list[float]] = {}
    for action, pause, patience in steps:
        clock.now += pause
        deadline = Deadline(clock.now + patience)
        before = len(clock.turns)
        with suppress(BudgetSpent):
            limiter.acquire(action, deadline)
        for turn in clock.turns[before:]:
            assert clock.now <= turn < deadline.at
            turns.setdefault(action, []).append(turn)
    for of_action in turns.values():
        gaps = [later - earlier for earlier, later in pairwise(of_action)]
        assert all(gap >= 1 / rate - 1e-6 for gap in gaps)
        assert most_in_a_second(of_action) <= math.ceil(rate + 1e-6)
