"""Copies a whole state from one store to another, and compares what arrived."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exporter.errors import StateError
from exporter.tracking.tables import Connection

_COLUMNS = {
    "accounts": ("name", "state_created"),
    "tasks": ("account", "id", "record"),
    "jobs": ("account", "id", "task_id", "record"),
    "counters": ("account", "name", "labels", "value", "held"),
    "histograms": ("account", "name", "labels", "bounds", "counts", "sum", "held"),
    "remembered": ("account", "task_id", "until", "finished"),
    "events": ("account", "job_id", "started", "processing", "arrived"),
}
_ORDERED = ("tasks", "jobs")  # whose order of insertion is the order in which they are shown
_SWITCHES = ("held", "finished")  # SQLite has numbers for them


def copy(source: Connection, target: Connection) -> dict[str, int]:
    """Copy all rows. Returns their number by table. Both connections are in a transaction, which the caller ends.

    Raises `StateError` if the target has an account, or if it does not have exactly the rows of the source afterwards.
    """
    if any(_rows(target, table) for table in _COLUMNS):
        raise StateError("TO has a state already; nothing was copied. Choose another place, or remove that state first")
    counts = {}
    for table, columns in _COLUMNS.items():
        rows = _rows(source, table)
        marks = ", ".join("?" * len(columns))
        target.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - our names
        if _rows(target, table) != rows:
            raise StateError(f"TO differs from FROM after the copy, in the table {table}; nothing was copied")
        counts[table] = len(rows)
    return counts


def _rows(db: Connection, table: str) -> list[tuple[Any, ...]]:
    columns = _COLUMNS[table]
    order = " ORDER BY rowid" if table in _ORDERED else ""
    found: Iterable[tuple[Any, ...]] = db.execute(f"SELECT {', '.join(columns)} FROM {table}{order}")  # noqa: S608 - our names
    switches = [columns.index(name) for name in _SWITCHES if name in columns]
    rows = [tuple(bool(value) if place in switches else value for place, value in enumerate(row)) for row in found]
    return rows if order else sorted(rows, key=lambda row: row[:3])
