"""The rows of a state, in the SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.snapshot import LABEL_COUNTS, HistogramView, Key, Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.store import Changes, PendingEvent, Stored

_log = logging.getLogger(__name__)

_Record = TypeVar("_Record")
_tasks = TypeAdapter(TaskRecord)
_jobs = TypeAdapter(JobRecord)

_REMEMBER_UNREADABLE_SECONDS = 366 * 86400.0
_TEXTS_BYTES = 512  # a row that shrinks by more has lost its texts
_EXPIRE_AT_ONCE = 10_000  # ids forgotten in one transaction, so that millions of them do not block other work


class Connection(Protocol):
    """A connection of `sqlite3`, or what looks like one. Parameters are `?`."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Iterable[Any]:
        """The rows."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """The statement for each row."""


class Rows(NamedTuple):
    """The rows of one account, which may be read as long as the transaction lasts."""

    state_created: float
    tasks: Iterable[tuple[str, bytes]]
    jobs: Iterable[tuple[str, bytes]]
    counters: Iterable[tuple[Any, ...]]
    histograms: Iterable[tuple[Any, ...]]
    events: Iterable[tuple[Any, ...]]


def rows(db: Connection, account: str, *, now: float) -> Rows:
    """All rows of the account, which is created at `now` (Unix seconds) if it does not exist."""
    db.execute("INSERT INTO accounts (name, state_created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (account, now))
    ((created,),) = db.execute("SELECT state_created FROM accounts WHERE name = ?", (account,))
    one = (account,)
    return Rows(
        created,
        db.execute("SELECT id, record FROM tasks WHERE account = ? ORDER BY rowid", one),
        db.execute("SELECT task_id, record FROM jobs WHERE account = ? ORDER BY rowid", one),
        db.execute("SELECT name, labels, held, value FROM counters WHERE account = ?", one),
        db.execute("SELECT name, labels, held, bounds, counts, sum FROM histograms WHERE account = ?", one),
        db.execute("SELECT job_id, started, processing, arrived FROM events WHERE account = ?", one),
    )


def parsed(account: str, found: Rows) -> tuple[Stored, set[str]]:
    """The state in these rows, and the ids of tasks that are left out, because a record of them cannot be read."""
    tasks, lost = _read(_tasks, found.tasks)
    jobs, lost_too = _read(_jobs, found.jobs)
    lost |= lost_too
    stored = Stored(
        state_created=found.state_created,
        tasks=[task for task in tasks if task.id not in lost],
        jobs=[job for job in jobs if job.task_id not in lost],
        totals=_totals(account, found),
        events={job_id: PendingEvent(*times) for job_id, *times in found.events},
    )
    return stored, lost


def forget(db: Connection, account: str, task_ids: Iterable[str], *, now: float) -> None:
    """Drop tasks with an unreadable record, and remember them, so that they are not counted twice."""
    for task_id in task_ids:
        _log.error("task dropped: its record cannot be read", extra={"account": account, "task_id": task_id})
        db.execute("DELETE FROM tasks WHERE account = ? AND id = ?", (account, task_id))
        db.execute("DELETE FROM jobs WHERE account = ? AND task_id = ?", (account, task_id))
        db.execute(_REMEMBER, (account, task_id, now + _REMEMBER_UNREADABLE_SECONDS, True))


def save(db: Connection, account: str, changes: Changes, *, shrink: bool) -> None:
    """Write the changes. With `shrink`, a job that loses its texts gets a new row."""
    db.executemany(
        "INSERT INTO tasks (account, id, record) VALUES (?, ?, ?)"
        " ON CONFLICT (account, id) DO UPDATE SET record = excluded.record",
        ((account, task.id, _tasks.dump_json(task, exclude_defaults=True)) for task in changes.tasks),
    )
    if shrink:
        _shrink(db, account, changes.jobs)
    db.executemany(
        "INSERT INTO jobs (account, id, task_id, record) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (account, id) DO UPDATE SET task_id = excluded.task_id, record = excluded.record",
        ((account, job.job.id, job.task_id, _jobs.dump_json(job, exclude_defaults=True)) for job in changes.jobs),
    )
    db.executemany("DELETE FROM tasks WHERE account = ? AND id = ?", _of(account, changes.dropped_tasks))
    db.executemany("DELETE FROM jobs WHERE account = ? AND id = ?", _of(account, changes.dropped_jobs))
    _save_totals(db, account, changes.totals)
    db.executemany(
        "INSERT INTO events (account, job_id, started, processing, arrived) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (account, job_id) DO UPDATE SET started = excluded.started, processing = excluded.processing,"
        " arrived = excluded.arrived",
        ((account, id_, event.started, event.processing, event.arrived) for id_, event in changes.events.items()),
    )
    db.executemany("DELETE FROM events WHERE account = ? AND job_id = ?", _of(account, changes.dropped_events))
    db.executemany(
        _REMEMBER,
        ((account, task_id, memory.until, memory.finished) for task_id, memory in changes.remembered.items()),
    )
    db.execute(
        "DELETE FROM remembered WHERE account = ? AND task_id IN"
        " (SELECT task_id FROM remembered WHERE account = ? AND until < ? LIMIT ?)",
        (account, account, changes.now, _EXPIRE_AT_ONCE),
    )


_REMEMBER = (
    "INSERT INTO remembered (account, task_id, until, finished) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, task_id) DO UPDATE SET until = excluded.until, finished = excluded.finished"
)


def _shrink(db: Connection, account: str, jobs: Iterable[JobRecord]) -> None:
    """An update that shortens a row much would leave its page mostly empty. After a deletion SQLite merges pages."""
    db.executemany(
        "DELETE FROM jobs WHERE account = ? AND id = ? AND length(record) > ?",
        ((account, job.job.id, len(_jobs.dump_json(job, exclude_defaults=True)) + _TEXTS_BYTES) for job in jobs),
    )


def _read(adapter: TypeAdapter[_Record], rows: Iterable[tuple[str, bytes]]) -> tuple[list[_Record], set[str]]:
    """The records of these rows, and the task ids of the unreadable ones."""
    records, lost = [], set()
    for task_id, record in rows:
        try:
            records.append(adapter.validate_json(record))
        except ValidationError:
            lost.add(task_id)
    return records, lost


def _totals(account: str, found: Rows) -> TotalsView:
    """The totals. A value that cannot be read is left out, so it starts again at zero; the others stay."""
    counters: dict[Key, float] = {}
    histograms: dict[Key, HistogramView] = {}
    held = set()
    for name, labels, is_held, value in found.counters:
        try:
            key = _key(name, labels)
            counters[key] = _amount(value)
        except (ValueError, TypeError) as error:
            _log_unreadable(account, name, labels, error)
        else:
            held |= {key} if is_held else set()
    for name, labels, is_held, bounds, counts, total in found.histograms:
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


def _save_totals(db: Connection, account: str, totals: TotalsView) -> None:
    db.executemany(
        "INSERT INTO counters (account, name, labels, value, held) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (account, name, labels) DO UPDATE SET value = excluded.value, held = excluded.held",
        ((account, key[0], json.dumps(key[1]), value, key in totals.held) for key, value in totals.counters.items()),
    )
    db.executemany(
        "INSERT INTO histograms (account, name, labels, bounds, counts, sum, held) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (account, name, labels) DO UPDATE SET bounds = excluded.bounds, counts = excluded.counts,"
        " sum = excluded.sum, held = excluded.held",
        (
            (account, key[0], json.dumps(key[1]), *_columns(view), key in totals.held)
            for key, view in totals.histograms.items()
        ),
    )


def _columns(view: HistogramView) -> tuple[str, str, float]:
    return json.dumps(view.bounds), json.dumps(view.counts), view.sum


def _of(account: str, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((account, record_id) for record_id in ids)
