"""Faults of the configuration as sentences. Only this module knows the errors of pydantic and hides secret values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from exporter.config.scalars import Expanded
from exporter.config.syntax import GLUED, NO_SPACE
from exporter.config.yaml_source import Fault, KeyPath, Source
from exporter.text import clean

_KEY = "[key]"  # pydantic puts this at the end of the path if the key itself is at fault
_SHOWN = 60  # characters of a value or key
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_CONFIG_KEY = re.compile(r"[a-z_]{1,40}")
_SECRET = re.compile(r"key|secret|token|password|credential|endpoint|callback|url|^api$|^basic_auth", re.IGNORECASE)

_MAPPINGS = ("model_type", "dict_type")  # errors of pydantic where something else is in place of a mapping

Sections = Mapping[tuple[str, ...], type[BaseModel]]


def hidden(path: KeyPath) -> bool:
    """Whether the value at `path` may be a secret. This includes misspelled keys and keys in the wrong section."""
    return any(isinstance(part, str) and _SECRET.search(part) for part in path)


def translated(errors: Iterable[Mapping[str, Any]], source: Source, sections: Sections) -> Iterator[Fault]:
    """Translate pydantic's errors into faults, except errors about values that already have a fault of YAML."""
    for error in errors:
        path: KeyPath = tuple(part for part in error["loc"] if part != _KEY)
        if any(path[:depth] in source.broken for depth in range(len(path) + 1)):
            continue
        if error["type"] == "too_short" and error["input"]:
            continue  # its items have faults of their own
        text = _sentence(error, path, sections)
        value = error["input"]
        if error["type"] in _MAPPINGS and isinstance(value, str) and (glued := GLUED.match(value)):
            path, text = (*path, glued[1]), NO_SPACE
        if error["type"] == "at_parent":
            path = path[:-1]
        yield Fault(_line(path, source), path, text)


def _sentence(error: Mapping[str, Any], path: KeyPath, sections: Sections) -> str:
    kind, value = error["type"], error["input"]
    keys = tuple(part for part in path if isinstance(part, str))
    if kind in ("sentence", "at_parent"):
        return str(error["ctx"]["text"])
    if kind == "value":
        return f"{_shown(value, path)} {error['ctx']['text']}"
    if kind == "extra_forbidden":
        return _unknown(keys[-1], _written(sections[keys[:-1]]))
    if kind == "missing":
        return f"is missing; add it: {sections[keys[:-1]].model_fields[keys[-1]].description}"
    if kind == "too_short":
        return "is empty; add at least one item"
    if kind == "tuple_type":
        return f"is {_kind(value)}; write a list, each item after a `-`"
    if kind == "dict_type":
        return f"is {_kind(value)}; write a mapping, each line `NAME: VALUE`"
    if kind == "model_type":
        return f"is {_kind(value)}; write a mapping with the keys {', '.join(_written(sections[keys]))}"
    return "is invalid; see docs/configuration.md"


def _written(section: type[BaseModel]) -> list[str]:
    """The keys of a section as the file has them."""
    return [field.alias or name for name, field in section.model_fields.items()]


def _unknown(key: str, known: Sequence[str]) -> str:
    meant = get_close_matches(key, known, n=1)
    guess = f"did you mean {meant[0]}? " if meant else ""
    return f"is an unknown key; {guess}known keys: {', '.join(known)}"


def _shown(value: object, path: KeyPath) -> str:
    if isinstance(value, Expanded):
        value = value.written
    if hidden(path) or isinstance(value, (list, dict)):
        return "the value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    return json.dumps(value if len(value) <= _SHOWN else value[:_SHOWN] + "…", ensure_ascii=False)


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "text")


def repeats(source: Source) -> Iterator[Fault]:
    """Find account names and ids that are repeated.

    This works on the data of the file, because pydantic validates a whole model only if all its parts are valid.
    """
    accounts = source.data.get("accounts") if isinstance(source.data, dict) else None
    if not isinstance(accounts, list):
        return
    mappings = [(index, account) for index, account in enumerate(accounts) if isinstance(account, dict)]
    names = [(("accounts", index, "name"), account.get("name")) for index, account in mappings]
    yield from _twice(names, source, "already the name of an account", "give each account its own name")
    for index, account in mappings:
        track = account.get("track")
        for key in ("tasks", "videos"):
            ids = track.get(key) if isinstance(track, dict) else None
            if not isinstance(ids, list):
                continue
            paths: list[tuple[KeyPath, object]]
            paths = [(("accounts", index, "track", key, at), id_) for at, id_ in enumerate(ids)]
            yield from _twice(paths, source, "already listed", "remove one")


def _twice(values: Iterable[tuple[KeyPath, object]], source: Source, what: str, remedy: str) -> Iterator[Fault]:
    first: dict[str, KeyPath] = {}
    for path, value in values:
        if not isinstance(value, str):
            continue
        if value in first:
            line = _line(first[value], source)
            yield Fault(_line(path, source), path, f"{_shown(value, path)} is {what}, on line {line}; {remedy}")
        first.setdefault(value, path)


def lines(found: Iterable[Fault], source: Source, path: Path) -> list[str]:
    """`FILE:LINE: KEY.PATH[INDEX]: problem; remedy` for each fault, in the order of the file."""
    order = {key: position for position, key in enumerate(source.lines)}
    in_order = sorted(found, key=lambda fault: (fault.line, order.get(fault.path, 0)))
    return [
        clean(f"{path}:{fault.line}: {_path_text(fault.path)}{': ' if fault.path else ''}{fault.text}")
        for fault in in_order
    ]


def _line(path: KeyPath, source: Source) -> int:
    """The line of the key; if it is missing, the line of its section."""
    return next((source.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in source.lines), 1)


def _path_text(path: KeyPath) -> str:
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + _key(part, below_keys=hidden(path[:depth]))
    return text


def _key(key: str, *, below_keys: bool) -> str:
    # In a section with secrets, an unknown key may be a secret that was written as a key by mistake.
    if below_keys:
        return key if _CONFIG_KEY.fullmatch(key) else "?"
    if _PLAIN_KEY.fullmatch(key):
        return key
    return json.dumps(key if len(key) <= _SHOWN else key[:_SHOWN] + "…", ensure_ascii=False)
