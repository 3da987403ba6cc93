"""The agenda: which call comes next, and when a refresh has nothing left to ask."""

from __future__ import annotations

import threading

from exporter.model import Task
from tests.scrape.conftest import DENIED, DOWN, FakeVod, Made, running, until


def test_a_denied_action_is_skipped_for_the_rest_of_the_refresh_and_tried_in_the_next() -> None:
    vod = FakeVod(running("t", "a"))
    vod.videos = {f"v{n}": [DENIED] for n in range(30)}
    made = Made(vod, videos=list(vod.videos), concurrency=1)

    for _ in range(2):
        asked = made.refresh()
        assert sum(one.startswith("video") for one in asked) == 1
        assert len(asked) == 2
        assert made.up is False  # an operator must act, though the other action is answered
    assert made.job_statuses == {"a": "Transcoding"}
    assert "grant vod:ListTranscodeTask" in made.account.snapshot().last_error


def test_an_account_that_fails_is_not_asked_for_everything() -> None:
    """With a service that is away, each call would cost the whole budget of time."""
    vod = FakeVod(*(running(f"t{n}") for n in range(100)))
    vod.tasks = dict.fromkeys(vod.tasks, DOWN)
    made = Made(vod, concurrency=4)

    assert 4 <= len(made.refresh()) <= 8
    assert made.up is False


def test_a_call_that_hangs_keeps_the_others_from_nothing(release: threading.Event) -> None:
    vod = FakeVod(running("t"), *(running(f"u{n}", f"j{n}") for n in range(6)))
    made = Made(vod, concurrency=2)
    vod.before = lambda what: release.wait(30) if what == "task t" else None
    made.account.refresh()
    until(lambda: len(made.job_statuses) == 6)
    vod.take()
    made.account.refresh()
    until(lambda: vod.asked)

    assert vod.take() == ["jobs j0,j1,j2,j3,j4,j5"]


def test_a_new_task_does_not_wait_for_the_lists_that_are_under_way(release: threading.Event) -> None:
    vod = FakeVod()
    made = Made(vod, videos=["slow", "quick"])
    vod.tasks["t"] = running("t", "a")
    vod.videos = {"quick": [running("t")], "slow": []}
    vod.before = lambda what: release.wait(30) if what == "video slow" else None
    vod.videos["slow"] = [running("t")]
    made.account.refresh()
    until(lambda: made.job_statuses)

    assert made.job_statuses == {"a": "Transcoding"}


def test_what_an_event_tells_of_while_a_refresh_is_under_way_is_asked_about_next() -> None:
    vod = FakeVod(*(running(f"t{n}", *(f"{n}-{k}" for k in range(10))) for n in range(6)))
    made = Made(vod, concurrency=1)
    made.refresh()

    def tell(what: str) -> None:
        if what.startswith("jobs 0-0"):
            made.account.event(job_id="5-9", video_id="", processing=None)

    vod.before = tell
    made.account.refresh().result(20)

    assert vod.asked[1] == "jobs 5-9"
    asked = [job_id for what in vod.asked for job_id in what.removeprefix("jobs ").split(",")]
    assert len(asked) == len(set(asked)) == 60


def test_what_is_still_to_be_asked_is_told(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=4)
    vod.before = lambda _: release.wait(30)
    done = made.account.refresh()
    until(lambda: len(vod.asked) == 4)
    pending = made.account.snapshot().pending_calls
    release.set()

    assert pending == 46
    done.result(20)
    assert made.account.snapshot().pending_calls == 0


def test_lists_that_wait_for_their_budget_do_not_keep_the_other_operation_from_its_own(
    release: threading.Event,
) -> None:
    """Eight long lists and four threads: tasks are asked about all the same."""
    vod = FakeVod(*(running(f"t{number}", f"j{number}") for number in range(6)))
    vod.videos = {f"v{number}": [Task(f"t{number}", f"v{number}", "Processing")] for number in range(8)}
    vod.before = lambda what: release.wait(10) if what.startswith("video") else None
    made = Made(vod, videos=list(vod.videos))
    made.account.refresh()

    until(lambda: sum(what.startswith("task") for what in list(vod.asked)) == 6)
