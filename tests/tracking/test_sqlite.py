"""The embedded store: files of other versions, damaged files, and the errors that it reports for them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.model import Job, Output, Stream, Task
from exporter.snapshot import Total, TotalsView
from exporter.tracking import sqlite
from exporter.tracking.ledger import Ledger
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Stored

NOW = 1_700_000_000.0
TASK = TaskRecord(id="t", source="tasks", since=NOW, task=Task("t", "v", "Processing"))
JOB = JobRecord(job=Job("a", "HD", "Transcoding"), task_id="t", refreshed=NOW)
KEY = Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")
TOTALS = TotalsView({KEY: 7.0})
CHECK_FOLDER = "check that the folder exists, is writable and has space, or set state.path to another file"
MOVE_AWAY = "move it away, or set state.path to another file; totals then start again at zero"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], SqliteStore]]:
    """Opens the store at `path` again each time it is called."""
    stores: list[SqliteStore] = []

    def make() -> SqliteStore:
        for store in stores:
            store.close()
        stores.append(SqliteStore(path))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


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
    database = opened()._db

    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)


# Files that the store refuses


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no" / "state.db") == f"cannot be opened: No such file or directory; {CHECK_FOLDER}"


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"cannot be opened: unable to open database file; {CHECK_FOLDER}"


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
    ((pages,),) = store._db.execute("PRAGMA page_count")
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    much = Changes(
        now=NOW,
        tasks=[replace(TASK, id=f"task {number}") for number in range(10_000)],
        dropped_tasks=["t"],
        totals=TotalsView({KEY: 8.0}),
    )
    with pytest.raises(StateError, match=f"cannot be written: database or disk is full; {CHECK_FOLDER}"):
        store.save("prod", much)
    meanwhile = store.load("prod", now=NOW)
    store._db.execute("PRAGMA max_page_count = 1000000")
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


# Records of other versions, and broken ones


def loaded(path: Path) -> Stored:
    store = SqliteStore(path)
    try:
        return store.load("prod", now=NOW)
    finally:
        store.close()


def made_by_the_first_version(path: Path, *, task: str, job: str) -> None:
    """A file with the schema of version 1, and these records in it."""
    edit(
        path,
        *filter(None, (statement.strip() for statement in sqlite._MIGRATIONS[0].split(";"))),
        "PRAGMA user_version = 1",
        f"PRAGMA application_id = {sqlite._APPLICATION_ID}",
        f"INSERT INTO accounts (name, born) VALUES ('prod', {NOW})",
        f"INSERT INTO tasks VALUES ('prod', 't', CAST('{task}' AS BLOB))",
        f"INSERT INTO jobs VALUES ('prod', 'a', 't', CAST('{job}' AS BLOB))",
    )


FIRST_TASK = """{"id":"t","source":"discovery","since":1.5,"task":{"id":"t","video_id":"v",
    "status":"CompleteAllSucc","trigger":"Auto","template_group_id":"g","created":2.5,"completed":3.5},
    "refreshed":4.5,"finished_at":5.5,"silent":true}"""
FIRST_JOB = """{"job":{"id":"a","definition":"HD","status":"TranscodeSuccess","progress":1.0,
    "created":1.0,"completed":2.0,"priority":"6","template_id":"p","input_url":"i","error_code":"200",
    "error_message":"m","output":{"url":"u","format":"mp4","encryption":"e","bitrate":1.0,"size":2.0,"duration":3.0,
    "frames_per_second":4.0,"width":5.0,"height":6.0,"streams":[{"kind":"video","index":"0","codec":"h264",
    "bitrate":7.0}],"watermark_ids":["w"]}},"task_id":"t","refreshed":4.5,"finished_at":5.5,"output_counted":true,
    "processing_counted":true,"claimed_by":["u"]}"""


@pytest.mark.parametrize("broken", ["", "{", "[]"], ids=["good", "no JSON", "a list"])
def test_a_file_of_the_first_version_with_a_broken_record_is_migrated(path: Path, broken: str) -> None:
    made_by_the_first_version(path, task=broken or FIRST_TASK, job=FIRST_JOB)

    stored = loaded(path)
    assert stored.state_created == NOW
    assert [task.id for task in stored.tasks] == ([] if broken else ["t"])


def test_records_of_the_first_version_are_read(path: Path) -> None:
    """The records are as version 1 wrote them. Never change them; add records for a new version."""
    made_by_the_first_version(path, task=FIRST_TASK, job=FIRST_JOB)
    task = Task("t", "v", "CompleteAllSucc", "Auto", "g", 2.5, 3.5)
    output = Output("u", "mp4", "e", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, (Stream("video", "0", "h264", 7.0),), ("w",))
    job = Job("a", "HD", "TranscodeSuccess", 1.0, 1.0, 2.0, "6", "p", "i", "200", "m", output)

    stored = loaded(path)
    assert list(stored.tasks) == [
        TaskRecord(
            id="t", source="discovery", since=1.5, task=task, refreshed=4.5, finished_at=5.5, already_counted=True
        )
    ]
    assert list(stored.jobs) == [
        JobRecord(
            job=job,
            task_id="t",
            refreshed=4.5,
            finished_at=5.5,
            output_counted=True,
            processing_counted=True,
            claimed_by=("u",),
        )
    ]


def test_missing_fields_of_a_record_get_defaults_and_unknown_ones_are_ignored(path: Path) -> None:
    kept(path)
    edit(
        path,
        """UPDATE tasks SET record = '{"id":"t","source":"tasks","since":1.5,"new":1,"task":{"id":"t","new":{}}}'""",
        """UPDATE jobs SET record = '{"job":{"id":"a","new":[]},"task_id":"t","refreshed":2}'""",
    )

    stored = loaded(path)
    assert list(stored.tasks) == [TaskRecord(id="t", source="tasks", since=1.5, task=Task("t"))]
    assert list(stored.jobs) == [JobRecord(job=Job("a"), task_id="t", refreshed=2.0)]


@pytest.mark.parametrize("table", ["tasks", "jobs"])
@pytest.mark.parametrize("record", ["{", "{}", "[]", '{"id": 5}', "x'ff'"])
def test_a_broken_record_costs_only_its_task_and_is_logged(
    path: Path, table: str, record: str, caplog: pytest.LogCaptureFixture
) -> None:
    kept(path)
    store = SqliteStore(path)
    store.load("prod", now=NOW)
    other = [replace(TASK, id="u"), replace(JOB, task_id="u", job=Job("b"))]
    store.save("prod", Changes(now=NOW, tasks=[other[0]], jobs=[other[1]]))  # type: ignore[list-item]
    store.close()
    value = record if record.startswith("x'") else f"'{record}'"
    edit(path, f"UPDATE {table} SET record = {value} WHERE id IN ('t', 'a')")

    first, second = loaded(path), loaded(path)
    assert [*first.tasks, *first.jobs] == [*second.tasks, *second.jobs] == other
    assert first.totals == TOTALS
    assert [record.__dict__["task_id"] for record in caplog.records] == ["t"]
    store = SqliteStore(path)
    assert store.remembered("prod", ["t", "u"]) == {"t": True}
    store.close()


def test_a_task_whose_record_was_broken_counts_nothing_twice(path: Path) -> None:
    store = SqliteStore(path)
    ledger = Ledger("prod", store=store, clock=lambda: NOW)
    done = Task("t", status="CompleteAllSucc", jobs=(Job("a", "HD", "TranscodeSuccess"),))
    ledger.discover(["t"], source="discovery")
    ledger.observe_task("t", done)
    before = ledger.view().totals
    store.close()
    edit(path, "UPDATE tasks SET record = '{'")
    store = SqliteStore(path)
    ledger = Ledger("prod", store=store, clock=lambda: NOW)
    ledger.discover(["t"], source="discovery")
    ledger.name("key", ["t"], source="tasks")
    ledger.observe_task("t", done)
    after = ledger.view()
    store.close()

    assert after.totals == before
    assert [one.task_id for one in after.jobs] == ["t"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE counters SET labels = '['",
        "UPDATE counters SET labels = '5'",
        "UPDATE counters SET name = 'never heard of'",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[]', '[', '[]', 0, 0)",
    ],
)
def test_totals_that_cannot_be_read_are_an_error(path: Path, statement: str) -> None:
    kept(path)
    edit(path, statement)

    with pytest.raises(StateError) as caught:
        loaded(path)
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    assert str(caught.value).endswith(MOVE_AWAY)
    assert "\n" not in str(caught.value)


# Versions of the schema


def test_a_file_of_each_earlier_version_is_migrated_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sqlite._MIGRATIONS
    steps = (
        "CREATE TABLE second (value); INSERT INTO second SELECT count(*) FROM tasks;",
        "CREATE TABLE third (value); INSERT INTO third SELECT value + 1 FROM second;",
    )
    versions = []
    for count in range(len(steps) + 1):
        monkeypatch.setattr(sqlite, "_MIGRATIONS", first + steps[:count])
        if count == 0:
            kept(path)
        stored = loaded(path)
        versions.append((list(stored.tasks), list(stored.jobs), stored.totals))
        assert schema_version(path) == len(first) + count
    database = sqlite3.connect(path)
    third = database.execute("SELECT value FROM third").fetchall()
    database.close()

    assert versions == [([TASK], [JOB], TOTALS)] * 3
    assert third == [(2,)]


def schema_version(path: Path) -> int:
    database = sqlite3.connect(path)
    ((version,),) = database.execute("PRAGMA user_version")
    database.close()
    assert isinstance(version, int)
    return version


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(path)
    version = schema_version(path)
    with monkeypatch.context() as patched:
        broken = "DELETE FROM tasks; CREATE TABLE half (value); INSERT INTO nowhere VALUES (1);"
        patched.setattr(sqlite, "_MIGRATIONS", (*sqlite._MIGRATIONS, broken))
        assert refusal(path).startswith("cannot be used: no such table: nowhere; ")

    assert schema_version(path) == version
    assert list(loaded(path).tasks) == [TASK]
