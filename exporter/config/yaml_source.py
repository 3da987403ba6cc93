"""Strict YAML: plain data with the line of every key, and all faults at once.

This is stricter than YAML on purpose. Booleans are `true` and `false`, and numbers are plain decimals. Everything else
that YAML 1.1 reads as a boolean, number, date or null (`no`, `012`, `1:30`, `~`) is a fault. Duplicate keys, anchors,
aliases, merge keys, tags and a second document are faults, too.

The loader of PyYAML in pure Python is used even if libyaml is installed, because the two report different lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.reader import Reader

from exporter import reading
from exporter.config import scalars, syntax
from exporter.config.syntax import GLUED, NO_SPACE

KeyPath = tuple[str | int, ...]

MAX_BYTES = 1 << 20
MAX_DEPTH = 16  # the sections need 5 levels; a bound keeps hostile files from the recursion limit
_SHOWN = 60  # characters of a value in a fault


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its line (from 1), the path of its key (empty for the whole file) and the text `problem; remedy`."""

    line: int
    path: KeyPath
    text: str


class _Broken:
    """The placeholder for a value that has a fault."""

    def __repr__(self) -> str:
        return "<broken>"


BROKEN = _Broken()


@dataclass(frozen=True, slots=True)
class Source:
    """The data of a file as dicts, lists, strings, numbers and booleans, with `BROKEN` at the paths in `broken`.

    `lines` has the line of each key and of each item in a list. If `complete` is false, reading stopped early, and
    `data` is not the whole file.
    """

    data: object
    lines: Mapping[KeyPath, int]
    faults: tuple[Fault, ...]
    broken: frozenset[KeyPath]
    complete: bool


