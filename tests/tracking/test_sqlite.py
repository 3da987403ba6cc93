"""The embedded store: records and totals of other versions, and damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.model import Job, Output, Stream, Task
from exporter.tracking import database, schema, tables
from exporter.tracking.ledger import Ledger
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Memory
from tests.tracking.stored import JOB, NOW, TASK, TOTALS, edit, kept, loaded

# Records of other versions, and broken ones


def made_by_the_first_version(path: Path, *, task: str, job: str) -> None:
    """A file with the schema of version 1, and these records in it."""
    edit(
        path,
        *filter(None, (statement.strip() for statement in schema.MIGRATIONS[0].split(";"))),
        "PRAGMA user_version = 1",
        f"PRAGMA application_id = {schema.APPLICATION_ID}",
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
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[', 1, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '5', 1, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[1, 2]', 1, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[\"one label too few\"]', 1, 0)",
        "INSERT INTO counters VALUES ('prod', 'never heard of', '[\"a\", \"b\"]', 1, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[\"a\", \"b\"]', -1, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[\"a\", \"b\"]', 9e999, 0)",
        "INSERT INTO counters VALUES ('prod', 'tasks_finished', '[\"a\", \"b\"]', 'many', 0)",
        "INSERT INTO counters VALUES ('prod', x'ff', '[\"a\", \"b\"]', 1, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[', '[]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '5', '[]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[1, 2]', '[0, 0]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[2, 1]', '[0, 0, 0]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[1, 2]', '[0, -1, 0]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[1, 2]', '[0, \"a\", 0]', 0, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[1, 2]', '[0, 0, 0]', -1, 0)",
        "INSERT INTO histograms VALUES ('prod', 'task_duration', '[\"low\"]', '[1, 2]', '[0, 0, 0]', 'x', 0)",
    ],
)
def test_a_total_that_cannot_be_read_starts_again_and_the_others_stay(
    path: Path, statement: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the exporter refused the file, and advised to move it away with all totals."""
    kept(path)
    edit(path, statement)

    stored = loaded(path)
    assert stored.totals == TOTALS
    assert (list(stored.tasks), list(stored.jobs)) == ([TASK], [JOB])
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "total starts again at zero: its stored value cannot be read"
    ]


def test_millions_of_memories_that_end_at_once_are_forgotten_in_portions(
    path: Path, opened: Callable[[], SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: the end of five million memories took one save 23 s."""
    monkeypatch.setattr(tables, "_EXPIRE_AT_ONCE", 100)
    store = opened()
    store.load("prod", now=NOW)
    ids = [f"t{number}" for number in range(250)]
    memories = {task_id: Memory(NOW + 10, finished=True) for task_id in ids}
    store.save("prod", Changes(now=NOW, remembered={**memories, "later": Memory(NOW + 99, finished=True)}))
    left = []
    for _ in range(4):
        store.save("prod", Changes(now=NOW + 50, tasks=[TASK]))
        left.append(len(store.remembered("prod", [*ids, "later"])))

    assert left == [151, 51, 1, 1]


def test_the_file_shrinks_when_its_rows_are_gone(
    path: Path, opened: Callable[[], SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: a file never shrank. Some pages are given back with each transaction."""
    monkeypatch.setattr(database, "_FREE_PAGES", 50)
    store = opened()
    store.load("prod", now=NOW)
    memories = {f"task {number}" * 10: Memory(NOW + 10, finished=True) for number in range(10_000)}
    store.save("prod", Changes(now=NOW, remembered=memories))
    opened().load("prod", now=NOW)
    large, store = path.stat().st_size, opened()
    store.load("prod", now=NOW)
    for _ in range(30):
        store.save("prod", Changes(now=NOW + 50, tasks=[TASK]))
    opened().load("prod", now=NOW)

    assert path.stat().st_size < large / 2


def test_jobs_that_lose_their_texts_leave_no_empty_pages(path: Path, opened: Callable[[], SqliteStore]) -> None:
    """Seen: each kept its page, so 100,000 failed jobs with long texts made a file of 451 MB."""
    store = opened()
    store.load("prod", now=NOW)
    jobs = [replace(JOB, job=replace(JOB.job, id=f"job {number}")) for number in range(1000)]
    long = [replace(one, job=replace(one.job, error_message="x" * 4000)) for one in jobs]
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=long))
    store.save("prod", Changes(now=NOW, jobs=jobs))
    for _ in range(2):  # the second gives the pages back
        opened().load("prod", now=NOW)

    assert path.stat().st_size < 1000 * 1500
