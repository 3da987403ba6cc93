"""The file of the embedded store: who may use it, versions of its schema, and what others do to it meanwhile."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.model import Job
from exporter.snapshot import TotalsView
from exporter.tracking import database, schema
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Memory
from tests.tracking.stored import JOB, KEY, NOW, TASK, TOTALS, edit, kept, loaded

CHECK_FOLDER = "check that the folder exists, is writable and has space, or set state.path to another file"
MOVE_AWAY = "move it away, or set state.path to another file; totals then start again at zero"


def refusal(path: Path) -> str:
    """The error for a file that the store refuses, without the path. It is one line, and starts with the path."""
    with pytest.raises(StateError) as caught:
        SqliteStore(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path} ")
    return text.removeprefix(f"{path} ")


def test_a_new_file_is_for_its_owner_alone_and_an_empty_one_is_as_good(
    path: Path, opened: Callable[[], SqliteStore]
) -> None:
    opened().load("prod", now=NOW)
    mode = stat.S_IMODE(path.stat().st_mode)
    opened().close()
    path.write_bytes(b"")
    opened().load("prod", now=NOW)

    assert mode == 0o600


def test_a_commit_is_on_the_disk_before_it_returns(path: Path, opened: Callable[[], SqliteStore]) -> None:
    """https://www.sqlite.org/pragma.html#pragma_synchronous: with WAL, FULL syncs after each transaction."""
    database = opened()._database.connection

    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


# Files that the store refuses


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no" / "state.db") == f"cannot be opened: No such file or directory; {CHECK_FOLDER}"


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"cannot be opened: Is a directory; {CHECK_FOLDER}"


def test_a_fifo_in_place_of_the_file_is_refused_and_does_not_hang(path: Path) -> None:
    os.mkfifo(path)
    assert refusal(path) == f"cannot be opened: it is a FIFO, not a regular file; {CHECK_FOLDER}"


@pytest.mark.parametrize("text", ["this is a letter", "x" * 10_000])
def test_a_file_that_is_no_database_is_refused_and_unchanged(path: Path, text: str) -> None:
    path.write_text(text)

    assert refusal(path) == f"cannot be used: file is not a database; {MOVE_AWAY}"
    assert path.read_text() == text


def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    edit(path, "CREATE TABLE letters (text)")
    before = path.read_bytes()

    assert refusal(path) == "is a database of another program; set state.path to another file"
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    kept(path)
    edit(path, "PRAGMA user_version = 99")

    assert refusal(path) == (
        "is from a newer version of the exporter; install that version, or set state.path to another file"
    )


@pytest.mark.parametrize("page", [1, 2, 3, 5])
def test_a_damaged_file_is_refused_with_the_remedy(path: Path, page: int) -> None:
    """The error has the remedy, whichever page is damaged."""
    kept(path)
    raw = bytearray(path.read_bytes())
    raw[page * 4096 : page * 4096 + 2048] = b"\xa5" * 2048
    path.write_bytes(raw)

    assert refusal(path).endswith(MOVE_AWAY)


def test_a_truncated_file_is_refused_with_the_remedy(path: Path) -> None:
    kept(path)
    os.truncate(path, path.stat().st_size // 2)

    assert refusal(path).endswith(MOVE_AWAY)


def test_the_log_of_a_file_that_was_moved_away_does_not_reach_the_new_file(
    path: Path, opened: Callable[[], SqliteStore]
) -> None:
    """The error for a damaged file asks the operator to move it away."""
    store = opened()
    store.load("prod", now=NOW)
    store.save("prod", Changes(now=NOW, tasks=[TASK]))
    log = path.with_name("state.db-wal").read_bytes()
    store.close()
    path.unlink()
    path.with_name("state.db-wal").write_bytes(log)

    assert list(opened().load("prod", now=NOW).tasks) == []


@pytest.mark.parametrize("read_only", ["file", "folder"])
def test_a_file_or_folder_that_cannot_be_written_is_refused(read_only: str) -> None:
    """Runs as a user without permissions, because root may write everything."""
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "state.db"
        if read_only == "file":
            kept(path)
        path.chmod(0o444) if read_only == "file" else folder.chmod(0o555)
        if read_only == "file":
            folder.chmod(0o555)
        text = in_child(OPEN, path, user=65534 if os.geteuid() == 0 else None)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)

    assert text == f"{path} cannot be opened: Permission denied; {CHECK_FOLDER}"


OPEN = """
try:
    SqliteStore(path)
except StateError as error:
    print(error)
"""


