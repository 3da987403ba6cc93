"""One account's refresh: what it asks, what it makes of failures, and that nothing kills it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import pytest

from exporter.errors import (
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
)
from exporter.keys import Key
from exporter.model import Job, Task
from exporter.scrape.account import Account
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.tracking.ledger import Ledger
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer
from tests.conftest import make_account
from tests.scrape.conftest import Counted, FakeVod, Made, done, running, until

KEY = Key("simulator")
DENIED = CredentialsError("grant vod:ListTranscodeTask", code="Forbidden.RAM")
DOWN = ConnectionFailed("no connection", code="connect")
GONE = NotFoundError("gone", code="NoSuchResource")
REFUSED = RequestRejected("JobIds is not known", code="MissingParameter")


def test_new_tasks_are_asked_whole_then_their_unfinished_jobs_by_id_and_finished_tasks_never_again() -> None:
    made = Made(FakeVod(running("t", "a", "b"), done("u")))

    assert made.refresh() == ["task t", "task u"]
    assert made.refresh() == ["jobs a,b"]
    made.vod.tasks["t"] = Task(
        "t", "v", "CompleteAllSucc", jobs=tuple(Job(one, "HD", "TranscodeSuccess") for one in "ab")
    )
    assert made.refresh() == ["jobs a,b", "task t"]
    assert made.refresh() == []
    assert made.up is True


def test_what_a_video_lists_is_asked_about_in_the_same_refresh() -> None:
    vod = FakeVod()
    made = Made(vod, videos=["v"])
    vod.tasks["t"] = running("t", "a")
    vod.videos["v"] = [running("t")]

    assert made.refresh() == ["task t", "video v"]
    assert made.refresh() == ["jobs a"]  # the list is fresh


def test_an_unfinished_task_that_its_video_no_longer_lists_is_followed_to_its_end() -> None:
    vod = FakeVod()
    made = Made(vod, videos=["v"])
    vod.tasks["t"], vod.videos["v"] = running("t", "a"), [running("t")]
    made.refresh()
    vod.videos["v"] = [GONE]
    for _ in range(3):
        made.now += 60
        asked = made.refresh()

    assert asked == ["jobs a", "video v"]


def test_job_ids_refused_falls_back_to_one_call_per_task_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
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


def test_a_task_not_found_twice_is_dropped_and_counted_once_is_not() -> None:
    made = Made(FakeVod(running("t"), running("u", "a")))
    made.vod.tasks["t"] = GONE

    assert "task t" in made.refresh()
    assert made.counted.reasons == []
    assert "task t" in made.refresh()
    assert made.counted.reasons == ["not_found"]
    assert made.refresh() == ["jobs a"]
    assert made.up is True


def test_a_video_not_found_is_said_once_when_confirmed(caplog: pytest.LogCaptureFixture) -> None:
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
def test_credentials_errors_drop_nothing(code: str) -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    vod.tasks["t"] = vod.jobs = CredentialsError("denied", code=code)
    for _ in range(3):
        assert made.refresh() == ["jobs a"]

    assert made.up is False
    assert made.job_statuses == {"a": "Transcoding"}


def test_a_bug_that_one_reply_brings_out_costs_that_call_alone(caplog: pytest.LogCaptureFixture) -> None:
    made = Made(FakeVod(running("t", "a"), running("u", "b"), running("v", "c")))
    made.vod.tasks["u"] = ZeroDivisionError("oh")

    assert made.refresh() == ["task t", "task u", "task v"]
    assert set(made.job_statuses) == {"a", "c"}
    assert made.up is True
    assert made.account.snapshot().last_error == "bug: ZeroDivisionError"
    assert [one.message for one in caplog.records] == ["bug in a refresh"]


def test_a_bug_in_planning_is_a_failure_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(FakeVod(running("t")))
    monkeypatch.setattr(made.ledger, "work", lambda: 1 / 0)

    assert made.refresh() == []
    assert made.up is False
    assert [one.message for one in caplog.records] == ["bug in a refresh", "account down"]


def test_an_account_that_fails_is_not_asked_for_everything() -> None:
    """With a service that is away, each call would cost the whole budget of time."""
    vod = FakeVod(*(running(f"t{n}") for n in range(100)))
    vod.tasks = dict.fromkeys(vod.tasks, DOWN)
    made = Made(vod, concurrency=4)

    assert 4 <= len(made.refresh()) <= 8
    assert made.up is False


def test_some_calls_that_fail_do_not_make_the_account_down(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does the log say so in between: a refresh is judged when it is over."""
    made = Made(FakeVod(running("t"), running("u", "a")), concurrency=1)
    made.vod.tasks["t"] = MalformedResponse("html", code="html")
    made.refresh()

    assert made.up is True
    assert caplog.records == []


