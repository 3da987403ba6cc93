"""The metrics in the registry of another application, without the exporter's HTTP interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Self

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter import wiring
from exporter.config import Settings
from exporter.deadline import Deadline
from exporter.metrics import catalog
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.telemetry import Telemetry

_OWN = frozenset(metric.family for metric in catalog.COUNTED)


class VodCollector(Collector):
    """All metrics of docs/metrics.md except `process_*` and `python_*`, for a registry of `prometheus_client`.

    `collect` asks VOD as a scrape of the exporter does: within `scrape.timeout`, and at most once in
    `scrape.min_interval`. Nothing else asks VOD. Safe to use from several threads. Raises `StateError` if the state
    cannot be used. Call `close` at the end, or use it in a `with` statement.
    """

    def __init__(self, settings: Settings) -> None:
        self._telemetry = Telemetry()
        self._telemetry.price(settings.billing.currency or "", settings.billing.prices)
        self._store = wiring.store(settings.state, self._telemetry)
        self._scraper = wiring.scraper(settings, self._telemetry, self._store)
        timeout = settings.scrape.timeout
        self._transcoding = TranscodeCollector(lambda: self._scraper.scrape(Deadline.after(timeout)))

    def describe(self) -> Iterable[Metric]:
        """The families without samples, so that registering the collector does not ask VOD."""
        return [*self._transcoding.describe(), *self._own()]

    def collect(self) -> Iterator[Metric]:
        """Asks VOD about what is due, and yields all families."""
        yield from self._transcoding.collect()
        yield from self._own()

    def close(self) -> None:
        """End the calls under way and save the state."""
        self._scraper.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _own(self) -> list[Metric]:
        return [family for family in self._telemetry.registry.collect() if family.name in _OWN]
