"""The token bucket lets `burst` requests through at once, and one more after each interval."""

from __future__ import annotations

from exporter.websecurity.rate import Bucket
from exporter.websecurity.settings import RateLimit
from tests.conftest import Clock

TWO = RateLimit(interval=10.0, burst=2)


def taken(bucket: Bucket, limit: RateLimit, count: int) -> list[bool]:
    return [bucket.take(limit) for _ in range(count)]


def test_a_burst_passes_and_the_next_request_waits_for_the_interval() -> None:
    clock = Clock()
    bucket = Bucket(clock=clock)
    assert taken(bucket, TWO, 4) == [True, True, False, False]
    clock.now += 9.9
    assert not bucket.take(TWO)
    clock.now += 0.2
    assert taken(bucket, TWO, 2) == [True, False]


def test_a_long_pause_fills_the_bucket_only_to_the_burst() -> None:
    clock = Clock()
    bucket = Bucket(clock=clock)
    taken(bucket, TWO, 2)
    clock.now += 1000
    assert taken(bucket, TWO, 3) == [True, True, False]


def test_without_an_interval_everything_passes() -> None:
    assert all(taken(Bucket(clock=Clock()), RateLimit(), 100))


def test_another_limit_holds_at_once() -> None:
    bucket = Bucket(clock=Clock())
    taken(bucket, TWO, 3)
    assert taken(bucket, RateLimit(interval=10.0, burst=1), 2) == [True, False]
