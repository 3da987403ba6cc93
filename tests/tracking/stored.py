"""A stored task, job and total, the files that have them, and changes of these files while no exporter runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from exporter.model import Job, Task
from exporter.snapshot import Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Stored

NOW = 1_700_000_000.0
TASK = TaskRecord(id="t", source="tasks", since=NOW, task=Task("t", "v", "Processing"))
JOB = JobRecord(job=Job("a", "HD", "Transcoding"), task_id="t", refreshed=NOW)
KEY = Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")
TOTALS = TotalsView({KEY: 7.0})


def kept(path: Path) -> None:
    """Make a store with a task, a job and totals, and close it."""
    store = SqliteStore(path)
    store.load("prod", now=NOW)
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[JOB], totals=TOTALS))
    store.close()


def edit(path: Path, *statements: str) -> None:
    """Change the file while no exporter runs."""
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()


def loaded(path: Path) -> Stored:
    """What a new store reads from the file."""
    store = SqliteStore(path)
    try:
        return store.load("prod", now=NOW)
    finally:
        store.close()
