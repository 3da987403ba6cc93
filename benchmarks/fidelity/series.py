"""Series of the exposition, read from its text, and parts of it that the benchmark compares with the truth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample, and its labels in alphabetical order."""
Values = Mapping[Series, float]

_SAMPLE = re.compile(r"^(vod_\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TOTAL = re.compile(r"vod_transcode_\w+(_total|_(seconds|ratio|bytes|bits_per_second)_(sum|count))$")


def series(name: str, **labels: str) -> Series:
    return name, tuple(sorted(labels.items()))


def read(exposition: str) -> dict[Series, float]:
    """All samples of the exporter by series."""
    return {
        (name, tuple(sorted(_LABEL.findall(labels)))): float(value)
        for name, labels, value in _SAMPLE.findall(exposition)
    }


def is_total(of: Series) -> bool:
    """Whether the state keeps the value over a restart: a counter, or the sum or count of a histogram."""
    return _TOTAL.match(of[0]) is not None


def account(of: Series) -> str | None:
    return dict(of[1]).get("account")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the exposition. `truth` tells what all series that it `covers` are now; a missing series is 0."""

    name: str
    covers: Callable[[Series], bool]
    truth: Callable[[], Values]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was true and what was exposed, at the end of a comparison."""

    part: str
    truth: Values
    exposed: Values

    @property
    def differences(self) -> list[Series]:
        """Counts and sums of whole numbers are equal. Sums of ratios depend on the order of the jobs by rounding."""
        return [
            one
            for one in sorted(self.truth.keys() | self.exposed.keys())
            if not math.isclose(self.truth.get(one, 0.0), self.exposed.get(one, 0.0), rel_tol=1e-9)
        ]
