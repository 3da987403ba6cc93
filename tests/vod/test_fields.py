"""Single fields: a valid value, or nothing and a report of the field's name."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.vod.fields import Fields, embedded, is_id

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
# faults 28, and what else JSON can put where a number belongs
NO_NUMBERS = [
    *(None, True, False, [], [1], {}, {"a": 1}, "abc", "NaN", "Infinity", "-Infinity", "1e400", "0x10", "1_000", "1,5"),
    *(
        "--1",
        "1 2",
        "١٢",
        "9" * 5000,
        "1." + "0" * 5000,
        "-1",
        -1,
        -0.5,
        math.nan,
        math.inf,
        -math.inf,
        1e19,
        10**5000,
        "1\x00",
    ),
]


def read(value: object) -> tuple[Fields, list[str]]:
    malformed: list[str] = []
    return Fields({"Field": value}, malformed), malformed


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:20] if value != 10**5000 else "10**5000")
def test_a_value_that_is_not_a_number_is_absent_and_reported(value: object) -> None:
    """faults 28: null, text, NaN, infinity, booleans, lists, negative and very long numbers."""
    fields, malformed = read(value)

    assert fields.number("Field") is None
    assert malformed == ["Field"]


def test_numbers_come_as_text_or_as_numbers() -> None:
    """`Filesize` and `TranscodeProgress` are numbers in one documented sample and strings in another."""
    for value, expected in [
        ("964", 964),
        (964, 964),
        ("933.814", 933.814),
        (" 12 ", 12),
        ("0", 0),
        ("+5", 5),
        (".5", 0.5),
        ("1e3", 1000),
    ]:
        fields, malformed = read(value)

        assert fields.number("Field") == expected, value
        assert malformed == [], value


@pytest.mark.parametrize("value", ["-0", -0.0])
def test_zero_has_no_sign(value: object) -> None:
    """`-0.0` would be another text in the exposition."""
    assert str(read(value)[0].number("Field")) == "0.0"


def test_an_absent_value_is_not_malformed() -> None:
    """A missing key and an empty string are absent, and so is null except for a number."""
    malformed: list[str] = []
    for fields in (Fields({}, malformed), Fields({"Field": ""}, malformed), Fields({"Field": " "}, malformed)):
        assert fields.number("Field") is fields.ratio("Field") is fields.bits_per_second("Field") is None
        assert fields.integer("Field") is fields.time("Field") is None
        assert fields.id("Field") == fields.name("Field") == fields.free_text("Field") == ""
        assert fields.ids("Field", limit=9) == ()
    null = Fields({"Field": None}, malformed)
    assert null.time("Field") is None
    assert null.id("Field") == null.name("Field") == null.free_text("Field") == ""
    assert null.ids("Field", limit=9) == ()
    assert malformed == []


@pytest.mark.parametrize(("value", "expected"), [("100", 1), (0, 0), (20, 0.2), ("99.5", 0.995)])
def test_percentage_is_a_ratio(value: object, expected: float) -> None:
    assert read(value)[0].ratio("Field") == expected


@pytest.mark.parametrize("value", [101, "100.1", -1, "-0.1"])
def test_a_percentage_out_of_range_is_malformed(value: object) -> None:
    fields, malformed = read(value)

    assert fields.ratio("Field") is None
    assert malformed == ["Field"]


def test_kilobits_are_a_thousand_bits() -> None:
    """The result is exact: 64.001 × 1000 is 64001.00000000001 in floating point."""
    assert read("64.001")[0].bits_per_second("Field") == 64001.0
    assert read("964")[0].bits_per_second("Field") == 964000.0


def test_a_whole_number_with_a_fraction_is_malformed() -> None:
    fields, malformed = read("1.5")

    assert fields.integer("Field") is None
    assert malformed == ["Field"]


@pytest.mark.parametrize(
    "text",
    [
        *("2019-01-23T12:35:12Z", " 2019-01-23T12:35:12Z ", "2019-01-23T12:35:12", "2019-01-23 12:35:12"),
        *("2019-01-23T20:35:12+08:00", "2019-01-23T12:35:12.000Z"),
    ],
)
def test_time_is_unix_seconds_and_utc_unless_it_says_otherwise(text: str) -> None:
    fields, malformed = read(text)

    assert fields.time("Field") == datetime(2019, 1, 23, 12, 35, 12, tzinfo=UTC).timestamp()
    assert malformed == []


@pytest.mark.parametrize(
    "value",
    [
        *("soon", "2019-13-01T00:00:00Z", "2019-01-23", "20190123", "20190123T123512Z", "2019-W04-3T00:00:00Z"),
        *("0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "2100-01-01T00:00:00Z"),
        *("2019-01-23T12:35:12Z" + "0" * 10**6, "2019-01-23T12:35:12\ud800", 20190123, 1548246912, 1.5, True, [], {}),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_time_out_of_range_is_malformed(value: object) -> None:
    """Years outside 2000 to 2099, numbers and dates are malformed: a wrong age would look like a stuck job."""
    fields, malformed = read(value)

    assert fields.time("Field") is None
    assert malformed == ["Field"]


@pytest.mark.parametrize("text", ["b1b65ab107e14*****3dbb900f6c1fe0", "a" * 128, 'x"y\\z', "任务-1"])
def test_id_is_kept_as_it_came(text: str) -> None:
    """Documented samples mask the middle of an id with asterisks."""
    assert read(f" {text} ")[0].id("Field") == text
    assert is_id(text)


def test_an_id_that_a_request_cannot_contain_is_malformed() -> None:
    """A request contains ids joined by commas; a corrected id would be the id of another task."""
    for value in ["a" * 129, "a,b", "a b", "a\nb", "a\x00b", "a\u2028b", "a\u202eb", "\ud800", 1.5, True, []]:
        fields, malformed = read(value)

        assert fields.id("Field") == "", value
        assert malformed == ["Field"], value


def test_a_missing_required_id_is_reported() -> None:
    for source in ({}, {"Field": ""}, {"Field": None}, {"Field": False}):
        malformed: list[str] = []
        assert Fields(source, malformed).id("Field", required=True) == ""
        assert malformed == ["Field"]


def test_a_whole_number_is_read_as_text() -> None:
    """`Priority` is a string in the samples, and could become a number."""
    assert read(6)[0].name("Field") == "6"
    assert read(12345)[0].id("Field") == "12345"
    assert read(10**5000)[0].name("Field") == ""


def test_name_is_stripped_and_bounded() -> None:
    fields, malformed = read("x" * 65)

    assert read("Auto ")[0].name("Field") == "Auto"
    assert fields.name("Field") == ""
    assert malformed == ["Field"]


def test_free_text_is_cut_without_a_report() -> None:
    fields, malformed = read("x" * 10**6)

    assert fields.free_text("Field") == "x" * 1024
    assert malformed == []


def test_json_in_a_string_is_found_at_each_level_of_escaping() -> None:
    for value in [
        '{"a":"b"}',
        '{\\"a\\":\\"b\\"}',
        '"{\\"a\\":\\"b\\"}"',
        '{\\\\\\"a\\\\\\":\\\\\\"b\\\\\\"}',
        'Field: {"a":"b"}',
        '"Field": {"a":"b"}',
        '"Field": "{\\"a\\":\\"b\\"}"',
        '"Field": "{\\"a\\":\\"b\\"}',
        {"a": "b"},
    ]:
        assert embedded(value) == {"a": "b"}


@pytest.mark.parametrize(
    "text", ["[", "[" * 60_000, '{"a":' * 10_000, "[" + "1," * 40_000 + "1]", "hello", '"hello"', "a: b: c"]
)
def test_text_without_json_is_a_value_error(text: str) -> None:
    """This includes deep nesting and very long text."""
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for nobody
        embedded(text)


def test_a_long_number_costs_only_its_field() -> None:
    """Python's decoder refuses the whole text by default."""
    assert embedded('[{"a": ' + "9" * 5000 + ', "b": 7}]') == [{"a": math.inf, "b": 7}]


