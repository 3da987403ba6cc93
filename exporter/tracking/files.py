"""Files that list tasks and videos, found by patterns and read again when they change.

A file is a list of task ids, or a mapping with lists of ids under `tasks` and `videos`. It is JSON if its name ends in
`.json`, else YAML, as strict as the configuration. Reading YAML takes a hundred times longer, so its size limit is
lower. The content of a file is never shown, because a pattern may match a file with keys.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exporter import reading
from exporter.config import yaml_source
from exporter.fingerprint import fingerprint
from exporter.jsontext import JsonError, JsonObject, decode
from exporter.model import FILES, ID_PATTERN
from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Videos

_log = logging.getLogger(__name__)

MAX_BYTES = 16 << 20
MAX_YAML_BYTES = yaml_source.MAX_BYTES
_TICK_SECONDS = 1.0  # the coarsest clock of a file system in use

_ID = re.compile(ID_PATTERN)
_SHAPE = "is not a list of ids, nor a mapping with `tasks` and `videos`; write one of these"
_KEYS = ("tasks", "videos")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


@dataclass(frozen=True, slots=True)
class _Ids:
    tasks: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()


@dataclass(slots=True)
class _File:
    """`ids` are from its last valid content. `state` is its fingerprint when it was read last."""

    ids: _Ids = field(default_factory=_Ids)
    named: bool = False
    state: object = None
    fault: object = None


class _BrokenError(Exception):
    """What is wrong with a file, and on which line. The text does not quote the file."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.line = line


