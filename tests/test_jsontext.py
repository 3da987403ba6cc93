"""JSON from outside: values, or an error that says what is wrong and on which line."""

from __future__ import annotations

import math

import pytest

from exporter.jsontext import JsonError, JsonObject, decode


def test_bytes_are_utf8_with_or_without_a_byte_order_mark() -> None:
    assert decode('{"a": "任务"}'.encode()) == decode('\ufeff{"a": "任务"}') == {"a": "任务"}
    assert decode(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_bad_value_costs_its_field_only() -> None:
    digits = "9" * 5000  # Python refuses integers of over 4,300 digits
    text = f'{{"a": {digits}, "b": -{digits}, "c": NaN, "d": "\n", "e": -1234567890123456789, "f": "'
    found = decode(text.encode() + b'\xed\xa0\x80"}')
    assert isinstance(found, dict)
    assert found["a"] == found["b"] == math.inf
    assert math.isnan(found["c"])
    assert (found["d"], found["e"], found["f"]) == ("\n", -1234567890123456789, "\ud800")


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("", "is not valid JSON", 1),
        ("[1,\n2", "is not valid JSON", 2),
        ("{}{}", "is not valid JSON", 1),
        (b"\xff", "is not UTF-8", 1),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8", 1),
        ("[" * 100_000, "is nested too deeply", 1),
        ('{"a":' * 100_000, "is nested too deeply", 1),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_text_that_is_not_json_is_an_error_with_its_line(text: str | bytes, problem: str, line: int) -> None:
    with pytest.raises(JsonError) as caught:
        decode(text)
    assert (str(caught.value), caught.value.line) == (problem, line)


@pytest.mark.parametrize(
    ("text", "key"), [('{"a": 1, "b": 2, "a": 3, "b": 4}', "a"), ('{"a": {"a": 1}}', None), ("{}", None)]
)
def test_a_repeated_key_is_found(text: str, key: str | None) -> None:
    found = decode(text, find_repeated_keys=True)
    assert isinstance(found, JsonObject)
    assert found.repeated_key == key
