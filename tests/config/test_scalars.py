"""Single values: which plain scalars are data, which are text, and which are refused; environment variables."""

from __future__ import annotations

import pytest

from exporter.config.scalars import expand, plain, problem


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("0", 0), ("-12", -12), ("1.50", 1.5), ("9" * 15, int("9" * 15))],
)
def test_booleans_and_plain_decimal_numbers_are_values(text: str, value: object) -> None:
    assert (plain(text), type(plain(text))) == (value, type(value))


@pytest.mark.parametrize("text", ["prod", "cn-shanghai", "3d705f385b23438385a2bdd6c4e3a1b2x", "a:b", "30s"])
def test_other_scalars_are_text(text: str) -> None:
    assert (plain(text), problem(text)) == (None, None)


def test_ambiguous_scalars_have_a_problem_with_a_remedy() -> None:
    for text, start in [
        ("", "is missing"),
        ("yes", "is a boolean in YAML 1.1"),
        ("n", "is a boolean in YAML 1.1"),
        ("012", "is read differently by different versions of YAML"),
        ("1e5", "is read differently by different versions of YAML"),
        ("0o7", "is read differently by different versions of YAML"),
        ("1:30", "is a base 60 number in YAML 1.1"),
        ("~", "is an empty value in YAML"),
        ("2024-01-01", "is a date in YAML 1.1"),
        ("=", "has a special meaning in YAML 1.1"),
        ("9" * 16, "is a number of 16 digits"),
    ]:
        assert plain(text) is None
        found = problem(text)
        assert found is not None, text
        assert found.startswith(start + "; "), text


def test_variables_are_expanded_and_the_written_text_is_kept() -> None:
    value, problems = expand("$$x ${A}${A} $ $B", {"A": "${B}"})
    assert (value, value.written, problems) == ("$x ${B}${B} $ $B", "$$x ${A}${A} $ $B", ())


def test_each_problem_of_variables_is_reported_once_without_values() -> None:
    _, problems = expand("${A} ${A} ${EMPTY} ${1} ${CANARY", {"EMPTY": ""})
    assert problems == (
        "the environment variable A is not set; set it, or write $${ for the text ${",
        "the environment variable EMPTY is empty; give it a value",
        "`${` is not the start of ${NAME}; write ${NAME}, or $${ for the text ${",
    )