def test_a_refresh_that_is_begun_again_goes_on_where_it_was_and_asks_nothing_twice(release: threading.Event) -> None:
    """The plan is new, the calls under way are not."""
    vod = FakeVod(*(running(f"t{n}") for n in range(12)))
    made = Made(vod, concurrency=3)
    vod.before = lambda _: release.wait(30)
    first = made.account.refresh()
    until(lambda: len(vod.asked) == 3)
    second = made.account.refresh()
    release.set()

    second.result(20)
    assert first.done()
    assert made.vod.take() == sorted(f"task t{n}" for n in range(12))


def test_calls_that_hang_from_earlier_refreshes_count_among_those_at_a_time(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=3)
    vod.before = lambda _: release.wait(30)
    for _ in range(4):
        made.account.refresh()
        until(lambda: len(vod.asked) == 3)

    assert len(made.account._refresh._running) <= 3 + 1
    assert len(vod.asked) == 3


def test_what_waits_for_long_without_an_answer_is_down_when_a_scrape_is_answered(release: threading.Event) -> None:
    made = Made(FakeVod(running("t")))
    began = time.monotonic()
    made.vod.before = lambda _: release.wait(30)
    made.account.refresh()
    until(lambda: made.vod.asked)
    made.account.late(began)
    unknown = made.up  # as long as nothing was sent, nothing is known
    made.vod.waiting_since = began
    made.account.late(began)

    assert (unknown, made.up) == (None, False)
    assert "deadline" in made.account.snapshot().last_error


def test_what_was_sent_just_now_does_not_make_the_account_down(release: threading.Event) -> None:
    made = Made(FakeVod(running("t")))
    made.vod.before = lambda _: release.wait(30)
    made.account.refresh()
    now = time.monotonic()
    made.vod.waiting_since = now
    made.account.late(now - 9)

    assert made.up is None


def test_an_account_is_judged_by_what_was_answered_so_far_when_a_scrape_does_not_wait_for_the_end(
    release: threading.Event,
) -> None:
    vod = FakeVod(running("t", "a"), running("u"))
    made = Made(vod, concurrency=2)
    vod.before = lambda what: release.wait(30) if what == "task u" else None
    vod.tasks["t"] = DOWN
    made.account.refresh()
    until(lambda: made.account.snapshot().last_error)
    before = made.up
    made.account.late(time.monotonic())

    assert (before, made.up) == (None, False)


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


def test_job_ids_that_were_refused_are_tried_again_after_an_hour() -> None:
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


def test_nothing_is_asked_after_the_refresh_is_done_and_nothing_after_the_account_is_closed() -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    made.account.register(["u"])
    vod.tasks["u"] = running("u")
    made.account.event(job_id="a", video_id="", processing=None)
    time.sleep(0.2)
    quiet = vod.take()
    made.account.close()

    assert quiet == []
    made.account.refresh().result(20)
    assert vod.take() == []


def test_where_no_thread_can_be_had_a_refresh_is_over_at_once_and_the_next_one_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    made = Made(FakeVod(running("t")))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        nothing = made.refresh()

    assert (nothing, made.refresh()) == ([], ["task t"])


def test_a_refresh_ends_with_the_account(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=2)
    vod.before = lambda _: release.wait(0.1)
    made.account.refresh()
    until(lambda: vod.asked)
    made.account.close()
    asked = len(vod.asked)
    time.sleep(0.3)

    assert len(vod.asked) == asked < 10
    assert made.account._refresh._workers == 0


# What follows is about the wire: the real client against the simulated service.


@pytest.fixture
def simulator(simulators: Callable[..., Simulator]) -> Simulator:
    made = simulators(history=3600.0, quota=math.inf)
    made.clock.freeze()
    return made


@pytest.fixture
def account(simulator: Simulator) -> Iterator[Account]:
    made, _ = over(simulator, simulator.world.tasks[-20:])
    yield made
    made.close()


def over(simulator: Simulator, tasks: Sequence[object], *, timeout: float = 20.0) -> tuple[Account, Ledger]:
    ledger = Ledger()
    ledger.name("tasks", [cast(Task, task).id for task in tasks], source="tasks")
    keys = ConfiguredKeys(access_key_id=KEY, access_key_secret=KEY)

    def connect(limiter: Limiter, observer: Observer) -> Client:
        return Client(
            endpoint=simulator.url,
            credentials=keys,
            limiter=limiter,
            observer=observer,
            timeout=timeout,
            connections=8,
        )

    account = make_account(connect, ledger, Counted())
    return account, ledger


