"""JSON from outside as Python values: one decoder for VOD's answers and events, the API and files of ids."""

from __future__ import annotations

import json
import math

_MAX_DIGITS = 19  # the API has 64-bit integers


class JsonError(ValueError):
    """The text is not JSON. `str()` follows a subject, such as "the body"; `line` counts from 1."""

    def __init__(self, problem: str, line: int = 1) -> None:
        super().__init__(problem)
        self.line = line


class JsonObject(dict[str, object]):
    """A JSON object; `repeated_key` is the first key that it has twice, or None."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__()
        self.repeated_key: str | None = None
        for key, value in pairs:
            if key in self and self.repeated_key is None:
                self.repeated_key = key
            self[key] = value


def decode(text: str | bytes, *, find_repeated_keys: bool = False) -> object:
    """Decode JSON; bytes are UTF-8 (RFC 8259, section 8.1), with or without a byte order mark. Raises `JsonError`.

    NaN, Infinity and control characters in strings are accepted. The caller checks each value, so a bad value makes
    only its own field malformed, not the whole text. With `find_repeated_keys`, every object is a `JsonObject`.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8", "surrogatepass")  # a lone surrogate, too, makes only its own field malformed
        except UnicodeDecodeError:
            raise JsonError("is not UTF-8") from None
    decoder = _FINDS_REPEATED_KEYS if find_repeated_keys else _DECODER
    try:
        value: object = decoder.decode(text.removeprefix("\ufeff"))
    except RecursionError:
        raise JsonError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JsonError("is not valid JSON", error.lineno) from None
    return value


def _integer(digits: str) -> int | float:
    # Python raises for integers of over 4,300 digits. Infinity is out of every range, so only its field is malformed.
    return int(digits) if len(digits.lstrip("-")) <= _MAX_DIGITS else math.inf


_DECODER = json.JSONDecoder(parse_int=_integer, strict=False)
_FINDS_REPEATED_KEYS = json.JSONDecoder(parse_int=_integer, strict=False, object_pairs_hook=JsonObject)
