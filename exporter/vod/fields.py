"""Lenient readers of single JSON fields: a value to trust, or nothing and a note of the field's name.

A key that is missing, an empty text, and a null where text, a time or a list belongs, are "nothing there". A null where
a number belongs, and every value of another kind than the field's, are odd: absent, and noted once each.
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
NUMBER_LIMIT = 1e18  # the API's integers are 64 bits wide

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NUMBER_LENGTH = 64
# `fromisoformat` alone would also take `20190123` and `2019-W04-3`.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.,Zz+-]{1,32}", re.ASCII)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()

# An id is sent back to the service, ids joined by commas; one that had to be mended would name something else.
_ID = re.compile(rf"[^\s,{UNSAFE_CHARACTERS}]{{1,{ID_LIMIT}}}")

_LAYERS = 4
_PREFIX = re.compile(r'"?\w{1,64}"?\s*:\s*', re.ASCII)


def is_id(text: str) -> bool:
    """Whether the service can be asked about this id: up to 128 characters, no spaces, commas or unsafe ones."""
    return _ID.fullmatch(text) is not None


def embedded(value: object) -> object:
    """What a text of JSON holds, however many times it was escaped; any other value as it is, an empty text as None.

    Documented samples escape once, twice, and put the field's own name before (`"AudioStreamList": "[{\\"Bitrate…`),
    without the closing quote. Raises `ValueError` where no JSON can be found.
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
        raise ValueError("text within text")  # noqa: TRY004 - the value is at fault, as in the other cases
    return value


def _peel(text: str) -> object:
    """One layer of JSON less."""
    bare = _PREFIX.sub("", text, count=1) if _PREFIX.match(text) else text
    for candidate in (text, bare, f'"{bare.removeprefix(chr(34)).removesuffix(chr(34))}"'):
        try:
            return decode(candidate)
        except JsonError:
            continue
    raise ValueError("no JSON")


class Fields:
    """Reads the fields of one JSON object. `odd` collects the names of fields that held no value to trust.

    `prefix` goes before the names noted, for fields that a name alone does not tell apart.
    """

    __slots__ = ("_odd", "_prefix", "_source")

    def __init__(self, source: Mapping[str, object], odd: list[str], prefix: str = "") -> None:
        self._source = source
        self._odd = odd
        self._prefix = prefix

    def note(self, name: str) -> None:
        self._odd.append(self._prefix + name)

    def number(self, name: str, *, limit: float = NUMBER_LIMIT) -> float | None:
        """A number or decimal text, 0 to `limit`."""
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
            return abs(number)  # no negative zero
        self.note(name)
        return None

    def integer(self, name: str, *, limit: float = NUMBER_LIMIT) -> int | None:
        """A whole number or its text, 0 to `limit`."""
        number = self.number(name, limit=limit)
        if number is None or number.is_integer():
            return None if number is None else int(number)
        self.note(name)
        return None

    def ratio(self, name: str) -> float | None:
        """A percentage as a ratio, 0 to 1."""
        percent = self.number(name, limit=100)
        return None if percent is None else percent / 100

    def bits_per_second(self, name: str) -> float | None:
        """Kbit/s as bit/s."""
        kilobits = self.number(name)
        return None if kilobits is None else round(kilobits * 1000, 3)

    def time(self, name: str) -> float | None:
        """An ISO 8601 time as Unix seconds; without an offset it is UTC; years 2000 to 2099."""
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
        self.note(name)
        return None

    def id(self, name: str, *, required: bool = False) -> str:
        """An id as `is_id` has it, or `""`; where it is `required`, its absence is odd."""
        text = self._text(name)
        if text is None:
            return ""
        if is_id(text):
            return text
        if text or required:
            self.note(name)
        return ""

    def ids(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Up to `limit` ids, each once: a list, a text of JSON, a list whose texts are such, or one bare id."""
        found: dict[str, None] = {}
        rows = _list(self._source.get(name))
        items = [item for row in rows[:limit] for item in _list(row)[:limit]]
        if len(rows) > limit or len(items) > limit:
            self.note(name)
        for item in items[:limit]:
            found[Fields({name: item}, self._odd, self._prefix).id(name)] = None
        found.pop("", None)
        return tuple(found)

    def name(self, name: str) -> str:
        """A word of the API's: a status, definition, format, code. Cleaned; longer than 64 characters it is odd."""
        text = self._text(name)
        if not text:
            return ""
        if len(text) > NAME_LIMIT:
            self.note(name)
            return ""
        return clean(text)

    def free_text(self, name: str, *, limit: int = FREE_TEXT_LIMIT) -> str:
        """A message or an address, cleaned, and cut to `limit` characters."""
        return clean(self._text(name) or "", limit)

    def _text(self, name: str) -> str | None:
        """The stripped text, `""` where nothing is there, None where the value is odd; whole numbers are text too."""
        value = self._source.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBER_LIMIT:
            return str(value)
        self.note(name)
        return None


def _list(value: object) -> list[object]:
    """The list that `value` is, or holds as a text of JSON; another value alone in a list, nothing for None."""
    held = value
    if isinstance(value, str) and "[" in value:  # else it is no list, and an id such as 64079e3 is no number
        try:
            held = embedded(value)
        except ValueError:
            held = value
    if isinstance(held, list):
        return held
    return [] if held is None else [value]