def calls(simulator: Simulator) -> int:
    return simulator.quota.calls.get("GetTranscodeTask", 0)


def refresh(account: Account) -> None:
    account.refresh().result(20)


def test_an_answer_about_another_task_is_a_failure_and_changes_nothing(simulator: Simulator, account: Account) -> None:
    refresh(account)
    before = account.snapshot().view
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeTaskId": "other", "TranscodeJobInfoList": []}))
    refresh(account)
    refresh(account)
    after = account.snapshot()

    assert "another task" in after.last_error
    assert {(one.job.id, one.job.status) for one in after.view.jobs} == {
        (one.job.id, one.job.status) for one in before.jobs
    }
    assert after.view.task_counts == before.task_counts


@pytest.mark.parametrize("code", ["InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "Forbidden.RAM"])
def test_a_404_with_a_credentials_code_drops_nothing(simulator: Simulator, account: Account, code: str) -> None:
    refresh(account)
    before = account.snapshot().view.tracked_tasks
    simulator.faults.add(Fault(kind="code", code=code, status=404))
    for _ in range(3):
        refresh(account)

    assert account.snapshot().view.tracked_tasks == before == {"tasks": 20}
    assert account.snapshot().up is False


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="code", code="Throttling.User", status=400),
        Fault(kind="status", status=429, retry_after=0),
        Fault(kind="status", status=503, retry_after=0),
        Fault(kind="close"),
        Fault(kind="reset"),
        Fault(kind="html"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_service_that_fails_every_call_is_down_costs_few_calls_and_loses_nothing(
    simulator: Simulator, account: Account, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.vod.client._BACKOFF_SECONDS", 0.02)
    simulator.faults.add(fault)
    refresh(account)
    down, spent = account.snapshot(), calls(simulator)
    simulator.faults.clear()
    refresh(account)

    assert down.up is False
    assert down.last_error
    assert spent <= 16 * 4  # eight at a time, four attempts each, and no more rounds than it takes to see it
    assert account.snapshot().up is True
    assert sum(account.snapshot().view.task_counts.values()) == 20


def test_jobs_that_come_without_their_ids_cost_nothing_but_those(simulator: Simulator, account: Account) -> None:
    refresh(account)
    simulator.faults.add(Fault(kind="drop-job-ids"))
    for _ in range(3):
        refresh(account)
    simulator.faults.clear()
    simulator.clock.resume()
    refresh(account)
    snapshot = account.snapshot()

    assert snapshot.up is True
    assert sum(snapshot.view.task_counts.values()) == 20
    true = {job.id for task in simulator.world.tasks[-20:] for job in task.jobs}
    assert {one.job.id for one in snapshot.view.jobs} <= true


def test_an_odd_refusal_of_job_ids_is_a_failure_and_no_reason_to_ask_task_by_task() -> None:
    vod = FakeVod(running("t", "a"))
    made = Made(vod)
    made.refresh()
    vod.jobs = RequestRejected("busy", code="OperationConflict")
    failed = made.refresh()
    vod.jobs = None

    assert failed == ["jobs a"]
    assert made.refresh() == ["jobs a"]


def test_an_operation_that_fails_whenever_asked_makes_the_account_down_though_others_are_answered() -> None:
    """Lists that are answered would hide that no task can be read."""
    vod = FakeVod(running("t", "a"))
    vod.tasks["t"] = MalformedResponse("HTML", code="html")
    vod.videos = {"v": [Task("u", "v", "CompleteAllFail", created=1_700_000_000.0)]}
    vod.tasks["u"] = MalformedResponse("HTML", code="html")
    made = Made(vod, videos=["v"])
    made.refresh()

    assert made.up is False


def test_the_tasks_of_a_video_that_is_no_longer_named_are_named_no_longer() -> None:
    vod = FakeVod(done("t"))
    vod.videos = {"v": [Task("t", "v", "CompleteAllFail", created=1_700_000_000.0)]}
    made = Made(vod, videos=["v"])
    made.ledger.name("tasks", (), source="tasks")
    made.refresh()
    made.videos.name("configuration", (), source="videos")
    made.refresh()
    made.now += 86_400.0

    assert made.ledger.view().tasks == ()


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
