"""Which calls the refreshes of an account make when VOD refuses, hangs or is down, and after events."""

from __future__ import annotations

import threading

import pytest

from exporter.model import ACTIONS, EndedJob, Task
from tests.conftest import snapshot_of, wait_until
from tests.scrape.conftest import DENIED, DOWN, KEYS, FakeVod, Made, running


@pytest.mark.parametrize(("error", "calls"), [(KEYS, [1, 1]), (DENIED, [30, 4])], ids=["keys", "permission"])
def test_a_denied_operation_costs_few_calls_in_a_refresh(error: Exception, calls: list[int]) -> None:
    """A missing permission may concern some ids only, so each is tried once."""
    vod = FakeVod(running("t", "a"))
    vod.videos = {f"v{n}": [error] for n in range(30)}
    made = Made(vod, videos=list(vod.videos), concurrency=1)

    for count in calls:
        asked = made.refresh()
        assert sum(call.startswith("video") for call in asked) == count
        assert len(asked) == count + 1
        assert made.up is False  # an operator must act, though the other action is answered
    assert made.job_statuses == {"a": "Transcoding"}
    assert snapshot_of(made.account).last_error == str(error)


def test_a_service_that_is_down_costs_few_calls() -> None:
    """While the service is down, each call costs its whole timeout."""
    vod = FakeVod(*(running(f"t{n}") for n in range(100)))
    vod.tasks = dict.fromkeys(vod.tasks, DOWN)
    made = Made(vod, concurrency=4)

    assert 4 <= len(made.refresh()) <= 8
    assert made.up is False


def test_a_call_that_hangs_does_not_delay_the_others(release: threading.Event) -> None:
    vod = FakeVod(running("t"), *(running(f"u{n}", f"j{n}") for n in range(6)))
    made = Made(vod, concurrency=2)
    vod.before = lambda what: release.wait(30) if what == "task t" else None
    made.account.refresh()
    wait_until(lambda: len(made.job_statuses) == 6)
    vod.take()
    made.account.refresh()
    wait_until(lambda: vod.asked)

    assert vod.take() == ["jobs j0,j1,j2,j3,j4,j5"]


def test_a_new_task_does_not_wait_for_lists_under_way(release: threading.Event) -> None:
    vod = FakeVod()
    made = Made(vod, videos=["slow", "quick"])
    vod.tasks["t"] = running("t", "a")
    vod.videos = {"quick": [running("t")], "slow": []}
    vod.before = lambda what: release.wait(30) if what == "video slow" else None
    vod.videos["slow"] = [running("t")]
    made.account.refresh()
    wait_until(lambda: made.job_statuses)

    assert made.job_statuses == {"a": "Transcoding"}


def test_a_job_that_an_event_reports_during_a_refresh_is_asked_about_next() -> None:
    vod = FakeVod(*(running(f"t{n}", *(f"{n}-{k}" for k in range(10))) for n in range(6)))
    made = Made(vod, concurrency=1)
    made.refresh()

    def report_end(what: str) -> None:
        if what.startswith("jobs 0-0"):
            made.account.event("", EndedJob("5-9"))

    vod.before = report_end
    made.account.refresh().result(20)

    assert vod.asked[1] == "jobs 5-9"
    asked = [job_id for what in vod.asked for job_id in what.removeprefix("jobs ").split(",")]
    assert len(asked) == len(set(asked)) == 60


def test_a_snapshot_shows_how_many_calls_are_pending(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=4)
    vod.before = lambda _: release.wait(30)
    done = made.account.refresh()
    wait_until(lambda: len(vod.asked) == 4)
    pending = snapshot_of(made.account).pending_calls
    release.set()

    assert pending == dict.fromkeys(ACTIONS, 0) | {"GetTranscodeTask": 46}
    done.result(20)
    assert snapshot_of(made.account).pending_calls == dict.fromkeys(ACTIONS, 0)


def test_lists_that_wait_for_their_budget_do_not_delay_other_operations(
    release: threading.Event,
) -> None:
    """There are eight long lists and four workers, and the tasks are still asked about."""
    vod = FakeVod(*(running(f"t{number}", f"j{number}") for number in range(6)))
    vod.videos = {f"v{number}": [Task(f"t{number}", f"v{number}", "Processing")] for number in range(8)}
    vod.before = lambda what: release.wait(10) if what.startswith("video") else None
    made = Made(vod, videos=list(vod.videos))
    made.account.refresh()

    wait_until(lambda: sum(what.startswith("task") for what in list(vod.asked)) == 6)