class Files:
    """The ids in all files that match `patterns`, for one account.

    An invalid file keeps the ids of its last valid content. A file that is removed names nothing. The log has one line
    when a file becomes invalid, valid again, or is removed. `clock` gives Unix seconds. Not safe to use from several
    threads.

    The files of the state at the path `state` are never opened, even if a pattern matches them. A process that closes a
    file loses its locks on it. Then a second exporter could use the state (https://sqlite.org/howtocorrupt.html).
    """

    def __init__(
        self,
        patterns: Iterable[str],
        *,
        account: str = "",
        state: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._patterns = tuple(patterns)
        self._account = account
        self._state_files = [f"{state}{end}" for end in ("", "-wal", "-shm", "-journal")] if state is not None else []
        self._clock = clock
        self._files: dict[str, _File] = {}
        self._hanging = False

    def name(self, ledger: Ledger, videos: Videos) -> None:
        """Name the ids of all files that changed since the last call, which was for the same ledger and videos."""
        try:
            found = reading.in_time(" ".join(self._patterns), self._find) if self._patterns else {}
        except OSError as error:
            self._report_hanging(error)
            return
        self._hanging = False
        gone = [path for path, status in found.items() if not self._update(path, status)]
        for path, file in self._files.items():
            if path not in gone and not file.named:
                file.named = _name(path, file.ids, ledger, videos)
        for path in gone:  # last, so that an id that moved to another file is always named by one of them
            if path in self._files:
                _name(path, _Ids(), ledger, videos)
                del self._files[path]
                _log.info("id file was removed; its ids are not named any more", extra=self._about(path))

    def _find(self) -> dict[str, os.stat_result | OSError]:
        """The files that match the patterns, and those known before, with their status. In a thread of its own."""
        found = {path for pattern in self._patterns for path in glob.iglob(pattern, recursive=True)}  # noqa: PTH207
        # A known file is checked by its name: patterns silently skip folders that cannot be read.
        states = [status for path in self._state_files if isinstance(status := _status(path), os.stat_result)]
        statuses = {path: _status(path) for path in sorted(found | self._files.keys())}
        return {path: status for path, status in statuses.items() if not _is_one_of(status, states)}

    def _update(self, path: str, status: os.stat_result | OSError) -> bool:
        """Read the file if it has changed. Returns False if there is no file."""
        if isinstance(status, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
            return False
        if isinstance(status, OSError):
            self._unreadable(path, status)
            return True
        file = self._files.setdefault(path, _File())
        state = fingerprint(status)
        if state != file.state:
            self._read(path, file, state)
            # Another write within the same tick of the file system's clock would not change the fingerprint. So the
            # next call reads the file again.
            if file.state is not None and 0 <= self._clock() - status.st_mtime < _TICK_SECONDS:
                file.state = None
        return True

    def _read(self, path: str, file: _File, state: object) -> None:
        try:
            ids = _read(path)
        except OSError as error:
            self._unreadable(path, error)
            return
        except _BrokenError as error:
            self._report(path, file, (state, error.line, str(error)), line=error.line, error=str(error))
        else:
            if file.fault is not None:
                _log.info("id file is valid again", extra=self._about(path))
                file.fault = None
            file.ids, file.named = ids, False
        file.state = state

    def _unreadable(self, path: str, error: OSError) -> None:
        file = self._files.setdefault(path, _File(named=True))  # it has no ids yet
        file.state = None  # so that the next call tries again
        text = f"cannot be read ({error.strerror}); make it readable by the exporter"
        self._report(path, file, text, line=1, error=text)

    def _report_hanging(self, error: OSError) -> None:
        if not self._hanging:
            self._hanging = True
            text = f"cannot be read ({error.strerror}); check the disks of track.files"
            _log.warning("id files are not read; their ids stay named", extra={"account": self._account, "error": text})

    def _report(self, path: str, file: _File, fault: object, **extra: object) -> None:
        if fault != file.fault:
            file.fault = fault
            _log.warning("id file is invalid; its last valid ids stay named", extra=self._about(path) | extra)

    def _about(self, path: str) -> dict[str, object]:
        return {"account": self._account, "file": path}


def _status(path: str) -> os.stat_result | OSError:
    try:
        return reading.regular(os.stat(path))  # noqa: PTH116 - one call for each file and refresh; Path adds nothing
    except OSError as error:
        return error


def _is_one_of(status: os.stat_result | OSError, others: Iterable[os.stat_result]) -> bool:
    return isinstance(status, os.stat_result) and any(os.path.samestat(status, other) for other in others)


def _name(path: str, ids: _Ids, ledger: Ledger, videos: Videos) -> bool:
    """Name the ids; see `Ledger.name` for the result."""
    videos.name(f"file {path}", ids.videos, source=FILES)
    return ledger.name(f"file {path}", ids.tasks, source=FILES)


def _read(path: str) -> _Ids:
    """The ids in the file; raises `OSError` and `_BrokenError`."""
    is_json = path.endswith(".json")
    limit = MAX_BYTES if is_json else MAX_YAML_BYTES
    raw = reading.read(Path(path), limit + 1)
    if len(raw) > limit:
        remedy = "split it" if is_json else "write it as JSON, to a file whose name ends in .json"
        raise _BrokenError(f"is larger than {limit >> 20} MiB; {remedy}")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _BrokenError("is not UTF-8; save the file as UTF-8", line) from None
    return _from_json(text) if is_json else _from_yaml(text)


def _from_yaml(text: str) -> _Ids:
    source = yaml_source.parse(text, environ=None, hidden=lambda _: True, needs="write [] to name nothing")
    if source.faults:
        first = min(source.faults, key=lambda fault: fault.line)
        raise _BrokenError(first.text, first.line)
    return _ids(source.data, source.lines.__getitem__)


def _from_json(text: str) -> _Ids:
    if not text.strip():
        raise _BrokenError("is empty; write [] to name nothing")
    try:
        data = decode(text, find_repeated_keys=True)
    except JsonError as error:
        raise _BrokenError(f"{error} here; check quotes, commas and brackets", error.line) from None
    if isinstance(data, JsonObject) and data.repeated_key is not None:
        raise _BrokenError("a key is given twice; keep one", _json_line(text, (data.repeated_key,), nth=2))
    return _ids(data, lambda path: _json_line(text, path))


def _ids(data: object, line: Callable[[yaml_source.KeyPath], int]) -> _Ids:
    """`line` returns the line of the key or item at a path."""
    if isinstance(data, list):
        return _Ids(tasks=_checked(data, (), line))
    if not isinstance(data, dict):
        raise _BrokenError(_SHAPE)
    for key, value in data.items():
        if key not in _KEYS:
            raise _BrokenError("a key is neither `tasks` nor `videos`; remove it", line((key,)))
        if not isinstance(value, list):
            raise _BrokenError(f"{key}: is not a list; write a list of ids", line((key,)))
    return _Ids(**{key: _checked(value, (key,), line) for key, value in data.items()})


def _checked(
    items: list[object], path: yaml_source.KeyPath, line: Callable[[yaml_source.KeyPath], int]
) -> tuple[str, ...]:
    ids: list[str] = []
    for index, item in enumerate(items):
        if not isinstance(item, str) or not _ID.fullmatch(item):
            number = isinstance(item, (int, float)) and not isinstance(item, bool)
            text = (
                "is a number; quote it"
                if number
                else ("is not an id of VOD; write 1 to 128 letters, digits, `_` and `-`")
            )
            raise _BrokenError(f"{''.join(map(str, path))}[{index}]: {text}", line((*path, index)))
        ids.append(item)
    return tuple(ids)


def _json_line(text: str, wanted: yaml_source.KeyPath, *, nth: int = 1) -> int:
    """The line of a key, or of an item in a list, in valid JSON. `nth`, from 1, selects a repeated key."""
    path: list[str | int | None] = []  # None: a key is next
    for token in _JSON_TOKEN.finditer(text):
        if token[0] in "]}":
            path.pop()
        elif token[0] == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif token[0] != ":":
            is_key = bool(path) and path[-1] is None
            if is_key:
                path[-1] = json.loads(token[0])
            if tuple(path) == wanted and (is_key or isinstance(wanted[-1], int)):
                nth -= 1
            if not nth:
                return text.count("\n", 0, token.start()) + 1
            if token[0] in "[{":
                path.append(0 if token[0] == "[" else None)
    raise AssertionError("no such path")
