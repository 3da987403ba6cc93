"""The embedded store: one SQLite file, which only one process at a time can use."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.errors import StateError
from exporter.snapshot import HistogramView, Key, Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.store import Changes, PendingEvent, Stored

_log = logging.getLogger(__name__)

_Record = TypeVar("_Record")
_tasks = TypeAdapter(TaskRecord)
_jobs = TypeAdapter(JobRecord)

_APPLICATION_ID = 0x564F4454  # "VODT", in the header of the file: distinguishes our files from other databases
_MIGRATIONS = (
    """
    CREATE TABLE accounts (name TEXT PRIMARY KEY, born REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE tasks (account TEXT, id TEXT, record BLOB NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE jobs (account TEXT, id TEXT, task_id TEXT NOT NULL, record BLOB NOT NULL,
                       PRIMARY KEY (account, id));
    CREATE TABLE counters (account TEXT, name TEXT, labels TEXT, value REAL NOT NULL,
                           PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE histograms (account TEXT, name TEXT, labels TEXT, bounds TEXT NOT NULL, counts TEXT NOT NULL,
                             sum REAL NOT NULL, PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE remembered (account TEXT, task_id TEXT, until REAL NOT NULL, finished INTEGER NOT NULL,
                             PRIMARY KEY (account, task_id)) WITHOUT ROWID;
    CREATE INDEX remembered_until ON remembered (account, until);
    """,
    # Renames `born` to `state_created` and `silent` to `already_counted`. Records that are not valid JSON stay
    # unchanged, and `load` reports them.
    """
    ALTER TABLE accounts RENAME COLUMN born TO state_created;
    UPDATE tasks SET record = CAST(json_remove(json_set(CAST(record AS TEXT), '$.already_counted', json('true')),
                                               '$.silent') AS BLOB)
    WHERE CASE WHEN json_valid(CAST(record AS TEXT)) THEN json_extract(CAST(record AS TEXT), '$.silent') END;
    """,
    # Histograms that were stored without the labels `status` and `priority` cannot be split: they start again at zero.
    """
    DELETE FROM histograms WHERE name IN ('job_duration', 'task_duration');
    """,
    # Whether a total was not shown for long enough to be known to Prometheus. The totals of older versions were.
    """
    ALTER TABLE counters ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;
    ALTER TABLE histograms ADD COLUMN held INTEGER NOT NULL DEFAULT FALSE;
    """,
    # Events about jobs that are not tracked yet.
    """
    CREATE TABLE events (account TEXT, job_id TEXT, started REAL, processing REAL, arrived REAL NOT NULL,
                         PRIMARY KEY (account, job_id)) WITHOUT ROWID;
    """,
)
"""One migration for each version of the schema. `PRAGMA user_version` is the number of applied migrations."""

_LOG_BYTES = 16 * 1024 * 1024  # the write-ahead log shrinks to this size after a large transaction
_REMEMBER_UNREADABLE_SECONDS = 366 * 86400.0

_CHECK_FOLDER = "check that the folder exists, is writable and has space, or set state.path to another file"
_MOVE_AWAY = "move it away, or set state.path to another file; totals then start again at zero"
_REMEDIES = {sqlite3.SQLITE_CORRUPT: _MOVE_AWAY, sqlite3.SQLITE_NOTADB: _MOVE_AWAY}


class SqliteStore:
    """Implements `Store` with a SQLite file.

    Raises `StateError` if the file cannot be used: another process holds it, it is not a database, it is damaged, it
    is from a newer version of the exporter, or it cannot be written. The text names the file and the remedy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._translated("cannot be opened"):
            path.touch(mode=0o600)  # the URLs of input files may hold secrets
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with self._translated("cannot be used"):
                self._hold()
                self._migrate()
        except StateError:
            self._db.close()
            raise

    def close(self) -> None:
        """See `Store`. Other processes can open the file now."""
        with self._lock:
            self._db.close()

    def load(self, account: str, *, now: float) -> Stored:
        """See `Store`. A task with an unreadable record is dropped and remembered, so that it is not counted twice."""
        with self._transaction("cannot be read") as db:
            db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (account, now))
            ((created,),) = db.execute("SELECT state_created FROM accounts WHERE name = ?", (account,))
            tasks, lost = _read(_tasks, self._ordered("SELECT id, record FROM tasks", account))
            jobs, lost_too = _read(_jobs, self._ordered("SELECT task_id, record FROM jobs", account))
            lost |= lost_too
            self._remember_lost(account, lost, until=now + _REMEMBER_UNREADABLE_SECONDS)
            totals = self._totals(account)
            events = db.execute("SELECT job_id, started, processing, arrived FROM events WHERE account = ?", (account,))
            pending = {job_id: PendingEvent(*times) for job_id, *times in events}
        return Stored(
            state_created=created,
            tasks=[task for task in tasks if task.id not in lost],
            jobs=[job for job in jobs if job.task_id not in lost],
            totals=totals,
            events=pending,
        )

    def save(self, account: str, changes: Changes) -> None:
        """See `Store`."""
        with self._transaction("cannot be written") as db:
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
                ((account, task.id, _tasks.dump_json(task, exclude_defaults=True)) for task in changes.tasks),
            )
            db.executemany(
                "INSERT INTO jobs VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET task_id = excluded.task_id, record = excluded.record",
                (
                    (account, job.job.id, job.task_id, _jobs.dump_json(job, exclude_defaults=True))
                    for job in changes.jobs
                ),
            )
            db.executemany("DELETE FROM tasks WHERE account = ? AND id = ?", _rows(account, changes.dropped_tasks))
            db.executemany("DELETE FROM jobs WHERE account = ? AND id = ?", _rows(account, changes.dropped_jobs))
            _save_totals(db, account, changes.totals)
            db.executemany(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?)",
                (
                    (account, job_id, event.started, event.processing, event.arrived)
                    for job_id, event in changes.events.items()
                ),
            )
            db.executemany(
                "DELETE FROM events WHERE account = ? AND job_id = ?", _rows(account, changes.dropped_events)
            )
            db.executemany(
                "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, ?)",
                ((account, task_id, memory.until, memory.finished) for task_id, memory in changes.remembered.items()),
            )
            db.execute("DELETE FROM remembered WHERE account = ? AND until < ?", (account, changes.now))

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store`."""
        with self._lock, self._translated("cannot be read"):
            rows = self._db.execute(
                "SELECT task_id, finished FROM remembered"
                " WHERE account = ? AND task_id IN (SELECT value FROM json_each(?))",
                (account, json.dumps(list(task_ids))),
            ).fetchall()
        return {task_id: bool(finished) for task_id, finished in rows}

    def _ordered(self, select: str, account: str) -> Iterator[tuple[str, bytes]]:
        """The rows of the account, in the order of their insertion."""
        return self._db.execute(f"{select} WHERE account = ? ORDER BY rowid", (account,))

    def _totals(self, account: str) -> TotalsView:
        counters: dict[Key, float] = {}
        histograms: dict[Key, HistogramView] = {}
        held = set()
        rows = self._db.execute("SELECT name, labels, held, value FROM counters WHERE account = ?", (account,))
        for name, labels, is_held, value in rows:
            key = Total(name), tuple(json.loads(labels))
            counters[key] = value
            held |= {key} if is_held else set()
        rows = self._db.execute(
            "SELECT name, labels, held, bounds, counts, sum FROM histograms WHERE account = ?", (account,)
        )
        for name, labels, is_held, bounds, counts, total in rows:
            key = Total(name), tuple(json.loads(labels))
            histograms[key] = HistogramView(tuple(json.loads(bounds)), tuple(json.loads(counts)), total)
            held |= {key} if is_held else set()
        return TotalsView(counters, histograms, held=frozenset(held))

    def _remember_lost(self, account: str, task_ids: Iterable[str], *, until: float) -> None:
        for task_id in task_ids:
            _log.error("task dropped: its record cannot be read", extra={"account": account, "task_id": task_id})
            self._db.execute("DELETE FROM tasks WHERE account = ? AND id = ?", (account, task_id))
            self._db.execute("DELETE FROM jobs WHERE account = ? AND task_id = ?", (account, task_id))
            self._db.execute("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, TRUE)", (account, task_id, until))

    def _hold(self) -> None:
        """Lock the file until this process ends, and check that it is ours and undamaged."""
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")
        ((application,),) = self._db.execute("PRAGMA application_id")
        ((version,),) = self._db.execute("PRAGMA user_version")
        ((tables,),) = self._db.execute("SELECT count(*) FROM sqlite_schema")
        if tables and application != _APPLICATION_ID:
            raise StateError(f"{self._path} is a database of another program; set state.path to another file")
        if version > len(_MIGRATIONS):
            raise StateError(
                f"{self._path} is from a newer version of the exporter; install that version, or set state.path to"
                " another file"
            )
        ((result,),) = self._db.execute("PRAGMA quick_check(1)")
        if result != "ok":
            raise StateError(f"{self._path} is damaged: {' '.join(result.split())}; {_MOVE_AWAY}")

    def _migrate(self) -> None:
        """Bring the file to the present schema, and make each commit survive a crash of the machine."""
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        ((version,),) = self._db.execute("PRAGMA user_version")
        for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
            self._db.executescript(
                f"BEGIN; {migration} PRAGMA user_version = {number}; PRAGMA application_id = {_APPLICATION_ID}; COMMIT;"
            )

    @contextmanager
    def _transaction(self, trouble: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translated(trouble):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

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


def _read(adapter: TypeAdapter[_Record], rows: Iterable[tuple[str, bytes]]) -> tuple[list[_Record], set[str]]:
    """The records of these rows, and the task ids of the unreadable ones."""
    records, lost = [], set()
    for task_id, record in rows:
        try:
            records.append(adapter.validate_json(record))
        except ValidationError:
            lost.add(task_id)
    return records, lost


def _save_totals(db: sqlite3.Connection, account: str, totals: TotalsView) -> None:
    db.executemany(
        "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?)",
        ((account, key[0], json.dumps(key[1]), value, key in totals.held) for key, value in totals.counters.items()),
    )
    db.executemany(
        "INSERT OR REPLACE INTO histograms VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (account, key[0], json.dumps(key[1]), *_columns(view), key in totals.held)
            for key, view in totals.histograms.items()
        ),
    )


def _columns(view: HistogramView) -> tuple[str, str, float]:
    return json.dumps(view.bounds), json.dumps(view.counts), view.sum


def _rows(account: str, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((account, record_id) for record_id in ids)
