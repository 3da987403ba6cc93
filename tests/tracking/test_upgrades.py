"""Upgrade, downgrade, backup and restore of the state file, as docs/deployment.md describes them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.snapshot import TotalsView
from exporter.tracking import database, schema
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes
from tests.tracking.stored import KEY, NOW, TOTALS, kept, loaded

DUMPS = Path(__file__).parents[1] / "data" / "state"
LATER = TotalsView({KEY: 8.0})


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_a_state_of_each_schema_keeps_its_tasks_jobs_totals_and_memories(path: Path, version: int) -> None:
    """The files are as each version wrote them. A new migration needs a new one."""
    connection = sqlite3.connect(path)
    connection.executescript((DUMPS / f"schema-{version}.sql").read_text())
    connection.close()
    assert database_version(path) == version

    store = SqliteStore(path)
    stored = store.load("prod", now=NOW)
    remembered = store.remembered("prod", ["gone", "new"])
    store.close()

    assert stored.state_created == NOW
    assert [(task.id, task.already_counted) for task in stored.tasks] == [("t", True)]
    assert [(job.job.id, job.output_counted) for job in stored.jobs] == [("a", True)]
    assert stored.totals == TOTALS
    assert remembered == {"gone": True}
    assert database_version(path) == len(schema.MIGRATIONS)


def database_version(path: Path) -> int:
    connection = sqlite3.connect(path)
    ((version,),) = connection.execute("PRAGMA user_version")
    connection.close()
    return int(version)


def test_an_older_exporter_refuses_the_newer_file_and_takes_the_backup(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(path)
    backup = tmp_path / "backup.db"
    shutil.copy(path, backup)
    monkeypatch.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE newer (value);"))
    loaded(path)
    newer = path.read_bytes()

    monkeypatch.setattr(database, "MIGRATIONS", schema.MIGRATIONS)
    with pytest.raises(StateError, match="is from a newer version of the exporter; install that version"):
        SqliteStore(path)
    assert path.read_bytes() == newer
    shutil.copy(backup, path)
    assert loaded(path).totals == TOTALS


def test_an_orderly_end_leaves_one_file_that_is_the_whole_backup(path: Path, tmp_path: Path) -> None:
    kept(path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    backup = tmp_path / "elsewhere.db"
    shutil.copy(path, backup)
    assert loaded(backup).totals == TOTALS


def test_a_copy_of_the_three_files_while_the_exporter_runs_is_a_backup(
    path: Path, tmp_path: Path, opened: Callable[[], SqliteStore]
) -> None:
    store = opened()
    store.load("prod", now=NOW)
    store.save("prod", Changes(now=NOW, totals=TOTALS))
    copies = tmp_path / "copies"
    copies.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, copies)
    store.save("prod", Changes(now=NOW, totals=LATER))

    assert loaded(copies / path.name).totals == TOTALS


def test_a_restored_backup_replaces_what_was_counted_after_it(path: Path, tmp_path: Path) -> None:
    kept(path)
    backup = tmp_path / "backup.db"
    shutil.copy(path, backup)
    store = SqliteStore(path)
    store.load("prod", now=NOW)
    store.save("prod", Changes(now=NOW, totals=LATER))
    store.close()
    assert loaded(path).totals == LATER

    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.copy(backup, path)
    assert loaded(path).totals == TOTALS
