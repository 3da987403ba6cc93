"""The types of numbers and durations in the configuration: their ranges, and the faults of other values."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from exporter.config import fields
from exporter.config.duration import PATTERN as DURATION_PATTERN
from exporter.config.duration import format_duration, parse_duration
from exporter.config.fields import ENV_PATTERN
from exporter.config.scalars import Expanded

_NUMBER_TEXT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")


def _number(value: object) -> int | float:
    # An environment variable is text, also for a number.
    if isinstance(value, Expanded) and _NUMBER_TEXT.fullmatch(value):
        return float(value) if "." in value else int(value)
    if isinstance(value, str):
        raise fields.refused_value("is text; write a number, without quotes")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise fields.refused_value("is not a number; write a number")
    return value


def _rate(value: object) -> float:
    number = _number(value)
    if not 0 < number <= 100:
        raise fields.refused_value(
            "is out of range; write a number above 0 and at most 100 (VOD allows 15 calls per second and operation "
            "to the whole account, unless your quota was raised)"
        )
    return float(number)


Rate = Annotated[
    float,
    PlainValidator(_rate),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
                {"type": "string", "pattern": ENV_PATTERN},
            ]
        }
    ),
]


def _whole(low: int, high: int) -> tuple[PlainValidator, WithJsonSchema]:
    def check(value: object) -> int:
        number = _number(value)
        if not isinstance(number, int) or not low <= number <= high:
            raise fields.refused_value(f"is out of range; write a whole number from {low} to {high}")
        return number

    number_schema = {"type": "integer", "minimum": low, "maximum": high}
    return PlainValidator(check), WithJsonSchema({"anyOf": [number_schema, {"type": "string", "pattern": ENV_PATTERN}]})


MOST_CALLS = 64
"""Calls of an account that are in progress at the same time, however slow VOD is."""
Concurrency = Annotated[int, *_whole(1, MOST_CALLS)]
MaxJobs = Annotated[int, *_whole(1, 1_000_000)]
Burst = Annotated[int, *_whole(0, 1_000_000)]


def _seconds(value: object, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise fields.refused_value("is not a duration; write for example 30s, 1m30s or 500ms") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise fields.refused_value("is not a duration; write for example 30s, 1m30s or 500ms")
    # 0 needs no unit. Code that creates sections gives seconds.
    if value and isinstance(info.context, fields.FromFile):
        example = f"{value}s" if isinstance(value, int) else format_duration(abs(value))
        raise fields.refused_value(f"has no unit; write {example.lstrip('-')}")
    return float(value)


def _between(low: float, high: float) -> tuple[PlainValidator, WithJsonSchema]:
    span = f"{format_duration(low)} to {format_duration(high)}"

    def check(value: object, info: ValidationInfo) -> float:
        seconds = _seconds(value, info)
        if not low <= seconds <= high:
            raise fields.refused_value(f"is out of range; write a duration from {span}")
        return seconds

    text = fields.text_schema(DURATION_PATTERN)
    return PlainValidator(check), WithJsonSchema({"anyOf": [text, {"const": 0}] if low == 0 else [text]})


Timeout = Annotated[float, *_between(0.1, 300)]
Offset = Annotated[float, *_between(0, 60)]
MinInterval = Annotated[float, *_between(0, 3600)]
Retention = Annotated[float, *_between(0, 30 * 86400)]
Staleness = Annotated[float, *_between(0.1, 86400)]
GiveUpAfter = Annotated[float, *_between(3600, 365 * 86400)]
Lookback = Annotated[float, *_between(600, 30 * 86400)]
Interval = Annotated[float, *_between(5, 3600)]
Lease = Annotated[float, *_between(5, 300)]

MAX_BOUNDS = 50  # each bound is a series for every combination of labels


def _bounds(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if len(bounds) > MAX_BOUNDS:
        raise fields.refused(f"has {len(bounds)} bounds; keep at most {MAX_BOUNDS}")
    for at, (lower, upper) in enumerate(pairwise(bounds), start=1):
        if upper <= lower:
            raise fields.refused(f"[{at}] is not greater than [{at - 1}]; write the bounds in ascending order")
    return bounds


def _bounds_schema(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": item, "minItems": 1, "maxItems": MAX_BOUNDS, "uniqueItems": True})


def _amount(value: object) -> float:
    number = _number(value)
    if not 0 < number <= 1e15:
        raise fields.refused_value("is out of range; write a number above 0")
    return float(number)


_BoundDuration = Annotated[float, *_between(0.001, 365 * 86400)]

Durations = Annotated[
    tuple[_BoundDuration, ...],
    Field(min_length=1),
    AfterValidator(_bounds),
    _bounds_schema(fields.text_schema(DURATION_PATTERN)),
]
Amounts = Annotated[
    tuple[Annotated[float, PlainValidator(_amount)], ...],
    Field(min_length=1),
    AfterValidator(_bounds),
    _bounds_schema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": ENV_PATTERN}]}),
]


def _price(value: object) -> float:
    number = _number(value)
    if not 0 <= number <= 1e6:
        raise fields.refused_value("is out of range; write a price per minute, 0 or more")
    return float(number)


PRICE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"type": "number", "minimum": 0, "maximum": 1e6}, {"type": "string", "pattern": ENV_PATTERN}]
}
Price = Annotated[float, PlainValidator(_price)]
