"""Calls: the effect of each answer and each error on tasks, jobs and videos."""

from __future__ import annotations

import threading

import pytest

from exporter.errors import (
    CredentialsError,
    RequestRejected,
)
from exporter.model import Task
from tests.scrape.conftest import GONE, REFUSED, FakeVod, Made, done, running


def test_refused_job_ids_cost_one_call_per_task_and_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    vod = FakeVod(*(running(f"t{n}", f"{n}a", f"{n}b") for n in range(20)))
    vod.jobs = REFUSED
    made = Made(vod, concurrency=2)
    made.refresh()
    both = threading.Barrier(2)
    vod.before = lambda what: both.wait(10) if what.startswith("jobs") else None
    refused = made.refresh()
    after = made.refresh()

    tasks = sorted(f"task t{n}" for n in range(20))
    assert [one for one in refused if one.startswith("task")] == tasks  # in the same refresh
    assert sum(one.startswith("jobs") for one in refused) == 2  # those under way at once, of four
    assert after == tasks
    assert [one.message for one in caplog.records if "JobIds" in one.message] == [
        "JobIds refused: one call per task instead of one per ten jobs"
    ]
    assert made.up is True


def test_refused_job_ids_are_tried_again_after_an_hour() -> None:
    vod = FakeVod(running("t", "a", "b"))
    made = Made(vod)
    made.refresh()
    vod.jobs = REFUSED
    refused = made.refresh()
    vod.jobs = None
    made.now += 3599
    before = made.refresh()
    made.now += 2

    assert (refused, before) == (["jobs a,b", "task t"], ["task t"])
    assert made.refresh() == ["jobs a,b"]


def test_another_refusal_of_a_call_by_job_ids_is_only_a_failure() -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    vod.jobs = RequestRejected("busy", code="OperationConflict")
    failed = made.refresh()
    vod.jobs = None

    assert failed == ["jobs a"]
    assert made.refresh() == ["jobs a"]


def test_a_task_is_dropped_after_the_second_answer_that_it_does_not_exist() -> None:
    made = Made(FakeVod(running("t"), running("u", "a")))
    made.vod.tasks["t"] = GONE

    assert "task t" in made.refresh()
    assert made.counted.reasons == []
    assert "task t" in made.refresh()
    assert made.counted.reasons == ["not_found"]
    assert made.refresh() == ["jobs a"]
    assert made.up is True


def test_a_video_that_does_not_exist_is_logged_once_after_the_second_answer(caplog: pytest.LogCaptureFixture) -> None:
    vod = FakeVod()
    vod.videos["v"] = [GONE]
    made = Made(vod, videos=["v"])
    said = []
    for _ in range(4):
        made.refresh()
        made.now += 60
        said.append(len(caplog.records))

    assert said == [0, 1, 1, 1]


@pytest.mark.parametrize("code", ["InvalidAccessKeyId.NotFound", "SignatureDoesNotMatch", "Forbidden.RAM"])
def test_credentials_errors_drop_no_task(code: str) -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    vod.tasks["t"] = vod.jobs = CredentialsError("denied", code=code)
    for _ in range(3):
        assert made.refresh() == ["jobs a"]

    assert made.up is False
    assert made.job_statuses == {"a": "Transcoding"}


def test_an_unfinished_task_that_left_the_list_of_its_video_is_still_asked_about() -> None:
    vod = FakeVod()
    made = Made(vod, videos=["v"])
    vod.tasks["t"], vod.videos["v"] = running("t", "a"), [running("t")]
    made.refresh()
    vod.videos["v"] = [GONE]
    for _ in range(3):
        made.now += 60
        asked = made.refresh()

    assert asked == ["jobs a", "video v"]


def test_finished_tasks_of_a_video_leave_when_nothing_names_the_video() -> None:
    vod = FakeVod(done("t"))
    vod.videos = {"v": [Task("t", "v", "CompleteAllFail", created=1_700_000_000.0)]}
    made = Made(vod, videos=["v"])
    made.ledger.name("tasks", (), source="tasks")
    made.refresh()
    made.videos.name("configuration", (), source="videos")
    made.refresh()
    made.now += 86_400.0

    assert made.ledger.view().tasks == ()


@pytest.mark.parametrize("refused", [None, REFUSED], ids=["by its id", "with its task"])
def test_a_call_about_a_job_takes_its_priority_back(refused: Exception | None) -> None:
    """Before the call: an event that comes during the call may be newer than the answer, and counts again."""
    made = Made(FakeVod(running("t", "a", "b")))
    made.vod.jobs = refused
    for _ in range(2):  # the second one finds out whether VOD refuses JobIds
        made.refresh()
    made.account.event(job_id="a", video_id="", processing=None)
    before = prioritized(made)
    asked = made.refresh()

    assert asked == (["jobs a", "jobs b"] if refused is None else ["task t"])
    assert (before, prioritized(made)) == ((("a", "t"),), ())


def prioritized(made: Made) -> tuple[tuple[str, str], ...]:
    made.ledger.start_refresh()
    return made.ledger.work().prioritized_jobs
