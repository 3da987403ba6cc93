"""Which connection gives way to a new one, and what is logged and counted about it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from exporter.web import crowd
from exporter.web.crowd import REPEAT_SECONDS, Crowd
from tests.conftest import Clock


@dataclass(eq=False)
class Guest:
    """A connection in the crowd that notes whether it was closed."""

    rests_since: float = 0.0
    established: bool = True
    idle: bool = True
    can_leave: bool = True
    address: str = "192.0.2.1"
    closed: bool = field(default=False, init=False)

    def leave(self) -> None:
        self.closed = True
        self.can_leave = False


@pytest.fixture(autouse=True)
def limit_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "MAX_CONNECTIONS", 3)


def closed(*guests: Guest) -> list[int]:
    """The places of the guests that are closed after all of them have entered."""
    made = Crowd()
    for guest in guests:
        made.enter(guest)
    return [place for place, guest in enumerate(guests) if guest.closed]


def test_up_to_the_limit_all_stay() -> None:
    assert closed(Guest(1), Guest(2), Guest(3)) == []


def test_the_idle_connection_that_rests_longest_gives_way() -> None:
    assert closed(Guest(2), Guest(1), Guest(3), Guest(4)) == [1]
    assert closed(Guest(2), Guest(1), Guest(3), Guest(4), Guest(5)) == [0, 1]


def test_an_idle_connection_gives_way_before_one_with_a_request_in_progress() -> None:
    assert closed(Guest(1, idle=False), Guest(2), Guest(3), Guest(4)) == [1]


def test_a_handshake_gives_way_before_an_idle_connection() -> None:
    assert closed(Guest(1), Guest(3, established=False), Guest(2, established=False), Guest(4)) == [2]


def test_without_idle_ones_the_connection_that_waits_longest_gives_way() -> None:
    working = Guest(1, idle=False, can_leave=False)
    assert closed(working, Guest(3, idle=False), Guest(2, idle=False), Guest(4)) == [2]


def test_if_the_server_works_for_all_of_them_the_new_one_gives_way() -> None:
    assert closed(*(Guest(number, idle=False, can_leave=False) for number in range(3)), Guest(4)) == [3]


def test_a_connection_that_was_closed_leaves_a_place() -> None:
    made, guests = Crowd(), [Guest(number) for number in range(4)]
    for guest in guests[:3]:
        made.enter(guest)
    made.left(guests[1])
    made.enter(guests[3])
    assert not any(guest.closed for guest in guests)


def test_connections_are_counted_by_state() -> None:
    made = Crowd()
    for guest in (Guest(), Guest(), Guest(idle=False)):
        made.enter(guest)
    assert (made.count("idle"), made.count("active")) == (2, 1)


def test_a_full_house_is_logged_once_a_minute_with_a_number_and_a_client(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    made = Crowd(clock=clock)
    for number in range(10):
        made.enter(Guest(number))
    clock.now += REPEAT_SECONDS
    made.enter(Guest(10, address="192.0.2.9"))
    assert [(record.levelno, record.closed, record.client) for record in caplog.records] == [  # type: ignore[attr-defined]
        (logging.WARNING, 1, "192.0.2.1"),
        (logging.WARNING, 7, "192.0.2.9"),
    ]
