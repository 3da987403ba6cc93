"""The embedded store: one SQLite file, which only one process at a time can use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.tracking import tables
from exporter.tracking.database import Database
from exporter.tracking.store import Changes, Stored


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
            stored, lost = tables.parsed(account, tables.rows(db, account, now=now))
            tables.forget(db, account, lost, now=now)
        return stored

    def save(self, account: str, changes: Changes) -> None:
        """See `Store`."""
        with self._database.transaction("cannot be written") as db:
            tables.save(db, account, changes, shrink=True)

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        """See `Store`."""
        with self._database.reading("cannot be read") as db:
            rows = db.execute(
                "SELECT task_id, finished FROM remembered"
                " WHERE account = ? AND task_id IN (SELECT value FROM json_each(?))",
                (account, json.dumps(list(task_ids))),
            ).fetchall()
        return {task_id: bool(finished) for task_id, finished in rows}
