"""Single values of strict YAML: booleans, plain decimal numbers, text, and environment variables in text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

# 15 digits fit into a float without loss.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_DIGITS = re.compile(r"[1-9][0-9]*")
_OTHER_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?|[-+]?0[oO][0-7_]+")
# `$$`, or `${NAME}` with NAME and the closing brace captured, so that a malformed reference is found too.
_REFERENCE = re.compile(r"\$(?:\$|\{([^}]*)(\}?))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Why a plain scalar is not accepted, by the tag that the resolver of YAML 1.1 gives it.
_PROBLEMS = {
    "bool": "is a boolean in YAML 1.1; write true or false, or quote it if it is text",
    "int": "is read differently by different versions of YAML; write a plain decimal number, or quote it if it is text",
    "null": "is an empty value in YAML; write a value, or remove the key",
    "timestamp": "is a date in YAML 1.1; quote it if it is text",
    "merge": "is a merge key in YAML 1.1; quote it if it is text",
    "value": "has a special meaning in YAML 1.1; quote it if it is text",
}
_PROBLEMS["float"] = _PROBLEMS["int"]
_SEXAGESIMAL = "is a base 60 number in YAML 1.1; write a duration such as 1m30s, or quote it if it is text"


class Expanded(str):
    """Text with the value of an environment variable, which must not be shown. `written` is the text in the file."""

    __slots__ = ("written",)
    written: str


def plain(text: str) -> bool | int | float | None:
    """The value of a plain (unquoted) scalar that is a boolean or a decimal number; None for any other scalar."""
    if text in ("true", "false"):
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


def problem(text: str) -> str | None:
    """Why a plain scalar that has no value by `plain` is not accepted; None if it is text."""
    if not text:
        return "is missing; write one, or remove the key"
    if _DIGITS.fullmatch(text):
        return f"is a number of {len(text)} digits; quote it if it is text"
    for tag, pattern in yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], []):
        if pattern.match(text):
            kind = tag.rpartition(":")[2]
            if kind in ("int", "float") and ":" in text:
                return _SEXAGESIMAL
            return _PROBLEMS.get(kind, _PROBLEMS["value"])
    if text in ("y", "Y", "n", "N"):
        return _PROBLEMS["bool"]
    return _PROBLEMS["int"] if _OTHER_NUMBER.fullmatch(text) else None


def expand(text: str, environ: Mapping[str, str]) -> tuple[Expanded, Sequence[str]]:
    """`text` with `${NAME}` replaced from `environ` and `$$` by a dollar sign, and the different problems found."""
    problems: dict[str, None] = {}

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if not match[2] or not _NAME.fullmatch(match[1]):
            problems["`${` is not the start of ${NAME}; write ${NAME}, or $${ for the text ${"] = None
            return ""
        if match[1] not in environ:
            problems[f"the environment variable {match[1]} is not set; set it, or write $${{ for the text ${{"] = None
            return ""
        if not environ[match[1]]:
            # An empty variable is almost always a mistake in the deployment.
            problems[f"the environment variable {match[1]} is empty; give it a value"] = None
        return environ[match[1]]

    expanded = Expanded(_REFERENCE.sub(replace, text))
    expanded.written = text
    return expanded, tuple(problems)
