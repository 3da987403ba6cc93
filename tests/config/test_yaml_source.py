"""The strict YAML reader: data, lines, and all faults at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.scalars import Expanded
from exporter.config.yaml_source import BROKEN, MAX_BYTES, MAX_DEPTH, Source, parse, read


def source(text: str, **environ: str) -> Source:
    return parse(text, environ=environ, hidden=lambda path: "secret" in path)


def texts(text: str, **environ: str) -> list[tuple[int, str]]:
    return [(fault.line, fault.text) for fault in source(text, **environ).faults]


def test_data_is_plain_and_every_key_has_its_line() -> None:
    found = source("a:\n  b: [x, true, 12, 0.5]\n\nc:\n  - d: 'no'\n    e: |\n      two\n      lines\n")
    assert found.data == {"a": {"b": ["x", True, 12, 0.5]}, "c": [{"d": "no", "e": "two\nlines\n"}]}
    assert found.faults == ()
    assert found.complete
    assert tuple(found.lines[path] for path in [("a", "b"), ("c",), ("c", 0, "d"), ("c", 0, "e")]) == (2, 4, 5, 6)


def test_values_that_yaml_versions_read_differently_must_be_quoted() -> None:
    for text in [
        *("no", "No", "yes", "on", "OFF", "y", "N", "True", "FALSE", "~", "null", "Null"),
        *("012", "0o17", "0x1F", "0b1", "+1", "1_000", "1.", ".5", "1e5", "1.5E-3", "1.0e+5", ".inf", "-.INF", ".nan"),
        *("1:30", "1:30:00.5", "2024-01-01", "2024-01-01 10:00:00", "<<", "=", "1" * 16, "0.1234567890123456"),
    ]:
        found = source(f"a: {text}\nb: '{text}'\nc: [\"{text}\"]\n")
        assert {"a": BROKEN, "b": text, "c": [text]} == found.data
        assert [fault.line for fault in found.faults] == [1], text
        assert text in found.faults[0].text or "digits" in found.faults[0].text


@given(st.from_regex(r"[-+.~<=0-9A-Za-z_:]{1,12}", fullmatch=True))
def test_a_value_that_yaml_1_1_does_not_read_as_text_is_a_fault(text: str) -> None:
    found = source(f"- {text}\n")
    try:
        meant = yaml.safe_load(f"- {text}\n")[0]
    except (yaml.YAMLError, ValueError):
        return
    if isinstance(found.data, list) and isinstance(found.data[0], str | int | float):
        assert type(meant) is type(found.data[0])
        assert meant == found.data[0]


def test_a_fault_does_not_show_a_hidden_value() -> None:
    assert texts("secret: 012")[0][1].startswith("the value is read differently by different versions of YAML")


def test_a_long_value_is_cut_in_its_fault() -> None:
    assert len(texts("a: " + "1" * 100_000)[0][1]) < 120


def test_faults_after_a_fault_are_reported_too() -> None:
    text = "a: no\nb: *x\nc: &y z\na: [on,\n !t x]\n<<: {d: 012}\n"
    assert [line for line, _ in texts(text)] == [1, 2, 3, 4, 4, 5, 6, 6]


def test_a_repeated_key_is_checked_but_its_value_is_not_used() -> None:
    found = source("a: {b: 1}\na: {b: no}\n")
    assert found.data == {"a": {"b": 1}}
    assert frozenset() == found.broken
    assert [fault.line for fault in found.faults] == [2, 2]


@pytest.mark.parametrize("breaker", ["[", "{a: ", "- ", "? "])
def test_nesting_is_bounded(breaker: str) -> None:
    found = source(breaker * 100_000)
    assert not found.complete
    assert f"is nested deeper than {MAX_DEPTH} levels; remove levels" == found.faults[-1].text


@pytest.mark.parametrize("text", ["", "# only\n", "---\n...\n", "\n\n"])
def test_an_empty_file_says_so(text: str) -> None:
    assert texts(text)
    assert source(text).data in (None, BROKEN)


@pytest.mark.parametrize("escape", [r"\Uffffffff", r"\U00110000"])
def test_invalid_escapes_are_a_fault(escape: str) -> None:
    """PyYAML raises ValueError and OverflowError here."""
    assert [line for line, _ in texts(f'a: b\nc: "{escape}"\n')] == [2]


def test_a_version_of_5000_digits_is_a_fault() -> None:
    assert not source("%YAML " + "1" * 5000 + ".1\n---\na: b\n").complete


def test_variables_expand_in_values_of_every_style_but_not_in_keys() -> None:
    found = source("a: ${X}\nb: 'x-${X}-${Y}'\nc: [\"${X}\"]\n${X}: $$ $${X} $X 5$\n", X="1", Y="no")
    assert found.data == {"a": "1", "b": "x-1-no", "c": ["1"], "${X}": "$ ${X} $X 5$"}
    assert found.faults == ()


def test_an_expanded_value_keeps_the_written_text_and_is_expanded_once() -> None:
    found = source("a: p${X}\n", X="${Y}$$")
    assert isinstance(found.data, dict)
    value = found.data["a"]
    assert value == "p${Y}$$"
    assert isinstance(value, Expanded)
    assert value.written == "p${X}"


@pytest.mark.parametrize("text", ["${", "${}", "${X", "${1X}", "${X:-y}", "${X Y}"])
def test_a_broken_reference_is_a_fault_that_does_not_show_it(text: str) -> None:
    assert texts(f"a: '{text}'", X="x") == [
        (1, "`${` is not the start of ${NAME}; write ${NAME}, or $${ for the text ${")
    ]


def test_each_missing_variable_is_reported_once() -> None:
    assert [text.split()[3] for _, text in texts("a: ${A}${B}${A}")] == ["A", "B"]


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbfa: b\n")
    assert read(path, environ={}, hidden=lambda _: False).data == {"a": "b"}


def test_a_file_over_the_limit_is_refused_without_parsing(tmp_path: Path) -> None:
    path = tmp_path / "large.yml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    faults = read(path, environ={}, hidden=lambda _: False).faults
    assert [fault.text for fault in faults] == ["is larger than 1 MiB; name a configuration file"]


@given(st.text(st.characters(codec="utf-8"), max_size=200) | st.text(":-?[]{},&*!|>'\"%@` \n\tab01~$<=#.", max_size=60))
def test_any_text_gives_data_or_faults(text: str) -> None:
    found = source(text)
    assert found.complete or found.faults
    assert all(fault.line >= 1 for fault in found.faults)