@given(value=ANYTHING, wraps=st.integers(0, 3))
def test_any_value_is_read_or_reported(value: object, wraps: int) -> None:
    """No reader raises; a reader that returns nothing for a present value has reported it."""
    for _ in range(wraps):
        value = json.dumps(value)
    for reader in (Fields.number, Fields.integer, Fields.ratio, Fields.bits_per_second, Fields.time, Fields.id):
        fields, malformed = read(value)
        result = reader(fields, "Field")
        if value is None or (isinstance(value, str) and not value.strip()):
            assert result in (None, "")
        else:
            assert bool(malformed) == (result in (None, ""))
    Fields.name(fields, "Field")
    Fields.free_text(fields, "Field")
    Fields.ids(fields, "Field", limit=3)


HOSTILE: dict[str, Callable[[int], object]] = {
    "digits": lambda size: "9" * size,
    "lists": lambda size: "[" * size,
    "objects": lambda size: "{" * size,
    "escapes": lambda size: '\\"' * (size // 2),
    "spaces": lambda size: " " * size,
    "letters": lambda size: "x" * size,
    "a list of ids": lambda size: [f'["{number}"]' for number in range(size // 8)],
}


def processor_seconds(value: object) -> float:
    """The shortest of ten runs of all readers, in processor time of this thread."""
    runs = []
    for _ in range(10):
        fields, _ = read(value)
        started = time.thread_time()
        for reader in (Fields.number, Fields.time, Fields.id, Fields.name, Fields.free_text):
            reader(fields, "Field")
        fields.ids("Field", limit=9)
        runs.append(time.thread_time() - started)
    return min(runs)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_the_time_for_a_hostile_value_grows_at_most_linearly(value: Callable[[int], object]) -> None:
    """Eight times the size takes up to eight times as long, and 64 times if a reader is quadratic."""
    small, large = processor_seconds(value(8_000)), processor_seconds(value(64_000))
    assert large < 30 * small
