"""Why PyYAML cannot parse a file: the line of the mistake, and a sentence with the remedy."""

from __future__ import annotations

import re

# The messages of PyYAML may quote the file, and so a secret. They are recognized by their start, and replaced.
_SYNTAX = {
    "found character '\\t'": "YAML cannot be indented with tabs; use spaces",
    "mapping values are not allowed": "a `:` is not allowed here; quote the text that contains it",
    "found unexpected end of stream": "the quote that starts on line {opened} is not closed; close it",
    "expected ',' or": "the bracket that starts on line {opened} is not closed, or a comma is missing; "
    "quote text with brackets",
    "expected <block end>": "the indentation is inconsistent; align the keys of a mapping and the items of a list",
    "could not find expected ':'": "a key has no `:`; add it, or indent this line under the key above",
    "found undefined tag handle": "YAML tags (`!`) are not accepted; remove the tag, and quote the value if it is text",
}
_OTHER = "this is not valid YAML; check indentation, quotes, brackets and colons here and on the line above"

NO_SPACE = "has no space after its `:`; write `KEY: VALUE`"
GLUED = re.compile(r"([A-Za-z0-9_.-]{1,40}):[^\s/]")
"""A key without a space after its `:`, which YAML reads as text. The scheme of a URL does not match."""
_GLUED_LINE = re.compile(rf"\s*(?:- +)*{GLUED.pattern}")


def problem(error: Exception, text: str, *, line: int) -> tuple[int, str]:
    """The line of the mistake in `text`, and what it is. `line` is where PyYAML was when it raised `error`, from 1."""
    theirs = str(getattr(error, "problem", ""))
    # PyYAML sets these attributes on most of its errors only, and raises some of Python's own errors.
    mark = getattr(error, "problem_mark", None)
    if mark:
        line = mark.line + 1
    opened = getattr(error, "context_mark", None) or mark
    opened_on = opened.line + 1 if opened else line
    if theirs.startswith("could not find expected ':'"):
        line = opened_on  # PyYAML notices it on a later line
    if (glued := _glued(text, line)) is not None:
        return glued, f"a key {NO_SPACE}"
    ours = next((ours for start, ours in _SYNTAX.items() if theirs.startswith(start)), _OTHER)
    return line, ours.replace("{opened}", str(opened_on))


def _glued(text: str, line: int) -> int | None:
    """The line of a key without a space after its `:`. It is `line` or the one before, because YAML reads on."""
    lines = enumerate(text.split("\n")[:line], start=1)
    last = [(number, text) for number, text in lines if text.strip() and not text.lstrip().startswith("#")][-2:]
    return next((number for number, text in reversed(last) if _GLUED_LINE.match(text)), None)
