"""The types of the configuration's values: what is accepted, and the sentence for what is not.

A sentence follows the value it is about: `"x y" is not a name; use letters`.
"""

from __future__ import annotations

import glob
import ipaddress
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from exporter.config.duration import PATTERN as DURATION_PATTERN
from exporter.config.duration import format_duration, parse_duration
from exporter.config.yaml_source import Expanded
from exporter.keyfile import key_text, read_key
from exporter.secret import SecretText

ENV_PATTERN = r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"

_NUMBER_TEXT = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_ENDPOINT = re.compile(
    r"(https?)://([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?"
)
_CALLBACK = re.compile(r"https?://[^/?#\s]+\S*")
_LIKE_A_KEY = re.compile(r"[^/._-]{20,}")


@dataclass(frozen=True, slots=True)
class FromFile:
    """The context of validation when the values come from a file: paths start at `folder`."""

    folder: Path


def refused(text: str, *, at_parent: bool = False) -> PydanticCustomError:
    """A fault in our words: about the section where `at_parent`, else they follow the key."""
    return PydanticCustomError("at_parent" if at_parent else "sentence", "{text}", {"text": text})


def _refused_value(text: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{text}", {"text": text})


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$|{ENV_PATTERN}"}


def _matching(pattern: str, text: str) -> PlainValidator:
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if isinstance(value, (bool, int, float)):
            raise _refused_value(f"is a {'boolean' if isinstance(value, bool) else 'number'} to YAML; quote it")
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise _refused_value(text)
        return str(value)

    return PlainValidator(check)


_NAME = r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,64}"
_REGION = r"(?=.{4,40}$)[a-z]{2}(?:-[a-z0-9]+)+"
ID_PATTERN = r"[A-Za-z0-9_-]{1,128}"

Name = Annotated[
    str,
    _matching(_NAME, "is not an account name; use 1 to 64 letters, digits, `_`, `.` and `-`"),
    WithJsonSchema(_text(_NAME)),
]
Region = Annotated[
    str, _matching(_REGION, "is not a region id; write one such as cn-shanghai"), WithJsonSchema(_text(_REGION))
]
Id = Annotated[
    str,
    _matching(ID_PATTERN, "is not an id; use 1 to 128 letters, digits, `_` and `-`, as VOD shows it"),
    WithJsonSchema(_text(ID_PATTERN)),
]
Ids = Annotated[
    tuple[Id, ...],
    WithJsonSchema({"type": "array", "items": _text(ID_PATTERN), "uniqueItems": True}),
]


def _endpoint(value: object) -> str:
    # The value is never shown: people put keys into addresses.
    if isinstance(value, str):
        if "@" in value:
            raise refused("holds a user name or password; remove it, and put keys under credentials")
        if "://" not in value:
            raise refused("has no scheme; write https:// in front")
        match = _ENDPOINT.fullmatch(value)
        if match and _is_host(match[2]) and (match[3] is None or 0 < int(match[3]) < 65536):
            return str(value).rstrip("/")
    raise refused("is not an address to call; write http://HOST or https://HOST, with :PORT if need be, and no path")


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return ".." not in host
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True


Endpoint = Annotated[
    str,
    PlainValidator(_endpoint),
    WithJsonSchema({"type": "string", "pattern": f"^https?://[^/@?#]+/?$|{ENV_PATTERN}"}),
]


def _callback(value: object) -> str:
    # Kept to the letter, because it is signed; never shown, because its query may be a secret.
    if not isinstance(value, str) or not _CALLBACK.fullmatch(value) or not value.isprintable():
        raise refused("is not an address; write it as VOD has it, http://... or https://..., to the letter")
    return str(value)


CallbackUrl = Annotated[
    str,
    PlainValidator(_callback),
    WithJsonSchema({"type": "string", "pattern": f"^https?://[^/?#\\s]+\\S*$|{ENV_PATTERN}"}),
]


def _path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value.absolute()
    if not isinstance(value, str) or not value or "\0" in value:
        raise refused("is not a path; write the path of a file, from this file's folder")
    return info.context.folder / value if isinstance(info.context, FromFile) else Path(value).absolute()


_PATH_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})

FilePath = Annotated[Path, PlainValidator(_path), _PATH_SCHEMA]


def _pattern(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise _refused_value("is not a pattern of files; write one such as tasks/*.yml, from this file's folder")
    folder = glob.escape(str(info.context.folder)) if isinstance(info.context, FromFile) else ""
    return os.path.join(folder, value)  # noqa: PTH118 - a pattern, no path


Patterns = Annotated[
    tuple[Annotated[str, PlainValidator(_pattern)], ...],
    WithJsonSchema({"type": "array", "items": {"type": "string", "minLength": 1}}),
]


def _key_text(value: object) -> SecretText:
    return _secret_text(value, "copy the key as Alibaba Cloud shows it")


def _secret_text(value: object, remedy: str) -> SecretText:
    if isinstance(value, SecretText):
        return value
    if not isinstance(value, str):
        raise refused(f"is not text; {'write the key itself' if isinstance(value, (dict, list)) else 'quote it'}")
    try:
        return key_text(value)
    except ValueError as error:
        raise refused(f"{error}; {remedy}") from None


def _key_file(value: object, info: ValidationInfo) -> Path:
    return _secret_file(value, info)[0]


def _secret_file(value: object, info: ValidationInfo) -> tuple[Path, SecretText]:
    path = _path(value, info)
    try:
        return path, read_key(path)
    except ValueError as error:
        remedy = "write the key alone to it, readable by the exporter"
        raise refused(f"the file{_shown_path(value)} {error}; {remedy}") from None


def _shown_path(value: object) -> str:
    written = value.written if isinstance(value, Expanded) else str(value)
    # A key given where its file belongs must not be shown.
    return "" if _LIKE_A_KEY.search(written) or len(written) > 200 else f" {written}"


_KEY_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})

