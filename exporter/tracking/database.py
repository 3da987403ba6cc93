"""The file of the embedded store: its lock, its transactions, and what others do to it while it is in use."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from exporter import reading
from exporter.errors import StateError
from exporter.tracking.schema import APPLICATION_ID, CHECKS, MIGRATIONS

_log = logging.getLogger(__name__)

_LOG_BYTES = 16 * 1024 * 1024  # the write-ahead log shrinks to this size after a large transaction
PATIENCE_SECONDS = 5.0  # a start that waits longer for the disk says so
_CLOSING_SECONDS = 2.0  # a disk that hangs must not keep the process from ending
_FREE_PAGES = 1024  # unused pages to keep; if there are more, each transaction gives up to as many back

_CHECK_FOLDER = "check that the folder exists, is writable and has space, or set state.path to another file"
_MOVE_AWAY = "move it away, or set state.path to another file; totals then start again at zero"
_REMEDIES = {sqlite3.SQLITE_CORRUPT: _MOVE_AWAY, sqlite3.SQLITE_NOTADB: _MOVE_AWAY}


class Database:
    """A SQLite file that only this process uses. Safe to use from several threads.

    Raises `StateError`, which names the file and the remedy, if the file cannot be used: another process uses it, it
    cannot be written, it is damaged or not a database, or a newer version of the exporter has written it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = path.with_name(path.name + "-wal")
        self._lock = threading.Lock()
        self._closed = False
        with self.logged_if_slow():
            self._open()

    def close(self) -> None:
        """Other processes can open the file now. A disk that hangs leaves it open until this process ends."""
        if not self._lock.acquire(timeout=_CLOSING_SECONDS):
            _log.error("the disk of the state does not answer; the last changes may be lost", extra=self._about())
            return
        try:
            self._closed = True
            self._release()
        finally:
            self._lock.release()

    @contextmanager
    def logged_if_slow(self) -> Iterator[None]:
        """Log a line if the block takes some seconds. The disk of the state may be away, and the start then waits."""
        message = "the state does not answer; the start waits for its disk"
        timer = threading.Timer(PATIENCE_SECONDS, lambda: _log.warning(message, extra=self._about()))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _release(self) -> None:
        with suppress(sqlite3.Error):
            self.connection.execute(_UNUSED)
        self.connection.close()  # writes the log into the file

    @contextmanager
    def transaction(self, trouble: str) -> Iterator[sqlite3.Connection]:
        """All statements in the block, or none. `trouble` says in errors what failed. Raises `StateError`."""
        with self._lock, self._translated(trouble):
            if not self._closed:
                self._check_files()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
            self._give_back()
            self._note_files()

    @contextmanager
    def reading(self, trouble: str) -> Iterator[sqlite3.Connection]:
        """One statement that only reads. Raises `StateError`."""
        with self._lock, self._translated(trouble):
            yield self.connection

    def _give_back(self) -> None:
        """Give unused pages back to the file system, some after each transaction."""
        ((free,),) = self.connection.execute("PRAGMA freelist_count")
        if free > _FREE_PAGES:
            # `execute` would give back one page only, because the statement has no rows to fetch.
            self.connection.executescript(f"PRAGMA incremental_vacuum({_FREE_PAGES})")

    # The start

    def _open(self) -> None:
        with self._translated("cannot be opened"), suppress(FileNotFoundError):
            reading.status(self._path)  # to open a FIFO would block
        log_fault, has_log = self._fault_of_log(), self._log_path.exists()
        with self._translated("cannot be opened"):
            self._path.touch(mode=0o600)  # the URLs of input files may hold secrets
            if not os.access(self._path, os.R_OK | os.W_OK):  # its owner may touch it all the same
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self.connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with self._translated("cannot be used"):
                self._hold()
                log_fault = log_fault or self._missing_log(has_log=has_log)
                self._migrate()
                self._use()
        except StateError:
            self.connection.close()
            raise
        if log_fault:
            _log.warning(log_fault, extra=self._about())
        self._note_files()

    def _hold(self) -> None:
        """Lock the file until this process ends, and check that it is ours and undamaged."""
        self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.connection.execute("BEGIN EXCLUSIVE")
        self.connection.execute("COMMIT")
        ((application,),) = self.connection.execute("PRAGMA application_id")
        ((version,),) = self.connection.execute("PRAGMA user_version")
        ((tables,),) = self.connection.execute("SELECT count(*) FROM sqlite_schema")
        if tables and application != APPLICATION_ID:
            raise StateError(f"{self._path} is a database of another program; set state.path to another file")
        if version > len(MIGRATIONS):
            raise StateError(
                f"{self._path} is from a newer version of the exporter; install that version, or set state.path to"
                " another file"
            )
        ((result,),) = self.connection.execute("PRAGMA quick_check(1)")
        if result != "ok":
            raise StateError(f"{self._path} is damaged: {' '.join(result.split())}; {_MOVE_AWAY}")

    def _migrate(self) -> None:
        """Bring the file to the present schema, and make each commit survive a crash of the machine."""
        ((vacuum,),) = self.connection.execute("PRAGMA auto_vacuum")
        if vacuum != _INCREMENTAL:
            self.connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            self.connection.execute("VACUUM")  # applies it to a file of an older version, once
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        ((version,),) = self.connection.execute("PRAGMA user_version")
        for number, migration in enumerate(MIGRATIONS[version:], version + 1):
            self.connection.executescript(
                f"BEGIN; {migration} PRAGMA user_version = {number}; PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
            )
        try:
            for check in CHECKS:
                self.connection.execute(check)
        except sqlite3.OperationalError as error:
            raise StateError(
                f"{self._path} is of another build of this version: {error}; start that build, or set state.path to"
                " another file"
            ) from None

    def _use(self) -> None:
        """Note in the file itself that it is in use, so that a later start can tell whether its log is missing."""
        self.connection.execute("UPDATE life SET in_use = TRUE")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # The write-ahead log

    def _fault_of_log(self) -> str:
        """What is wrong with the write-ahead log that the last exporter left; SQLite ignores such a log silently."""
        try:
            header = reading.read(self._log_path, _HEADER_BYTES)
        except OSError:
            return ""
        if not header or _is_header(header):
            return ""
        return "the write-ahead log of the state is damaged; the changes of the last minutes are lost"

    def _missing_log(self, *, has_log: bool) -> str:
        ((tables,),) = self.connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'life'")
        in_use = self.connection.execute("SELECT in_use FROM life").fetchone() if tables else None
        if in_use is None or not in_use[0] or has_log:
            return ""
        return "the write-ahead log of the state is missing; the changes of the last minutes are lost"

    # What others do to the files

    def _note_files(self) -> None:
        self._files = _identity(self._path), _identity(self._log_path)
        self._bytes = self._path.stat().st_size if self._files[0] else 0

    def _check_files(self) -> None:
        """Raises `StateError` if somebody replaced or cut the file. Writes it anew if it is gone."""
        identity, log_identity = _identity(self._path), _identity(self._log_path)
        if identity is None and self._files[0] is not None:
            self._write_anew()
        elif identity != self._files[0]:
            raise StateError(
                f"{self._path} was replaced while the exporter uses it; restart the exporter to use the new file, or"
                " move the new file away: then the exporter writes the state again"
            )
        elif self._path.stat().st_size < self._bytes:
            raise StateError(
                f"{self._path} was cut by another program; stop the exporter, and restore the file and its -wal file"
                " from a backup"
            )
        elif log_identity != self._files[1]:
            _log.warning("the write-ahead log of the state was removed; it is written again", extra=self._about())
            self._release()
            self._open()

    def _write_anew(self) -> None:
        """The file was deleted. This process can still read it, so it copies it to the same name.

        Closing a connection removes the log by its name, so the old connection is closed before the copy is opened.
        """
        copy = self._path.with_name(self._path.name + ".new")
        copy.unlink(missing_ok=True)
        copy.touch(mode=0o600)
        self.connection.execute(_UNUSED)
        with closing(sqlite3.connect(copy)) as target:
            self.connection.backup(target)
        os.link(copy, self._path)  # unlike a rename, it replaces no file
        copy.unlink()
        self.connection.close()
        self._open()
        _log.warning("the file of the state was deleted; it is written again", extra=self._about())

    def _about(self) -> dict[str, str]:
        return {"file": str(self._path)}

    @contextmanager
    def _translated(self, trouble: str) -> Iterator[None]:
        """Turn errors of the file system, of `sqlite3` and of unreadable records into `StateError`."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without its extension
            if code == sqlite3.SQLITE_BUSY:
                raise StateError(
                    f"{self._path} is in use by another process; give each exporter its own state.path"
                ) from None
            raise StateError(f"{self._path} {trouble}: {error}; {_REMEDIES.get(code, _CHECK_FOLDER)}") from None
        except OSError as error:
            raise StateError(f"{self._path} {trouble}: {error.strerror}; {_CHECK_FOLDER}") from None
        except (ValueError, TypeError) as error:
            raise StateError(f"{self._path} {trouble}: {str(error).splitlines()[0]}; {_MOVE_AWAY}") from None


_UNUSED = "UPDATE life SET in_use = FALSE"
_INCREMENTAL = 2  # of PRAGMA auto_vacuum
_HEADER_BYTES = 32


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _is_header(header: bytes) -> bool:
    """Whether a write-ahead log with these first bytes is valid: https://www.sqlite.org/fileformat2.html#walformat."""
    if len(header) < _HEADER_BYTES or header[:4] not in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        return False
    words = struct.unpack((">" if header[3] & 1 else "<") + "6I", header[:24])
    first = second = 0
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) % 2**32
        second = (second + odd + first) % 2**32
    return struct.unpack(">2I", header[24:32]) == (first, second)
