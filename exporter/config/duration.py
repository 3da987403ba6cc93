"""Durations as Prometheus writes them: `1h30m`, `500ms`, `0`.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/ (`<duration>`)
"""

from __future__ import annotations

import re

_UNITS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

PATTERN = "0|(?!$)" + "".join(f"(?:[0-9]{{1,9}}{unit})?" for unit in _UNITS)
"""Matches a whole duration; also valid in JSON Schema."""

_DURATION = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+)([a-z]+)")


def parse_duration(text: str) -> float:
    """The duration in seconds. Raises `ValueError` if `text` is not a duration."""
    if not _DURATION.fullmatch(text):
        raise ValueError("not a duration")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)) / 1000


def format_duration(seconds: float) -> str:
    """The shortest text for a duration in seconds, rounded to milliseconds: `90.0` is `1m30s`."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in _UNITS.items():
        if unit in ("y", "w"):
            continue  # 30d is easier to read than 4w2d
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0"