KeyText = Annotated[SecretText, PlainValidator(_key_text), _KEY_SCHEMA]
KeyFile = Annotated[Path, PlainValidator(_key_file), _KEY_SCHEMA]

MIN_TOKEN = 16
_TOKEN_REMEDY = f"write {MIN_TOKEN} random characters or more, as `openssl rand -hex 32` makes them"


def _token_text(value: object) -> SecretText:
    token = _secret_text(value, _TOKEN_REMEDY)
    if len(token.get_secret_value()) < MIN_TOKEN:
        raise refused(f"is shorter than {MIN_TOKEN} characters; {_TOKEN_REMEDY}")
    return token


def _token_file(value: object, info: ValidationInfo) -> Path:
    path, token = _secret_file(value, info)
    if len(token.get_secret_value()) < MIN_TOKEN:
        raise refused(f"the file{_shown_path(value)} holds less than {MIN_TOKEN} characters; {_TOKEN_REMEDY}")
    return path


TokenText = Annotated[
    SecretText,
    PlainValidator(_token_text),
    WithJsonSchema({"type": "string", "anyOf": [{"minLength": MIN_TOKEN}, {"pattern": ENV_PATTERN}]}),
]
TokenFile = Annotated[Path, PlainValidator(_token_file), _KEY_SCHEMA]


def _switch(value: object) -> bool:
    if isinstance(value, Expanded) and value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise _refused_value("is not a boolean; write true or false, without quotes")
    return value


Switch = Annotated[
    bool,
    PlainValidator(_switch),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": ENV_PATTERN}]}),
]


def _number(value: object) -> int | float:
    if isinstance(value, Expanded) and _NUMBER_TEXT.fullmatch(value):
        return float(value) if "." in value else int(value)
    if isinstance(value, str):
        raise _refused_value("is text; write a number, without quotes")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused_value("is not a number; write a number")
    return value


def _rate(value: object) -> float:
    number = _number(value)
    if not 0 < number <= 100:
        raise _refused_value(
            "is out of range; write a number above 0 and at most 100 (VOD allows 15 calls a second of an operation, "
            "shared by all that the account runs, unless your quota was raised)"
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
            raise _refused_value(f"is out of range; write a whole number from {low} to {high}")
        return number

    number_schema = {"type": "integer", "minimum": low, "maximum": high}
    return PlainValidator(check), WithJsonSchema({"anyOf": [number_schema, {"type": "string", "pattern": ENV_PATTERN}]})


Concurrency = Annotated[int, *_whole(1, 64)]
MaxJobs = Annotated[int, *_whole(1, 1_000_000)]


def _seconds(value: object, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise _refused_value("is not a duration; write one such as 30s, 1m30s or 500ms") from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused_value("is not a duration; write one such as 30s, 1m30s or 500ms")
    if value and isinstance(info.context, FromFile):
        hint = f"{value}s" if isinstance(value, int) else format_duration(abs(value))
        raise _refused_value(f"has no unit; write {hint.lstrip('-')}")
    return float(value)


def _between(low: float, high: float) -> tuple[PlainValidator, WithJsonSchema]:
    span = f"{format_duration(low)} to {format_duration(high)}"

    def check(value: object, info: ValidationInfo) -> float:
        seconds = _seconds(value, info)
        if not low <= seconds <= high:
            raise _refused_value(f"is out of range; write a duration from {span}")
        return seconds

    text = _text(DURATION_PATTERN)
    return PlainValidator(check), WithJsonSchema({"anyOf": [text, {"const": 0}] if low == 0 else [text]})


Timeout = Annotated[float, *_between(0.1, 300)]
Offset = Annotated[float, *_between(0, 60)]
MinInterval = Annotated[float, *_between(0, 3600)]
Retention = Annotated[float, *_between(0, 30 * 86400)]
Staleness = Annotated[float, *_between(0.1, 86400)]
GiveUpAfter = Annotated[float, *_between(3600, 365 * 86400)]
Lookback = Annotated[float, *_between(600, 30 * 86400)]
Interval = Annotated[float, *_between(5, 3600)]

MAX_BOUNDS = 50


def _bounds(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if len(bounds) > MAX_BOUNDS:
        raise refused(f"has {len(bounds)} bounds; keep at most {MAX_BOUNDS}")
    for at, (lower, upper) in enumerate(pairwise(bounds), start=1):
        if upper <= lower:
            raise refused(f"[{at}] is not above [{at - 1}]; write each bound once, from the lowest to the highest")
    return bounds


def _bounds_schema(item: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": item, "minItems": 1, "maxItems": MAX_BOUNDS, "uniqueItems": True})


def _amount(value: object) -> float:
    number = _number(value)
    if not 0 < number <= 1e15:
        raise _refused_value("is out of range; write a number above 0")
    return float(number)


_BoundDuration = Annotated[float, *_between(0.001, 365 * 86400)]

Durations = Annotated[
    tuple[_BoundDuration, ...],
    Field(min_length=1),
    AfterValidator(_bounds),
    _bounds_schema(_text(DURATION_PATTERN)),
]
Amounts = Annotated[
    tuple[Annotated[float, PlainValidator(_amount)], ...],
    Field(min_length=1),
    AfterValidator(_bounds),
    _bounds_schema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": ENV_PATTERN}]}),
]
