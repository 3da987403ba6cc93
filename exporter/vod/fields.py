"""Lenient readers of single JSON fields: each returns a valid value, or nothing and reports the field as malformed.

A missing key and an empty string are absent, and so is a null for a string, a time or a list. A null for a number, and
any value of a wrong type or out of range, are malformed: the reader returns nothing, and reports the name of the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from exporter.jsontext import JsonError, decode
from exporter.text import UNSAFE_CHARACTERS, clean

ID_LIMIT = 128
NAME_LIMIT = 64
FREE_TEXT_LIMIT = 1024
EMBEDDED_LIMIT = 64 * 1024  # 32 streams as documented are 22 KiB
NUMBER_LIMIT = 1e18  # the API has 64-bit integers

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NUMBER_LENGTH = 64  # `float` takes long for millions of digits
# `fromisoformat` alone would also accept `20190123` and `2019-W04-3`.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.,Zz+-]{1,32}", re.ASCII)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()

# Requests contain ids, several of them joined by commas. An id with another character must not be corrected, because
# the corrected id would be the id of something else.
_ID = re.compile(rf"[^\s,{UNSAFE_CHARACTERS}]{{1,{ID_LIMIT}}}")

_LAYERS = 4  # of escaping; documented samples have two
_PREFIX = re.compile(r'"?\w{1,64}"?\s*:\s*', re.ASCII)


def is_id(text: str) -> bool:
    """Whether a request can contain this id: 1 to 128 characters, no white space, comma or unsafe character."""
    return _ID.fullmatch(text) is not None


def embedded(value: object) -> object:
    """Decode a string of JSON, which may be escaped several times. Other values are returned as they are, "" as None.

    The documented samples escape once or twice, and some repeat the name of the field in front
    (`"AudioStreamList": "[{\\"Bitrate…`) without the closing quote. Raises `ValueError` if there is no JSON.
    """
    for _ in range(_LAYERS):
        if not isinstance(value, str):
            return value
        text = value.strip()
        if not text:
            return None
        if len(text) > EMBEDDED_LIMIT:
            raise ValueError("too long")
        value = _peel(text)
    if isinstance(value, str):
        raise ValueError("escaped too often")  # noqa: TRY004 - the value is wrong, not its type
    return value


def _peel(text: str) -> object:
    """Remove one layer of JSON. Raises `ValueError` if there is none."""
    bare = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
    # Try the text unchanged, without the name in front, and in quotes, because some samples escape JSON without quotes.
    for candidate in (text, bare, f'"{bare.removeprefix(chr(34)).removesuffix(chr(34))}"'):
        try:
            return decode(candidate)
        except JsonError:
            continue
    raise ValueError("no JSON")


class Fields:
    """Reads the fields of one JSON object. Appends the names of malformed fields to `malformed`.

    `prefix` is put before these names, where the name alone does not say which object has the field.
    """

    __slots__ = ("_malformed", "_prefix", "_source")

    def __init__(self, source: Mapping[str, object], malformed: list[str], prefix: str = "") -> None:
        self._source = source
        self._malformed = malformed
        self._prefix = prefix

    def report(self, name: str) -> None:
        """Report the field as malformed."""
        self._malformed.append(self._prefix + name)

    def number(self, name: str, *, limit: float = NUMBER_LIMIT) -> float | None:
        """A number, or a string with a decimal number, from 0 to `limit`."""
        value = self._source.get(name, "")
        number = math.nan
        if isinstance(value, str):
            value = value.strip()
            if not value:
                return None
            if len(value) <= _NUMBER_LENGTH and _NUMBER.fullmatch(value):
                number = float(value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= limit:
            number = float(value)
        if 0 <= number <= limit:
            return abs(number)  # `-0.0` would be another text in the exposition
        self.report(name)
        return None

    def integer(self, name: str, *, limit: float = NUMBER_LIMIT) -> int | None:
        """A whole number, or a string with one, from 0 to `limit`."""
        number = self.number(name, limit=limit)
        if number is None or number.is_integer():
            return None if number is None else int(number)
        self.report(name)
        return None

    def ratio(self, name: str) -> float | None:
        """A percentage from 0 to 100, as a ratio from 0 to 1."""
        percent = self.number(name, limit=100)
        return None if percent is None else percent / 100

    def bits_per_second(self, name: str) -> float | None:
        """A bitrate in Kbit/s, as bits per second."""
        kilobits = self.number(name)
        return None if kilobits is None else round(kilobits * 1000, 3)

    def time(self, name: str) -> float | None:
        """An ISO 8601 time of the years 2000 to 2099, as Unix seconds. A time without an offset is UTC."""
        text = self._text(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            seconds = math.nan
        if _EARLIEST <= seconds < _LATEST and _TIME.fullmatch(text):
            return seconds
        self.report(name)
        return None

    def id(self, name: str, *, required: bool = False) -> str:
        """An id that `is_id` accepts, or `""`. If it is `required`, an absent id is malformed."""
        text = self._text(name)
        if text is None:
            return ""
        if is_id(text):
            return text
        if text or required:
            self.report(name)
        return ""

    def ids(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Up to `limit` different ids: from a list, a string of JSON, a list of such strings, or a single id."""
        found: dict[str, None] = {}
        rows = _list(self._source.get(name))
        items = [item for row in rows[:limit] for item in _list(row)[:limit]]
        if len(rows) > limit or len(items) > limit:
            self.report(name)
        for item in items[:limit]:
            found[Fields({name: item}, self._malformed, self._prefix).id(name)] = None
        found.pop("", None)
        return tuple(found)

    def name(self, name: str) -> str:
        """A word of the API, such as a status, definition, format or code: cleaned, at most 64 characters."""
        text = self._text(name)
        if not text:
            return ""
        if len(text) > NAME_LIMIT:
            self.report(name)
            return ""
        return clean(text)

    def free_text(self, name: str, *, limit: int = FREE_TEXT_LIMIT) -> str:
        """A message or a URL: cleaned and cut to `limit` characters."""
        return clean(self._text(name) or "", limit)

    def _text(self, name: str) -> str | None:
        """The stripped string, `""` if it is absent, None if it is malformed. A whole number is read as its digits."""
        value = self._source.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_LIMIT:
            return str(value)
        self.report(name)
        return None


def _list(value: object) -> list[object]:
    """A list, or the list in a string of JSON; [] for None, and a list of one item for any other value."""
    found = value
    if isinstance(value, str) and "[" in value:  # without this check, the id 64079e3 would be decoded as a number
        try:
            found = embedded(value)
        except ValueError:
            found = value
    if isinstance(found, list):
        return found
    return [] if found is None else [value]