def read(
    path: Path,
    *,
    environ: Mapping[str, str] | None,
    hidden: Callable[[KeyPath], bool],
    needs: str = "add at least `accounts`",
) -> Source:
    """Read the file at `path` as `parse` does. A byte order mark is skipped. Faults are returned, not raised."""
    try:
        raw = reading.read(path, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        return _failed(f"cannot be read ({reason}); name a readable YAML file")
    if len(raw) > MAX_BYTES:
        return _failed(f"is larger than {MAX_BYTES >> 20} MiB; name a configuration file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _failed("is not UTF-8; save the file as UTF-8", line)
    return parse(text, environ=environ, hidden=hidden, needs=needs)


def parse(
    text: str,
    *,
    environ: Mapping[str, str] | None,
    hidden: Callable[[KeyPath], bool],
    needs: str = "add at least `accounts`",
) -> Source:
    """Parse `text`. In values, `${NAME}` is replaced from `environ`, and `$$` by a dollar sign.

    If `environ` is None, values stay as they are. Faults do not show the values of paths for which `hidden` is true.
    `needs` is the remedy for an empty file.
    """
    unprintable = Reader.NON_PRINTABLE.search(text)
    if unprintable:
        line = text.count("\n", 0, unprintable.start()) + 1
        return _failed(f"contains the control character U+{ord(unprintable[0]):04X}; remove it", line)
    return _Builder(text, environ, hidden, needs).build()


def _failed(text: str, line: int = 1) -> Source:
    return Source(None, {}, (Fault(line, (), text),), frozenset(), complete=False)


class _Stop(Exception):
    """Reading cannot continue; the fault is in the list already."""


class _Builder:
    """Builds the data of one document from PyYAML's events, and collects faults instead of raising at the first."""

    def __init__(
        self, text: str, environ: Mapping[str, str] | None, hidden: Callable[[KeyPath], bool], needs: str
    ) -> None:
        self._loader = yaml.SafeLoader(text)
        self._text = text
        self._environ = environ
        self._hidden = hidden
        self._needs = needs
        self._lines: dict[KeyPath, int] = {}
        self._faults: list[Fault] = []
        self._broken: set[KeyPath] = set()
        self._discarding = 0  # above 0 inside a node that is not in the data; its lines are not kept

    def build(self) -> Source:
        data: object = None
        try:
            data = self._document()
        except _Stop:
            return Source(None, self._lines, tuple(self._faults), frozenset(self._broken), complete=False)
        return Source(data, self._lines, tuple(self._faults), frozenset(self._broken), complete=True)

    def _document(self) -> object:
        self._next()  # the start of the stream
        start = self._next()
        if isinstance(start, StreamEndEvent):
            self._fault(1, (), f"is empty; {self._needs}")
            raise _Stop
        first = self._next()
        self._lines[()] = _line(first)
        data = self._node(first, ())
        self._next()  # the end of the document
        end = self._next()
        if isinstance(end, DocumentStartEvent):
            self._fault(_line(end), (), "has a second document; keep one document per file")
        return data

    def _next(self) -> Event:
        try:
            event: Event = self._loader.get_event()  # type: ignore[no-untyped-call]
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            line, text = syntax.problem(error, self._text, line=self._loader.line + 1)
        else:
            return event
        self._fault(line, (), text)
        raise _Stop

    def _fault(self, line: int, path: KeyPath, text: str) -> _Broken:
        self._faults.append(Fault(line, path, text))
        return BROKEN

    def _node(self, event: Event, path: KeyPath) -> object:
        if self._discarding:
            return self._value(event, path)
        self._lines.setdefault(path, _line(event))
        value = self._value(event, path)
        if value is BROKEN:
            self._broken.add(path)
        return value

    def _discard(self, event: Event, path: KeyPath) -> None:
        """Read a node without a place in the data, only to find its faults."""
        self._discarding += 1
        self._value(event, path)
        self._discarding -= 1

    def _value(self, event: Event, path: KeyPath) -> object:
        line = _line(event)
        if len(path) >= MAX_DEPTH:
            self._fault(line, path, f"is nested deeper than {MAX_DEPTH} levels; remove levels")
            raise _Stop
        if isinstance(event, AliasEvent):
            return self._fault(line, path, "YAML aliases (`*`) are not accepted; write the value out, or quote it")
        if getattr(event, "anchor", None) is not None:
            self._fault(line, path, "YAML anchors (`&`) are not accepted; write the value out, or quote it")
        tagged = getattr(event, "tag", None) is not None
        if tagged:
            self._fault(
                line, path, "YAML tags (`!`) are not accepted; remove the tag, and quote the value if it is text"
            )
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        assert isinstance(event, ScalarEvent)  # noqa: S101 - no other event starts a node
        return BROKEN if tagged else self._scalar(event, path)

    def _sequence(self, path: KeyPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, object]:
        mapping: dict[str, object] = {}
        first: dict[str, int] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            key = self._key(event, path)
            if key is None:
                self._discard(self._next(), (*path, "?"))
                continue
            if glued := GLUED.match(key):
                self._skip_glued(_line(event), (*path, glued[1]))
                continue
            inner = (*path, key)
            if key in first:
                self._fault(_line(event), inner, f"is given twice, first on line {first[key]}; keep one")
                self._discard(self._next(), inner)
                continue
            first[key] = _line(event)
            if not self._discarding:
                self._lines[inner] = first[key]
            mapping[key] = self._node(self._next(), inner)
        return mapping

    def _skip_glued(self, line: int, path: KeyPath) -> None:
        """Note the fault of a key that contains its value, such as `{region:cn-shanghai}`, and read what follows it."""
        self._fault(line, path, NO_SPACE)
        if not self._discarding:
            self._lines.setdefault(path, line)
            self._broken.add(path)
        event = self._next()
        if not isinstance(event, ScalarEvent) or event.value:
            self._discard(event, path)

    def _key(self, event: Event, path: KeyPath) -> str | None:
        """The text of a key; None if it is not plain text, which is then a fault."""
        line = _line(event)
        if not isinstance(event, ScalarEvent) or event.tag is not None or event.anchor is not None:
            if not isinstance(event, ScalarEvent):
                self._discard(event, (*path, "?"))
            self._fault(line, path, "has a key that is not plain text; write only the key before the `:`")
            return None
        if event.value == "<<" and not event.style:
            self._fault(line, path, "YAML merge keys (`<<`) are not accepted; write the keys out")
            return None
        return str(event.value)

    def _scalar(self, event: ScalarEvent, path: KeyPath) -> object:
        text = event.value
        if not event.style:  # quoted text is always text
            if (glued := GLUED.match(text)) and not self._discarding:
                self._lines[*path, glued[1]] = _line(event)  # the line to name, if a mapping is expected here
            value = scalars.plain(text)
            if value is not None:
                return value
            problem = scalars.problem(text)
            if problem:
                subject = "the value" if self._hidden(path) or not text else text[:_SHOWN]
                return self._fault(_line(event), path, f"{subject} {problem}")
        if self._environ is None or "$" not in text:
            return text
        expanded, problems = scalars.expand(text, self._environ)
        for problem in problems:
            self._fault(_line(event), path, problem)
        return BROKEN if problems else expanded


def _line(event: Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1