def in_child(script: str, path: Path, *, user: int | None = None) -> str:
    """The output of the script in another process. It changes its user after the imports, which need readable files."""
    fork = f"""
import os, sys
from pathlib import Path
from exporter.errors import StateError
from exporter.tracking.sqlite import SqliteStore
path = Path({str(path)!r})
if {user!r} is not None:
    os.setgroups([]); os.setgid({user!r}); os.setuid({user!r})
{script}
"""
    run = subprocess.run([sys.executable, "-c", fork], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.slow
def test_a_second_process_is_refused_and_the_first_goes_on(path: Path, opened: Callable[[], SqliteStore]) -> None:
    store = opened()
    store.load("prod", now=NOW)
    before = in_child(OPEN, path)
    store.save("prod", Changes(now=NOW, tasks=[TASK]))
    after = in_child(OPEN, path)
    store.close()

    assert before == after == f"{path} is in use by another process; give each exporter its own state.path"
    assert in_child(OPEN, path) == ""
    assert list(opened().load("prod", now=NOW).tasks) == [TASK]


def test_a_second_store_in_one_process_is_refused_too(path: Path, opened: Callable[[], SqliteStore]) -> None:
    opened()

    assert refusal(path) == "is in use by another process; give each exporter its own state.path"


def test_a_closed_store_refuses_calls(path: Path, opened: Callable[[], SqliteStore]) -> None:
    """At the end of the process a scrape may still use the store."""
    store = opened()
    store.load("prod", now=NOW)
    store.close()

    with pytest.raises(StateError, match="closed"):
        store.save("prod", Changes(now=NOW))
    with pytest.raises(StateError, match="closed"):
        store.remembered("prod", ["t"])


# Failures of a running store


def test_a_full_disk_is_an_error_that_changes_nothing(path: Path, opened: Callable[[], SqliteStore]) -> None:
    store = opened()
    store.load("prod", now=NOW)
    store.save("prod", Changes(now=NOW, tasks=[TASK], totals=TOTALS))
    ((pages,),) = store._database.connection.execute("PRAGMA page_count")
    store._database.connection.execute(f"PRAGMA max_page_count = {pages}")
    much = Changes(
        now=NOW,
        tasks=[replace(TASK, id=f"task {number}") for number in range(10_000)],
        dropped_tasks=["t"],
        totals=TotalsView({KEY: 8.0}),
    )
    with pytest.raises(StateError, match=f"cannot be written: database or disk is full; {CHECK_FOLDER}"):
        store.save("prod", much)
    meanwhile = store.load("prod", now=NOW)
    store._database.connection.execute("PRAGMA max_page_count = 1000000")
    store.save("prod", much)

    assert (list(meanwhile.tasks), meanwhile.totals) == ([TASK], TOTALS)
    assert len(opened().load("prod", now=NOW).tasks) == 10_000


def test_a_record_that_cannot_be_written_is_an_error_and_changes_nothing(opened: Callable[[], SqliteStore]) -> None:
    """Lone surrogates are removed from all input. If one is missed, the scrape must not fail."""
    store = opened()
    store.load("prod", now=NOW)
    surrogate = replace(JOB, job=Job("a", error_message="\ud800"))
    with pytest.raises(StateError, match="cannot be written"):
        store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[surrogate]))
    with pytest.raises(StateError, match="cannot be written"):
        store.save("prod", Changes(now=NOW, dropped_tasks=["\ud800"]))
    store.save("prod", Changes(now=NOW, jobs=[JOB]))

    assert (list(store.load("prod", now=NOW).tasks), list(store.load("prod", now=NOW).jobs)) == ([], [JOB])


# What others do to the files while they are in use


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def used(store: SqliteStore) -> SqliteStore:
    """The store with a task, a job, totals and the memory of another task."""
    store.load("prod", now=NOW)
    memory = {"old": Memory(NOW + 10, finished=True)}
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[JOB], totals=TOTALS, remembered=memory))
    return store


def save_another(store: SqliteStore) -> None:
    store.save("prod", Changes(now=NOW, tasks=[replace(TASK, id="u")]))


def test_a_file_that_is_deleted_is_written_again_with_all_it_had(
    path: Path, opened: Callable[[], SqliteStore], caplog: pytest.LogCaptureFixture
) -> None:
    store = used(opened())
    for name in path.parent.iterdir():
        name.unlink()
    save_another(store)
    in_use = in_child(OPEN, path)
    again = opened()
    stored = again.load("prod", now=NOW)

    assert [task.id for task in stored.tasks] == ["t", "u"]
    assert (list(stored.jobs), stored.totals) == ([JOB], TOTALS)
    assert again.remembered("prod", ["old"]) == {"old": True}
    assert caplog.messages == ["the file of the state was deleted; it is written again"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "in use by another process" in in_use
    assert sorted(one.name for one in path.parent.iterdir() if "new" in one.name) == []


def test_a_file_that_was_replaced_is_not_touched_until_it_is_moved_away(
    path: Path, opened: Callable[[], SqliteStore]
) -> None:
    store = used(opened())
    path.rename(path.with_name("old.db"))
    other = path.with_name("other.db")
    kept(other)
    other.rename(path)
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"was replaced.*restart the exporter.*or move the new file away"):
        save_another(store)
    assert path.read_bytes() == before
    path.unlink()
    save_another(store)

    assert [task.id for task in opened().load("prod", now=NOW).tasks] == ["t", "u"]


