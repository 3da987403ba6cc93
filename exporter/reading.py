"""Reads files that may hang: regular files only, in a thread of their own, for a limited time.

To open a FIFO without a writer, or a file on a disk that is away, can take for ever. That must stop neither the event
loop nor a start, so the thread that asks for a file is not the one that opens it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

SECONDS = 5.0
HURRY_SECONDS = 1.0  # while something hangs: all the files of a start may be on the same disk

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What a shell puts in place of `<(command)`, and stdin.
_INHERITED = re.compile(r"/dev/(?:fd/[0-9]+|stdin)|/proc/self/fd/[0-9]+")

_Result = TypeVar("_Result")

_lock = threading.Lock()
_hanging: dict[str, threading.Thread] = {}  # by name; global, because the threads belong to the process


def read(path: Path, limit: int, *, seconds: float | None = None) -> bytes:
    """The first `limit` bytes of a regular file, or of a pipe that the process has inherited, such as `/dev/fd/63`.

    Raises `OSError`, whose `strerror` says what is wrong: no file, no regular file, or no answer within `seconds`
    (default: `SECONDS`). Raises `ValueError` for a name that no file can have.
    """
    return in_time(str(path), lambda: _read(path, limit), seconds=seconds)


def status(path: Path, *, seconds: float | None = None) -> os.stat_result:
    """The status of a regular file; raises as `read` does."""
    return in_time(str(path), lambda: regular(path.stat()), seconds=seconds)


def regular(found: os.stat_result) -> os.stat_result:
    """Return the status of a file. Raises `OSError` if it is not that of a regular file."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file")
    return found


def in_time(name: str, work: Callable[[], _Result], *, seconds: float | None = None) -> _Result:
    """The result of `work`, which reads the file or folder `name` in a thread of its own.

    Raises what `work` raises, and `TimeoutError` if it takes longer than `seconds` (default: `SECONDS`). Then its
    thread remains until the system answers, and further calls with this name fail at once, without a new thread.
    """
    with _lock:
        for other in [other for other, thread in _hanging.items() if not thread.is_alive()]:
            del _hanging[other]
        if seconds is None:
            seconds = HURRY_SECONDS if _hanging else SECONDS
        hangs = name in _hanging
    result: Future[_Result] = Future()
    if not hangs:
        thread = threading.Thread(target=_run, args=(work, result), name="read", daemon=True)
        thread.start()
        thread.join(seconds)
    if not result.done():
        with _lock:
            if not hangs:
                _hanging[name] = thread
        raise TimeoutError(errno.ETIMEDOUT, "its disk or pipe does not answer")
    return result.result()


def _run(work: Callable[[], _Result], result: Future[_Result]) -> None:
    try:
        result.set_result(work())
    except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
        result.set_exception(error)


def _read(path: Path, limit: int) -> bytes:
    inherited = _INHERITED.fullmatch(str(path)) is not None
    _check(path.stat(), inherited=inherited)  # to open a FIFO would block
    with path.open("rb") as file:
        _check(os.fstat(file.fileno()), inherited=inherited)
        return file.read(limit)


def _check(found: os.stat_result, *, inherited: bool) -> None:
    if not (inherited and stat.S_ISFIFO(found.st_mode)):
        regular(found)
