"""Amounts and times as people read them: on the status page, and in the tables of commands."""

from __future__ import annotations

from datetime import UTC, datetime


def percent(ratio: float) -> str:
    """A ratio from 0 to 1 as whole percent. Rounded down, so that `100 %` means that all is done."""
    return f"{int(ratio * 100 + 1e-6)} %"  # 0.29 * 100 is 28.999999999999996


def moment(seconds: float) -> str:
    """A Unix time, such as `2026-11-25 08:30:00 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(seconds: float) -> str:
    """A Unix time for programs (RFC 3339), such as `2026-11-25T08:30:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """Seconds in their two largest units: `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    rest, parts = round(seconds), list[tuple[int, str]]()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def ago(seconds: float, *, now: float) -> str:
    """The age of a Unix time in its largest unit. A time in the future counts as now: clocks differ."""
    age = now - seconds
    return f"{' '.join(duration(age).split()[:2])} ago" if age >= 1 else "just now"


def size(count: float) -> str:
    """Bytes in decimal units, such as `21.5 MB`."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if count >= 1000:
            count, unit = count / 1000, larger
    return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