def test_a_file_that_was_cut_is_an_error_that_names_the_remedy(path: Path, opened: Callable[[], SqliteStore]) -> None:
    store = used(opened())
    os.truncate(path, 4096)

    with pytest.raises(StateError, match=r"was cut by another program; stop the exporter, and restore"):
        save_another(store)


def test_a_log_that_is_deleted_is_written_again(
    path: Path, opened: Callable[[], SqliteStore], caplog: pytest.LogCaptureFixture
) -> None:
    store = used(opened())
    log_of(path).unlink()
    save_another(store)

    assert [task.id for task in opened().load("prod", now=NOW).tasks] == ["t", "u"]
    assert caplog.messages == ["the write-ahead log of the state was removed; it is written again"]


@pytest.mark.parametrize("log", ["whole", "missing", "garbage", "short", "empty"])
def test_a_start_says_whether_the_log_of_a_crash_was_lost(
    path: Path, opened: Callable[[], SqliteStore], log: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The log of an exporter that was killed has the last changes. SQLite silently ignores one that it cannot read."""
    used(opened())
    crashed = path.with_name("crashed.db")
    shutil.copy(path, crashed)
    content = log_of(path).read_bytes()
    if log != "missing":
        log_of(crashed).write_bytes({"garbage": b"x" * 5000, "short": content[:20], "empty": b""}.get(log, content))

    stored = loaded(crashed)
    lost = {"missing": "missing", "garbage": "damaged", "short": "damaged"}.get(log)
    assert [task.id for task in stored.tasks] == (["t"] if log == "whole" else [])
    assert caplog.messages == (
        [f"the write-ahead log of the state is {lost}; the changes of the last minutes are lost"] if lost else []
    )


def test_after_an_orderly_end_no_log_is_missed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept(path)

    assert list(loaded(path).tasks) == [TASK]
    assert caplog.messages == []


def test_a_disk_that_hangs_does_not_keep_the_process_from_ending(
    opened: Callable[[], SqliteStore], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "_CLOSING_SECONDS", 0.05)
    store, hangs, go = used(opened()), threading.Event(), threading.Event()

    def hang() -> None:
        with store._database.transaction("cannot be written"):
            hangs.set()
            go.wait(60)

    thread = threading.Thread(target=hang)
    thread.start()
    assert hangs.wait(60)
    store.close()
    go.set()
    thread.join()

    assert caplog.messages == ["the disk of the state does not answer; the last changes may be lost"]


# Versions of the schema


def test_a_file_of_each_earlier_version_is_migrated_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = schema.MIGRATIONS
    steps = (
        "CREATE TABLE second (value); INSERT INTO second SELECT count(*) FROM tasks;",
        "CREATE TABLE third (value); INSERT INTO third SELECT value + 1 FROM second;",
    )
    versions = []
    for count in range(len(steps) + 1):
        monkeypatch.setattr(database, "MIGRATIONS", first + steps[:count])
        if count == 0:
            kept(path)
        stored = loaded(path)
        versions.append((list(stored.tasks), list(stored.jobs), stored.totals))
        assert schema_version(path) == len(first) + count
    connection = sqlite3.connect(path)
    third = connection.execute("SELECT value FROM third").fetchall()
    connection.close()

    assert versions == [([TASK], [JOB], TOTALS)] * 3
    assert third == [(2,)]


def schema_version(path: Path) -> int:
    connection = sqlite3.connect(path)
    ((version,),) = connection.execute("PRAGMA user_version")
    connection.close()
    assert isinstance(version, int)
    return version


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(path)
    version = schema_version(path)
    with monkeypatch.context() as patched:
        broken = "DELETE FROM tasks; CREATE TABLE half (value); INSERT INTO nowhere VALUES (1);"
        patched.setattr(database, "MIGRATIONS", (*schema.MIGRATIONS, broken))
        assert refusal(path).startswith("cannot be used: no such table: nowhere; ")

    assert schema_version(path) == version
    assert list(loaded(path).tasks) == [TASK]


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE counters DROP COLUMN held", "DROP TABLE events", "ALTER TABLE tasks RENAME id TO name"]
)
def test_a_build_that_numbers_its_schema_alike_gets_no_advice_that_loses_totals(path: Path, statement: str) -> None:
    kept(path)
    edit(path, statement)

    text = refusal(path)
    assert text.startswith("is of another build of this version: no such ")
    assert text.endswith("; start that build, or set state.path to another file")
