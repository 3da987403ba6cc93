"""The embedded store: one SQLite file, which only one process at a time can use."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.snapshot import LABEL_COUNTS, HistogramView, Key, Total, TotalsView
from exporter.tracking.database import Database
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.store import Changes, PendingEvent, Stored

_log = logging.getLogger(__name__)

_Record = TypeVar("_Record")
_tasks = TypeAdapter(TaskRecord)
_jobs = TypeAdapter(JobRecord)

_REMEMBER_UNREADABLE_SECONDS = 366 * 86400.0
_TEXTS_BYTES = 512  # a row that shrinks by more has lost its texts
_EXPIRE_AT_ONCE = 10_000  # ids forgotten in one transaction, so that millions of them do not block other work


class SqliteStore:
    """Implements `Store` with a SQLite file.

    Raises `StateError`, which names the file and the remedy, if the file cannot be used: another process uses it, it
    cannot be written, it is damaged or not a database, or a newer version of the exporter has written it.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def close(self) -> None:
        """See `Store`. Other processes can open the file now."""
        self._database.close()

    def load(self, account: str, *, now: float) -> Stored:
        """See `Store`. A task with an unreadable record is dropped and remembered, so that it is not counted twice."""
        with self._database.logged_if_slow(), self._database.transaction("cannot be read") as db:
            db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?)", (account, now))
            ((created,),) = db.execute("SELECT state_created FROM accounts WHERE name = ?", (account,))
            tasks, lost = _read(_tasks, _ordered(db, "SELECT id, record FROM tasks", account))
            jobs, lost_too = _read(_jobs, _ordered(db, "SELECT task_id, record FROM jobs", account))
            lost |= lost_too
            _remember_lost(db, account, lost, until=now + _REMEMBER_UNREADABLE_SECONDS)
            totals = _totals(db, account)
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
        with self._database.transaction("cannot be written") as db:
            db.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
                ((account, task.id, _tasks.dump_json(task, exclude_defaults=True)) for task in changes.tasks),
            )
            _save_jobs(db, account, changes.jobs)
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
            db.execute(
                "DELETE FROM remembered WHERE account = :account AND task_id IN"
                " (SELECT task_id FROM remembered WHERE account = :account AND until < :now LIMIT :most)",
                {"account": account, "now": changes.now, "most": _EXPIRE_AT_ONCE},
            )

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store`."""
        with self._database.reading("cannot be read") as db:
            rows = db.execute(
                "SELECT task_id, finished FROM remembered"
                " WHERE account = ? AND task_id IN (SELECT value FROM json_each(?))",
                (account, json.dumps(list(task_ids))),
            ).fetchall()
        return {task_id: bool(finished) for task_id, finished in rows}


def _ordered(db: sqlite3.Connection, select: str, account: str) -> Iterator[tuple[str, bytes]]:
    """The rows of the account, in the order of their insertion."""
    return db.execute(f"{select} WHERE account = ? ORDER BY rowid", (account,))


def _read(adapter: TypeAdapter[_Record], rows: Iterable[tuple[str, bytes]]) -> tuple[list[_Record], set[str]]:
    """The records of these rows, and the task ids of the unreadable ones."""
    records, lost = [], set()
    for task_id, record in rows:
        try:
            records.append(adapter.validate_json(record))
        except ValidationError:
            lost.add(task_id)
    return records, lost


def _remember_lost(db: sqlite3.Connection, account: str, task_ids: Iterable[str], *, until: float) -> None:
    for task_id in task_ids:
        _log.error("task dropped: its record cannot be read", extra={"account": account, "task_id": task_id})
        db.execute("DELETE FROM tasks WHERE account = ? AND id = ?", (account, task_id))
        db.execute("DELETE FROM jobs WHERE account = ? AND task_id = ?", (account, task_id))
        db.execute("INSERT OR REPLACE INTO remembered VALUES (?, ?, ?, TRUE)", (account, task_id, until))


def _totals(db: sqlite3.Connection, account: str) -> TotalsView:
    """The totals. A value that cannot be read is left out, so it starts again at zero; the others stay."""
    counters: dict[Key, float] = {}
    histograms: dict[Key, HistogramView] = {}
    held = set()
    rows = db.execute("SELECT name, labels, held, value FROM counters WHERE account = ?", (account,))
    for name, labels, is_held, value in rows:
        try:
            key = _key(name, labels)
            counters[key] = _amount(value)
        except (ValueError, TypeError) as error:
            _log_unreadable(account, name, labels, error)
        else:
            held |= {key} if is_held else set()
    rows = db.execute("SELECT name, labels, held, bounds, counts, sum FROM histograms WHERE account = ?", (account,))
    for name, labels, is_held, bounds, counts, total in rows:
        try:
            key = _key(name, labels)
            histograms[key] = _histogram(json.loads(bounds), json.loads(counts), total)
        except (ValueError, TypeError) as error:
            _log_unreadable(account, name, labels, error)
        else:
            held |= {key} if is_held else set()
    return TotalsView(counters, histograms, held=frozenset(held))


def _log_unreadable(account: str, name: object, labels: object, error: Exception) -> None:
    extra = {"account": account, "total": str(name), "labels": str(labels), "error": str(error)}
    _log.error("total starts again at zero: its stored value cannot be read", extra=extra)


def _key(name: str, labels: str) -> Key:
    values = json.loads(labels)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError("its labels are not a list of texts")
    total = Total(name)
    if len(values) != LABEL_COUNTS[total]:
        raise ValueError(f"it has {len(values)} labels in place of {LABEL_COUNTS[total]}")
    return total, tuple(values)


def _amount(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError("it is not a number of 0 or more")
    return float(value)


def _histogram(bounds: list[float], counts: list[int], total: float) -> HistogramView:
    if len(counts) != len(bounds) + 1 or any(count < 0 or count != int(count) for count in counts):
        raise ValueError("its counts do not fit its buckets")
    if sorted(set(map(float, bounds))) != bounds:
        raise ValueError("its buckets are not in order")
    return HistogramView(tuple(map(float, bounds)), tuple(map(int, counts)), _amount(total))


def _save_jobs(db: sqlite3.Connection, account: str, jobs: Iterable[JobRecord]) -> None:
    for job in jobs:
        record = _jobs.dump_json(job, exclude_defaults=True)
        # An update that shortens a row much would leave its page mostly empty. After a deletion SQLite merges pages.
        db.execute(
            "DELETE FROM jobs WHERE account = ? AND id = ? AND length(record) > ?",
            (account, job.job.id, len(record) + _TEXTS_BYTES),
        )
        db.execute(
            "INSERT INTO jobs VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET task_id = excluded.task_id, record = excluded.record",
            (account, job.job.id, job.task_id, record),
        )


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
