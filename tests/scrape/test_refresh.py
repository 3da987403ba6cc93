"""The refreshes of one account: no call is made twice, and no failure ends the account."""

from __future__ import annotations

import threading
import time

import pytest

from exporter.errors import (
    MalformedResponse,
)
from exporter.model import EndedJob, Job, Task
from tests.conftest import snapshot_of, wait_until
from tests.scrape.conftest import FakeVod, Made, done, running


def test_new_tasks_are_asked_whole_then_their_jobs_by_id_and_finished_tasks_never() -> None:
    made = Made(FakeVod(running("t", "a", "b"), done("u")))

    assert made.refresh() == ["task t", "task u"]
    assert made.refresh() == ["jobs a,b"]
    made.vod.tasks["t"] = Task(
        "t", "v", "CompleteAllSucc", jobs=tuple(Job(one, "HD", "TranscodeSuccess") for one in "ab")
    )
    assert made.refresh() == ["jobs a,b", "task t"]
    assert made.refresh() == []
    assert made.up is True


def test_tasks_that_a_list_brings_are_asked_about_in_the_same_refresh() -> None:
    vod = FakeVod()
    made = Made(vod, videos=["v"])
    vod.tasks["t"] = running("t", "a")
    vod.videos["v"] = [running("t")]

    assert made.refresh() == ["task t", "video v"]
    assert made.refresh() == ["jobs a"]  # the list is fresh


def test_a_bug_that_one_answer_triggers_costs_only_that_call(caplog: pytest.LogCaptureFixture) -> None:
    made = Made(FakeVod(running("t", "a"), running("u", "b"), running("v", "c")))
    made.vod.tasks["u"] = ZeroDivisionError("oh")

    assert made.refresh() == ["task t", "task u", "task v"]
    assert set(made.job_statuses) == {"a", "c"}
    assert made.up is True
    assert snapshot_of(made.account).last_error == "bug: ZeroDivisionError"
    assert [one.message for one in caplog.records] == ["bug in a refresh"]


def test_a_bug_in_planning_is_a_failure_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(FakeVod(running("t")))
    monkeypatch.setattr(made.ledger, "work", lambda: 1 / 0)

    assert made.refresh() == []
    assert made.up is False
    assert [one.message for one in caplog.records] == ["bug in a refresh", "account down"]


def test_a_bug_at_the_start_of_a_refresh_ends_it_and_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(FakeVod(running("t")))
    monkeypatch.setattr(made.account._refresh._agenda, "restart", lambda: 1 / 0)

    made.refresh()
    assert "bug: ZeroDivisionError" in snapshot_of(made.account).last_error
    assert caplog.messages[0] == "bug in a refresh"


def test_a_bug_that_ends_a_worker_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    made = Made(FakeVod(running("t")))
    monkeypatch.setattr(made.account._refresh._agenda, "ended", lambda *_: 1 / 0)
    made.account.refresh()
    wait_until(lambda: caplog.messages)

    assert caplog.messages == ["bug in a refresh"]


def test_some_calls_that_fail_do_not_make_the_account_down(caplog: pytest.LogCaptureFixture) -> None:
    """The log does not report it either: a refresh is judged at its end."""
    made = Made(FakeVod(running("t"), running("u", "a")), concurrency=1)
    made.vod.tasks["t"] = MalformedResponse("html", code="html")
    made.refresh()

    assert made.up is True
    assert caplog.records == []


def test_a_refresh_that_replaces_another_makes_no_call_twice(release: threading.Event) -> None:
    """The plan is new, and the calls under way stay."""
    vod = FakeVod(*(running(f"t{n}") for n in range(12)))
    made = Made(vod, concurrency=3)
    vod.before = lambda _: release.wait(30)
    first = made.account.refresh()
    wait_until(lambda: len(vod.asked) == 3)
    second = made.account.refresh()
    release.set()

    second.result(20)
    assert first.done()
    assert made.vod.take() == sorted(f"task t{n}" for n in range(12))


def test_hanging_calls_of_earlier_refreshes_count_towards_the_concurrency(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=3)
    vod.before = lambda _: release.wait(30)
    for _ in range(4):
        made.account.refresh()
        wait_until(lambda: len(vod.asked) == 3)

    assert len(made.account._refresh._running) <= 3 + 1
    assert len(vod.asked) == 3


def test_nothing_is_asked_between_refreshes_and_after_the_account_is_closed() -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    made.account.register(["u"])
    vod.tasks["u"] = running("u")
    made.account.event("", EndedJob("a"))
    time.sleep(0.2)
    quiet = vod.take()
    made.account.close()

    assert quiet == []
    made.account.refresh().result(20)
    assert vod.take() == []


def test_a_refresh_that_gets_no_thread_ends_at_once_and_the_next_one_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made = Made(FakeVod(running("t")))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        nothing = made.refresh()

    assert (nothing, made.refresh()) == ([], ["task t"])


@pytest.mark.slow
def test_a_refresh_ends_with_the_account(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=2)
    vod.before = lambda _: release.wait(60)
    made.account.refresh()
    wait_until(lambda: len(vod.asked) == 2)
    made.account.close()
    release.set()
    wait_until(lambda: made.account._refresh._workers == 0)

    assert len(vod.asked) == 2


def test_an_operation_that_always_fails_makes_the_account_down() -> None:
    """Otherwise lists that are answered would hide that no task can be read."""
    vod = FakeVod(running("t", "a"))
    vod.tasks["t"] = MalformedResponse("HTML", code="html")
    vod.videos = {"v": [Task("u", "v", "CompleteAllFail", created=1_700_000_000.0)]}
    vod.tasks["u"] = MalformedResponse("HTML", code="html")
    made = Made(vod, videos=["v"])
    made.refresh()

    assert made.up is False
