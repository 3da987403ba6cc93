"""The line of each YAML mistake and its remedy, without a word of the file."""

from __future__ import annotations

import pytest
import yaml

from exporter.config import syntax

MISTAKES = (
    ("a:\n\tb: 1\n", 2, "YAML cannot be indented with tabs"),
    ("a: b: 1\n", 1, "a `:` is not allowed here"),
    ('a: 1\nb: "c\nd: 1\n', 4, "the quote that starts on line 2 is not closed"),
    ("a: [1\nb: 1\n", 2, "the bracket that starts on line 1 is not closed"),
    ("a: 1\n  b: 1\n", 2, "a `:` is not allowed here"),
    ("a:\n    - 1\n  - 2\n", 3, "the indentation is inconsistent"),
    ("a: 1\nb\nc: 1\n", 2, "a key has no `:`"),
    ("a: !x!y 1\n", 1, "YAML tags (`!`) are not accepted"),
    ("a: @b\n", 1, "this is not valid YAML"),
    ("a: 1\nb:1\nc: 1\n", 2, "a key has no space after its `:`"),
)


def mistake(text: str) -> tuple[int, str]:
    """What is wrong with the text."""
    loader = yaml.SafeLoader(text)
    with pytest.raises(yaml.YAMLError) as raised:
        list(iter(loader.get_event, None))
    return syntax.problem(raised.value, text, line=loader.line + 1)


def test_each_mistake_has_its_line_and_its_remedy() -> None:
    for text, line, start in MISTAKES:
        found, problem = mistake(text)
        assert (found, problem[: len(start)]) == (line, start), text
        assert "; " in problem or problem.endswith("`KEY: VALUE`"), problem


def test_a_mistake_does_not_quote_the_file() -> None:
    for text, *_ in MISTAKES:
        secret = text.replace("b", "CANARY").replace("y 1", "CANARY 1")
        assert "CANARY" not in mistake(secret)[1], text


def test_an_error_of_python_itself_is_reported_on_the_line_of_the_loader() -> None:
    line, problem = syntax.problem(OverflowError("CANARY"), "a: 1\n", line=1)
    assert (line, problem.split(";")[0]) == (1, "this is not valid YAML")
