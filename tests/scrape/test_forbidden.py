"""Ids that may not be read, and operations that may not be called."""

from __future__ import annotations

from collections import Counter

import pytest

from exporter.errors import VodError
from exporter.model import Task
from exporter.scrape import forbidden
from exporter.scrape.forbidden import Forbidden
from tests.scrape.conftest import FORBIDDEN, GONE, FakeVod, Made, done, listed, running

GET, LIST = "GetTranscodeTask", "ListTranscodeTask"


def test_an_id_is_forbidden_after_two_refusals_with_an_answer_in_between() -> None:
    ids = Forbidden()
    ids.answered(GET, "other")
    first = ids.refused(GET, "id")
    ids.answered(GET, "other")

    assert (first, ids.refused(GET, "id")) == (False, True)


def test_without_an_answer_in_between_the_operation_is_forbidden() -> None:
    """A permission that is taken away while the exporter runs must not cost any task."""
    ids = Forbidden()
    for number in range(100):
        ids.answered(GET, f"id-{number}")
    refused = [ids.refused(GET, f"id-{number}") for number in range(100) for _ in range(3)]
    ids.answered(LIST, "video")

    assert not any(refused)
    assert not ids.refused(GET, "id-0")


def test_an_answer_about_the_id_itself_ends_its_refusal() -> None:
    ids = Forbidden()
    ids.refused(GET, "id")
    ids.answered(GET, "id")

    assert not ids.refused(GET, "id")


def test_a_batch_is_split_if_the_last_call_of_the_operation_was_answered() -> None:
    ids = Forbidden()
    ids.answered(GET, "task")

    assert [ids.refused_batch(GET, [f"{n}a", f"{n}b"]) for n in range(3)] == [True, False, False]
    ids.answered_batch(GET, ["job"])
    assert ids.refused_batch(GET, ["c"])


def test_a_batch_is_split_if_the_operation_was_answered_since_the_refusal_of_a_job() -> None:
    """With many such batches, only one of them was split for each refresh."""
    ids = Forbidden()
    refused = [ids.refused_batch(GET, [f"{n}a", f"{n}b"]) for n in range(3)]
    ids.answered(GET, "task")

    assert refused == [True, False, False]
    assert [ids.refused_batch(GET, ["new", f"{n}b"]) for n in range(4)] == [True, True, True, False]


def test_an_answered_batch_does_not_split_later_ones() -> None:
    ids = Forbidden()
    ids.refused_batch(GET, ["a"])
    ids.refused_batch(GET, ["b", "c"])
    ids.answered_batch(GET, ["b", "c"])
    ids.refused_batch(GET, ["a"])

    assert not ids.refused_batch(GET, ["b", "c"])


def test_the_witness_is_the_last_id_that_was_answered_and_not_refused_since() -> None:
    ids = Forbidden()
    witnesses = [ids.witness(GET)]
    ids.answered(GET, "a")
    ids.answered(GET, "b")
    ids.answered(LIST, "video")
    ids.refused(GET, "c")
    witnesses.append(ids.witness(GET))
    ids.refused(GET, "b")

    assert (witnesses, ids.witness(GET), ids.witness(LIST)) == ([None, "b"], None, "video")


def test_the_memory_of_refused_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden, "_MAX_IDS", 10)
    ids = Forbidden()
    for number in range(100):
        ids.refused(GET, f"id-{number}")

    assert len(ids._refused) <= 10


# Through a refresh


@pytest.mark.parametrize("named_first", [True, False], ids=["first", "last"])
def test_a_task_that_vod_forbids_is_dropped_while_others_are_answered(
    caplog: pytest.LogCaptureFixture, *, named_first: bool
) -> None:
    """VOD answers so about media of an application that the RAM user may not read."""
    tasks = [running("t", "a"), *(running(f"u{number}", f"b{number}") for number in range(12))]
    made = Made(FakeVod(*(tasks if named_first else reversed(tasks))))
    made.vod.tasks["t"] = FORBIDDEN
    up = []
    for _ in range(3):
        made.refresh()
        up.append(made.up)

    assert up == [True] * 3
    assert made.counted.reasons == ["forbidden"]
    assert not any("task t" in call for call in made.refresh())
    assert [(record.message, vars(record)["task_id"]) for record in caplog.records] == [
        ("task dropped: VOD forbids to read it, and answers about others", "t")
    ]


def test_a_forbidden_job_costs_its_batch_one_call_per_task_and_its_task_is_dropped() -> None:
    made = Made(FakeVod(*(running(f"t{number}", f"a{number}") for number in range(5))))
    made.refresh()
    made.vod.tasks["t0"] = made.vod.jobs = FORBIDDEN
    split = made.refresh()
    made.vod.jobs = None
    made.refresh()

    assert sorted(set(split)) == ["jobs a0,a1,a2,a3,a4", *(f"task t{number}" for number in range(5))]
    assert len(split) <= 1 + 5 + 1  # the last is a task that was answered before
    assert made.counted.reasons == ["forbidden"]
    assert made.up is True


