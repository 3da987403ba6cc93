"""The list of the status page: search, order and pages."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from exporter.model import Job, Task
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot
from exporter.web.listing import PAGE_SIZE, REFRESH_SECONDS, SEARCH_LIMIT, Listing, Query, State, listing, paused

FAILED = Job("f1", "HD", "TranscodeFail", created=50.0, error_code="Invalid.Bad", error_message="No Such Thing")
NEW = Job("n1", "SD", "Submitted", created=90.0)
OLD = Job("o1", "HD", "Transcoding", created=10.0)
DONE = Job("d1", "HD", "TranscodeSuccess", created=1.0, completed=80.0)
LATER = Job("d2", "LD", "TranscodeSuccess", created=1.0, completed=85.0)
PAUSED = Job("x1", "HD", "Paused")
FULL = Job("u1", "FHD", "Submitted", created=95.0)


def snapshot(**jobs: Job) -> Snapshot:
    """Each job in a task of its own, with the keyword as its id, of video `v-TASK`; and a task without jobs."""
    view = LedgerView(
        tasks=(
            *(ShownTask(Task(name, f"v-{name}", "Processing"), None) for name in jobs),
            ShownTask(Task("empty", "v-empty", "CompleteAllFail", completed=1.0), None),
        ),
        jobs=tuple(ShownJob(job, name, f"v-{name}") for name, job in jobs.items()),
    )
    return Snapshot((AccountSnapshot("prod", "", "", view=view), AccountSnapshot("other", "", "")))


ALL = snapshot(t1=DONE, t2=LATER, t3=NEW, t4=OLD, t5=FAILED, t6=PAUSED)


def ids(found: Listing) -> list[str]:
    return [row.job.id if row.job else row.task_id for group in found.groups for row in group.rows]


def test_failed_come_first_then_the_oldest_unfinished_then_the_last_finished() -> None:
    assert ids(listing(ALL, Query())) == ["f1", "empty", "x1", "o1", "n1", "d2", "d1"]


def test_jobs_of_a_task_stay_together_and_the_most_urgent_sets_its_place() -> None:
    view = LedgerView(
        jobs=(ShownJob(OLD, "a", ""), ShownJob(DONE, "b", ""), ShownJob(LATER, "a", ""), ShownJob(FAILED, "b", ""))
    )
    found = listing(Snapshot((AccountSnapshot("prod", "", "", view=view),)), Query())
    assert [(group.task_id, group.task, [row.job and row.job.id for row in group.rows]) for group in found.groups] == [
        ("b", None, ["f1", "d1"]),
        ("a", None, ["o1", "d2"]),
    ]


def test_a_search_finds_rows_that_contain_all_its_words() -> None:
    for q, found in [
        ("f1", ["f1"]),
        ("t4", ["o1"]),
        ("V-T4", ["o1"]),
        ("ld", ["d2"]),
        ("transcodefail", ["f1"]),
        ("done", ["d2", "d1"]),
        ("paused", ["x1"]),
        ("completeallfail", ["empty"]),
        ("invalid.bad", ["f1"]),
        ("such  NO", ["f1"]),
        ("hd processing", ["f1", "x1", "o1", "d1"]),
        ("t4 t5", []),
        ("", ["f1", "empty", "x1", "o1", "n1", "d2", "d1"]),
    ]:
        assert ids(listing(ALL, Query.of({"q": q}))) == found


@pytest.mark.parametrize(
    ("q", "found"),
    [
        pytest.param("hd", ["x1"], id="HD is not FHD"),
        pytest.param("h", ["x1", "u1"], id="no whole word"),
        pytest.param("hd x", ["x1"], id="one whole word of two"),
        pytest.param("fhd submitted", ["u1"], id="two whole words"),
    ],
)
def test_whole_words_come_before_parts_of_words(q: str, found: list[str]) -> None:
    some = snapshot(a=PAUSED, b=FULL)
    assert ids(listing(some, Query.of({"q": q}))) == found


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"status": "failed"}, ["f1", "empty"]),
        ({"status": "transcoding"}, ["o1"]),
        ({"status": "unknown"}, ["x1"]),
        ({"account": "prod", "status": "done", "q": "ld"}, ["d2"]),
        ({"account": "other"}, []),
        ({"account": "nowhere"}, []),
    ],
)
def test_status_and_account_filter_the_rows(parameters: dict[str, str], found: list[str]) -> None:
    shown = listing(ALL, Query.of(parameters))
    assert (ids(shown), shown.found, shown.known) == (found, len(found), 7)


def test_pages_are_bounded_and_list_every_job_once() -> None:
    jobs = tuple(ShownJob(Job(f"j{number}", "HD", "Transcoding"), f"t{number // 3}", "") for number in range(1007))
    many = Snapshot((AccountSnapshot("prod", "", "", view=LedgerView(jobs=jobs)),))
    pages = [listing(many, Query(page=page)) for page in range(1, 22)]
    assert {shown.pages for shown in pages} == {21}
    assert all(len(ids(shown)) <= PAGE_SIZE for shown in pages)
    assert [(pages[0].first, pages[0].last), (pages[-1].first, pages[-1].last)] == [(1, 50), (1001, 1007)]
    seen = [job_id for shown in pages for job_id in ids(shown)]
    assert (len(seen), set(seen)) == (1007, {f"j{number}" for number in range(1007)})
    assert pages[9].near == [1, 8, 9, 10, 11, 12, 21]


def test_invalid_parameters_count_as_absent() -> None:
    for parameters, query in [
        ({}, Query()),
        ({"q": "a" * 9999}, Query(q="a" * SEARCH_LIMIT)),
        ({"q": " a\tb\u202e\n"}, Query(q="a b\ufffd")),
        ({"status": "TranscodeFail\n"}, Query(unknown_status="TranscodeFail")),
        ({"page": "3"}, Query(page=3)),
        *(({"page": page}, Query()) for page in ("0", "-1", "1e9", "٣", "9" * 10, "9" * 5000, "")),
        ({"refresh": "0"}, Query(refresh=0)),
        ({"refresh": "1"}, Query()),
    ]:
        assert Query.of(parameters) == query


def test_a_page_number_that_is_too_high_shows_the_last_page() -> None:
    assert listing(ALL, Query(page=999999999)).page == 1
    assert listing(Snapshot(), Query(page=7)).groups == ()


def test_links_keep_the_query_and_lead_to_the_first_page() -> None:
    query = Query.of({"q": "a&b <c>", "account": "ü", "status": "failed", "page": "4", "refresh": "0"})
    assert query.link() == "./?q=a%26b+%3Cc%3E&account=%C3%BC&status=failed&refresh=0"
    assert query.link(page=5, q="").endswith("?account=%C3%BC&status=failed&page=5&refresh=0")
    assert Query().link() == "./"


def test_the_documentation_has_every_parameter_and_its_values() -> None:
    text = (Path(__file__).parents[2] / "docs" / "status-page.md").read_text()
    table = text.partition("| parameter | meaning |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
    assert list(rows) == [field.name for field in fields(Query) if field.name != "unknown_status"]
    assert re.findall(r"`(\w+)`", rows["status"]) == list(State)
    assert f"every {REFRESH_SECONDS} seconds" in rows["refresh"]
    assert f"A page has up to {PAGE_SIZE} rows." in text


def test_a_long_list_pauses_before_it_begins_and_again_and_again() -> None:
    """So the page gives way to scrapes, also with a hundred thousand jobs."""
    pauses: list[None] = []
    items = list(paused(range(5000), lambda: pauses.append(None)))
    assert items == list(range(5000))
    assert len(pauses) == 10
    many = snapshot(**{f"t{number}": Job(f"j{number}", "HD") for number in range(1200)})
    listing(many, Query(), lambda: pauses.append(None))
    assert len(pauses) >= 10 + 4 * 3
