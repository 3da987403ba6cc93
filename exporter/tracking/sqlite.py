"""The embedded store: one SQLite file, held by one process."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from exporter.errors import StateError
from exporter.snapshot import HistogramView, Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.store import Changes, Stored

_log = logging.getLogger(__name__)

_tasks = TypeAdapter(TaskRecord)
_jobs = TypeAdapter(JobRecord)

_APPLICATION_ID = 0x564F4454  # "VODT": in the file's header, so that no other program's database is taken for ours
_MIGRATIONS = (
    """
    CREATE TABLE accounts (name TEXT PRIMARY KEY, born REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE tasks (account TEXT, id TEXT, record BLOB NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE jobs (account TEXT, id TEXT, record BLOB NOT NULL, PRIMARY KEY (account, id));
    CREATE TABLE counters (account TEXT, name TEXT, labels TEXT, value REAL NOT NULL,
                           PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE histograms (account TEXT, name TEXT, labels TEXT, bounds TEXT NOT NULL, counts TEXT NOT NULL,
                             sum REAL NOT NULL, PRIMARY KEY (account, name, labels)) WITHOUT ROWID;
    CREATE TABLE remembered (account TEXT, task_id TEXT, until REAL NOT NULL,
                             PRIMARY KEY (account, task_id)) WITHOUT ROWID;
    CREATE INDEX remembered_until ON remembered (account, until);
    """,
)
"""The schema, version by version; `PRAGMA user_version` says how many of these a file has had."""


class SqliteStore:
    """See `exporter.tracking.store.Store`.

    Raises `StateError` where the file cannot be used: held by another process, no database, broken, of a newer version
    of the exporter, or not writable. The text says what to do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._translated("cannot be opened"):
            self._db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            with self._translated("cannot be used"):
                self._hold()
                self._check()
                self._migrate()
        except StateError:
            self._db.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def load(self, account: str, *, now: float) -> Stored:
        with self._transaction("cannot be read") as db:
            db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (account, now))
            ((born,),) = db.execute("SELECT born FROM accounts WHERE name = ?", (account,))
            tasks = db.execute("SELECT record FROM tasks WHERE account = ?", (account,)).fetchall()
            jobs = db.execute("SELECT record FROM jobs WHERE account = ?", (account,)).fetchall()
            counters = db.execute("SELECT name, labels, value FROM counters WHERE account = ?", (account,)).fetchall()
            histograms = db.execute(
                "SELECT name, labels, bounds, counts, sum FROM histograms WHERE account = ?", (account,)
            ).fetchall()
        return Stored(
            born=born,
            tasks=[_tasks.validate_json(record) for (record,) in tasks],
            jobs=[_jobs.validate_json(record) for (record,) in jobs],
            totals=TotalsView(
                {(Total(name), tuple(json.loads(labels))): value for name, labels, value in counters},
                {
                    (Total(name), tuple(json.loads(labels))): HistogramView(
                        tuple(json.loads(bounds)), tuple(json.loads(counts)), total
                    )
                    for name, labels, bounds, counts, total in histograms
                },
            ),
        )

    def save(self, account: str, changes: Changes) -> None:
        with self._transaction("cannot be written") as db:
            db.executemany(
                "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?)",
                [(account, one.id, _tasks.dump_json(one, exclude_defaults=True)) for one in changes.tasks],
            )
            db.executemany(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)",
                [(account, one.job.id, _jobs.dump_json(one, exclude_defaults=True)) for one in changes.jobs],
            )
            db.executemany("DELETE FROM tasks WHERE account = ? AND id = ?", _rows(account, changes.dropped_tasks))
            db.executemany("DELETE FROM jobs WHERE account = ? AND id = ?", _rows(account, changes.dropped_jobs))
            db.executemany(
                "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?)",
                [
                    (account, name, json.dumps(labels), value)
                    for (name, labels), value in changes.totals.counters.items()
                ],
            )
            db.executemany(
                "INSERT OR REPLACE INTO histograms VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (account, name, json.dumps(labels), json.dumps(one.bounds), json.dumps(one.counts), one.sum)
                    for (name, labels), one in changes.totals.histograms.items()
                ],
            )
            db.executemany(
                "INSERT OR REPLACE INTO remembered VALUES (?, ?, ?)",
                [(account, task_id, until) for task_id, until in changes.remembered.items()],
            )
            db.execute("DELETE FROM remembered WHERE account = ? AND until < ?", (account, changes.now))

    def remembered(self, account: str, task_ids: Iterable[str]) -> frozenset[str]:
        wanted = json.dumps(list(task_ids))
        with self._lock, self._translated("cannot be read"):
            rows = self._db.execute(
                "SELECT task_id FROM remembered WHERE account = ? AND task_id IN (SELECT value FROM json_each(?))",
                (account, wanted),
            ).fetchall()
        return frozenset(task_id for (task_id,) in rows)

    def _hold(self) -> None:
        """Take the file for this process, until its end however it ends, and make commits outlast it."""
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def _check(self) -> None:
        ((result,),) = self._db.execute("PRAGMA quick_check(1)").fetchall()
        if result != "ok":
            raise sqlite3.DatabaseError(result)

    def _migrate(self) -> None:
        ((application,),) = self._db.execute("PRAGMA application_id")
        ((version,),) = self._db.execute("PRAGMA user_version")
        ((tables,),) = self._db.execute("SELECT count(*) FROM sqlite_schema")
        if tables and application != _APPLICATION_ID:
            raise StateError(f"{self._path} is a database of another program; name another file in state.path")
        if version > len(_MIGRATIONS):
            raise StateError(
                f"{self._path} is from a newer version of the exporter; install that, or name another file"
            )
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
        """What `sqlite3` and the records' validation raise, as `StateError`."""
        try:
            yield
        except (sqlite3.Error, ValidationError) as error:
            text = str(error).splitlines()[0]
            if "locked" in text:
                raise StateError(
                    f"{self._path} is in use by another process; give each exporter its own file"
                ) from None
            if isinstance(error, ValidationError) or "malformed" in text or "not a database" in text:
                remedy = "move it away, and totals begin again at zero"
            else:
                remedy = "check that the folder exists, is writable and has space"
            raise StateError(f"{self._path} {trouble}: {text}; {remedy}") from None


def _rows(account: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    return [(account, one) for one in ids]