@pytest.mark.parametrize("other", [done("u"), GONE], ids=["ended", "not-found"])
def test_a_task_that_vod_forbids_is_dropped_when_the_others_have_ended(other: Task | VodError) -> None:
    """VOD is asked about one of them again. Without that the account was down until there was another task."""
    made = Made(FakeVod(done("u")))
    made.refresh()
    made.vod.tasks |= {"t": FORBIDDEN, "u": other}
    made.ledger.name("more", ["t"], source="tasks")
    calls, up = [], []
    for _ in range(3):
        calls.append(made.refresh())
        up.append(made.up)

    assert (calls, up) == ([["task t", "task u"], ["task t"], []], [True] * 3)
    assert made.counted.reasons == ["forbidden"]


def test_a_permission_that_is_taken_away_costs_one_call_about_an_ended_task() -> None:
    made = Made(FakeVod(running("t", "a")))
    made.refresh()
    made.vod.tasks["u"] = done("u")
    made.ledger.name("more", ["u"], source="tasks")
    made.refresh()
    made.vod.tasks = dict.fromkeys("tu", FORBIDDEN)
    made.vod.jobs = FORBIDDEN
    calls, up = [], []
    for _ in range(4):
        calls += made.refresh()
        up.append(made.up)

    assert (calls.count("task u"), up) == (1, [False] * 4)
    assert made.counted.reasons == []


def test_a_video_that_vod_forbids_is_not_asked_about_again(caplog: pytest.LogCaptureFixture) -> None:
    """Another video is listed again, because one answer shows that the operation is allowed."""
    made = listed(3)
    made.vod.videos["x"] = [FORBIDDEN]
    made.videos.name("configuration", ["v0", "v1", "v2", "x"], source="videos")
    calls, up = [], []
    for _ in range(4):
        calls.append([call for call in made.refresh() if call.startswith("video")])
        up.append(made.up)
        made.now += 60

    assert [("video x" in made, len(made)) for made in calls] == [(True, 2), (True, 1), (False, 0), (False, 0)]
    assert up == [True] * 4
    assert [vars(record)["video_id"] for record in caplog.records if "dropped" in record.message] == ["x"]
    assert made.counted.reasons == ["forbidden"]  # it was not counted


@pytest.mark.parametrize("concurrency", [1, 8])
def test_an_account_is_up_although_most_ids_that_are_asked_first_are_forbidden(concurrency: int) -> None:
    """With thirty such ids before ten others it was down for three scrapes."""
    tasks = [running(f"t{number:02}", f"a{number:02}") for number in range(40)]
    made = Made(FakeVod(*tasks), concurrency=concurrency)
    made.vod.tasks |= {f"t{number:02}": FORBIDDEN for number in range(30)}
    up = []
    for _ in range(3):
        made.refresh()
        up.append(made.up)

    assert up == [True] * 3
    assert made.counted.reasons == ["forbidden"] * 30
    assert set(made.job_statuses) == {f"a{number}" for number in range(30, 40)}


def test_an_account_is_up_although_most_videos_that_are_asked_first_are_forbidden() -> None:
    vod = FakeVod()
    vod.videos = {f"v{number:02}": [FORBIDDEN if number < 30 else done(f"t{number}")] for number in range(40)}
    vod.tasks = {f"t{number}": done(f"t{number}") for number in range(30, 40)}
    made = Made(vod, videos=sorted(vod.videos), concurrency=8)
    made.ledger.name("tasks", (), source="tasks")
    up = []
    for _ in range(3):
        made.refresh()
        up.append(made.up)
        made.now += 60

    assert up == [True] * 3
    assert made.counted.reasons == ["forbidden"] * 30


def test_an_account_is_up_although_most_batches_of_jobs_have_become_forbidden() -> None:
    made = Made(FakeVod(*(running(f"t{number:03}", f"a{number:03}") for number in range(120))), concurrency=1)
    made.refresh()
    made.vod.forbidden = {f"{kind}{number:03}" for kind in "ta" for number in range(100)}
    up = []
    for _ in range(4):
        made.refresh()
        up.append(made.up)

    assert up == [True] * 4
    assert Counter(made.counted.reasons) == {"forbidden": 100}


def test_where_all_ids_are_forbidden_each_is_asked_about_once_then_a_few_each_time() -> None:
    made = Made(FakeVod(*(running(f"t{number:02}") for number in range(40))), concurrency=1)
    made.vod.tasks = dict.fromkeys(made.vod.tasks, FORBIDDEN)
    calls, up = [], []
    for _ in range(4):
        calls.append(len(made.refresh()))
        up.append(made.up)

    assert (calls, up) == ([40, 4, 4, 4], [False] * 4)
    assert made.counted.reasons == []


def test_ids_that_are_allowed_one_by_one_are_found_in_turn() -> None:
    made = Made(FakeVod(*(running(f"t{number:02}") for number in range(40))), concurrency=1)
    allowed, made.vod.tasks = made.vod.tasks, dict.fromkeys(made.vod.tasks, FORBIDDEN)
    for _ in range(2):
        made.refresh()
    made.vod.tasks["t39"] = allowed["t39"]
    refreshes = 0
    while made.up is False and refreshes < 20:
        made.refresh()
        refreshes += 1

    assert refreshes <= 40 / 4
