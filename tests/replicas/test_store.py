"""The state in PostgreSQL is that of the file: whole, in order, and copied both ways without a difference."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from exporter.command import state
from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.replicas import schema
from exporter.snapshot import HistogramView, Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Memory, PendingEvent, Store, Stored
from tests.replicas.conftest import Replicas, Server

FINISHED, DURATION = (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")), (Total.JOB_DURATION, ("HD", "TranscodeSuccess"))
CHANGES = Changes(
    now=10.0,
    tasks=[TaskRecord(id=name, source="api", since=5.0, task=Task(name, "v")) for name in ("zebra", "ant", "\u4e2d")],
    jobs=[JobRecord(job=Job(f"job-{number}", "HD"), task_id="ant", refreshed=7.0) for number in (2, 1)],
    totals=TotalsView(
        {FINISHED: 3.0}, {DURATION: HistogramView((1.0, 2.0), (1, 0, 2), 9.5)}, held=frozenset({DURATION})
    ),
    remembered={"old": Memory(until=99.0, finished=True), "given up": Memory(until=99.0, finished=False)},
    events={"job-9": PendingEvent(1.0, None, 9.0)},
)


def filled(store: Store, account: str = "prod") -> Stored:
    store.load(account, now=3.0)
    store.save(account, CHANGES)
    return store.load(account, now=11.0)


def held_store(replicas: Replicas) -> Store:
    replica = replicas.new("a", "prod")
    replicas.beat(replica, times=2)
    holding = replica.of("prod")
    assert holding is not None
    return holding.store


def test_the_database_returns_what_the_file_returns(replicas: Replicas, tmp_path: Path) -> None:
    file, database = SqliteStore(tmp_path / "state.db"), held_store(replicas)
    expected, found = filled(file), filled(database)

    assert (list(found.tasks), list(found.jobs)) == (list(expected.tasks), list(expected.jobs))
    assert (found.totals, found.totals.held, found.events) == (expected.totals, expected.totals.held, expected.events)
    ids = ["old", "given up", "new"]
    assert database.remembered("prod", ids) == file.remembered("prod", ids) == {"old": True, "given up": False}

    for store in (file, database):
        dropped = Changes(now=100.0, dropped_tasks=["ant"], dropped_jobs=["job-1"], dropped_events=["job-9"])
        store.save("prod", dropped)
    expected, found = file.load("prod", now=101.0), database.load("prod", now=101.0)

    assert (list(found.tasks), list(found.jobs), found.events) == (list(expected.tasks), list(expected.jobs), {})
    assert database.remembered("prod", ids) == {}


def test_a_task_with_an_unreadable_record_is_dropped_and_remembered(
    replicas: Replicas, server: Server, database: str
) -> None:
    store = held_store(replicas)
    filled(store)
    server.execute(f"UPDATE {schema.NAME}.tasks SET record = 'x' WHERE id = 'ant'", database=database)
    found = store.load("prod", now=12.0)

    assert ([task.id for task in found.tasks], list(found.jobs)) == (["zebra", "\u4e2d"], [])
    assert store.remembered("prod", ["ant"]) == {"ant": True}


def test_a_missing_table_gets_a_sentence_with_the_remedy(replicas: Replicas, server: Server, database: str) -> None:
    store = held_store(replicas)
    server.execute(f"DROP TABLE {schema.NAME}.jobs", database=database)

    with pytest.raises(StateError, match="restore the database from a backup"):
        store.load("prod", now=12.0)


def copied(source: object, target: object) -> int:
    return state.run(argparse.Namespace(source=str(source), target=str(target)))


def test_a_state_is_copied_into_the_database_and_back_without_a_difference(
    tmp_path: Path, server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, url = tmp_path / "first.db", tmp_path / "second.db", server.url(database)
    file = SqliteStore(first)
    expected = filled(file)
    file.close()

    assert copied(first, url) == copied(url, second) == 0
    file = SqliteStore(second)
    found = file.load("prod", now=12.0)
    file.close()

    assert (list(found.tasks), list(found.jobs)) == (list(expected.tasks), list(expected.jobs))
    assert (found.state_created, found.totals, found.events) == (3.0, expected.totals, expected.events)
    assert "3 tasks, 2 jobs" in capsys.readouterr().out
    with pytest.raises(StateError, match="TO has a state already"):
        copied(first, url)
    with pytest.raises(StateError, match="is no file"):
        copied(tmp_path / "missing.db", url)


def test_a_database_that_replicas_use_is_not_copied(
    replicas: Replicas, tmp_path: Path, server: Server, database: str
) -> None:
    held_store(replicas)

    with pytest.raises(StateError, match="stop them first"):
        copied(server.url(database), tmp_path / "new.db")
