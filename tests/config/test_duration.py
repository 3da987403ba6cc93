"""Durations have the syntax of Prometheus, and printed durations can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.duration import format_duration, parse_duration


def test_durations_are_read_as_prometheus_reads_them() -> None:
    for text, seconds in [
        ("0", 0.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("1w", 604800.0),
        ("1y", 31536000.0),
        ("1s500ms", 1.5),
    ]:
        assert seconds == parse_duration(text)


def test_anything_else_is_not_a_duration() -> None:
    for text in ["", "30", "1.5s", "-1s", "1m1h", "1s1s", "1S", "1 s", "s", "1s\n", "٣s", "9" * 5000 + "s"]:
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0"), (0.5, "500ms"), (10.0, "10s"), (90.0, "1m30s"), (900, "15m"), (2592000, "30d")]
)
def test_durations_are_printed_in_their_shortest_form(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)


@given(st.integers(min_value=0, max_value=10**13))
def test_printed_durations_are_read_back(milliseconds: int) -> None:
    assert milliseconds / 1000 == parse_duration(format_duration(milliseconds / 1000))
