"""Counts of the exporter's own work: in order, held at 0 when they are new, and the same as families."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Gauge

from exporter.metrics import catalog
from exporter.metrics.counts import Counts, Own
from exporter.metrics.exposition import TEXT, Exposition, Together
from exporter.snapshot import HistogramView, Snapshot
from tests.metrics.conftest import collector

REQUESTS, DURATION = catalog.API_REQUESTS, catalog.API_DURATION


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counts(clock: Clock, hold: float = 0.0) -> Counts:
    return Counts(hold=hold, clock=clock, bounds=(0.1, 1.0))


def test_counters_add_up_by_their_labels(clock: Clock) -> None:
    some = counts(clock)
    some.count(REQUESTS, "prod", "A", amount=0)
    some.count(REQUESTS, "test", "A")
    for amount in (1.0, 2.5):
        some.count(REQUESTS, "prod", "A", amount=amount)
    assert some.rows() == [(REQUESTS, ("prod", "A"), 3.5), (REQUESTS, ("test", "A"), 1.0)]


def test_a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed(clock: Clock) -> None:
    some = counts(clock)
    some.observe(DURATION, "prod", "A", value=None)
    assert some.rows() == [(DURATION, ("prod", "A"), HistogramView((0.1, 1.0), (0, 0, 0), 0.0))]
    for value in (0.1, 0.5, 1.0, 7.0):
        some.observe(DURATION, "prod", "A", value=value)
    assert some.rows() == [(DURATION, ("prod", "A"), HistogramView((0.1, 1.0), (1, 2, 1), 0.1 + 0.5 + 1.0 + 7.0))]


def test_a_new_series_is_zero_from_its_first_showing_until_the_time_is_over(clock: Clock) -> None:
    some = counts(clock, hold=10.0)
    some.count(REQUESTS, "prod", "A")
    some.observe(DURATION, "prod", "A", value=0.5)
    clock.now = 100.0  # nobody has seen it before

    def shown() -> list[float]:
        values = [value for _, _, value in some.rows()]
        return [value.sum if isinstance(value, HistogramView) else float(str(value)) for value in values]

    assert shown() == [0.0, 0.0]
    clock.now = 109.0
    some.count(REQUESTS, "prod", "B")
    assert shown() == [0.0, 0.0, 0.0]
    clock.now = 110.0
    assert shown() == [1.0, 0.0, 0.5]
    clock.now = 119.0
    assert shown() == [1.0, 1.0, 0.5]


def test_families_are_the_bytes_of_the_exposition(clock: Clock) -> None:
    some, others = counts(clock), CollectorRegistry()
    some.count(REQUESTS, "prod", 'a"b', amount=2e6)
    some.observe(DURATION, "prod", "A", value=0.5)
    Gauge("other", "Help.", registry=others).set(2)
    own = Own((REQUESTS, catalog.API_ERRORS, DURATION), some.rows, others=others)
    body = Exposition().render(Snapshot(), own, TEXT, gzip=False)
    assert body == TEXT.encode(Together(collector(), own))
    assert b'vod_exporter_api_requests_total{account="prod",action="a\\"b"} 2e+06\n' in body
    assert b"# TYPE vod_exporter_api_errors_total counter\n" in body
