"""Scrapes the exporter until it exposes the truth."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from benchmarks.fidelity.process import Exporter
from benchmarks.fidelity.series import Outcome, Part, Series, is_total, read

SCRAPE_INTERVAL_SECONDS = 1.0


class Watch:
    """Keeps the samples of the last answer, every total that decreased, and the outcomes of all comparisons."""

    def __init__(self, exporter: Exporter, *, patience: float) -> None:
        self._exporter = exporter
        self._patience = patience
        self.samples: dict[Series, float] = {}
        self.went_down: list[tuple[Series, float, float | None]] = []
        self.outcomes: list[Outcome] = []
        self.scrapes = self.unanswered = 0

    def scrape(self, *, timeout: float = 2.0) -> bool:
        """Returns False if the exporter did not answer, because it was killed or is starting."""
        self.scrapes += 1
        try:
            answer = requests.get(
                f"{self._exporter.url}/metrics",
                timeout=10,
                headers={"X-Prometheus-Scrape-Timeout-Seconds": str(timeout)},
            )
        except requests.RequestException:
            self.unanswered += 1
            self._exporter.check()
            return False
        answer.raise_for_status()
        seen = read(answer.text)
        for series, before in self.samples.items():
            after = seen.get(series)
            if is_total(series) and (after is None or after < before):
                self.went_down.append((series, before, after))
        self.samples = seen
        return True

    def until(self, condition: Callable[[], bool]) -> None:
        """Scrape until the condition holds. Raises if it does not within `patience`."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > self._patience:
                raise SystemExit(f"the events were not accepted within {self._patience} seconds")
            self.scrape()
            time.sleep(SCRAPE_INTERVAL_SECONDS)

    def until_equal(self, part: Part) -> None:
        """Scrape until the part equals the truth, at most `patience` seconds."""
        started = time.monotonic()
        while True:
            answered = self.scrape()
            exposed = {series: value for series, value in self.samples.items() if part.covers(series)}
            outcome = Outcome(part.name, part.truth(), exposed)
            if (answered and not outcome.differences) or time.monotonic() - started > self._patience:
                self.outcomes.append(outcome)
                return
            time.sleep(SCRAPE_INTERVAL_SECONDS / 2)
