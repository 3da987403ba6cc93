"""One account's refresh: what it asks, what it makes of failures, and that nothing kills it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    BudgetSpent,
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
)
from exporter.model import Job, Task
from exporter.scrape.refresh import Account
from exporter.secret import SecretText
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Videos
from exporter.vod.client import Client
from exporter.vod.credentials import StaticKeys
from exporter.vod.limiter import Limiter
from exporter.vod.payloads import JobsReply, TaskListReply

KEY = SecretText("simulator")
DENIED = CredentialsError("grant vod:ListTranscodeTask", code="Forbidden.RAM")
DOWN = ConnectionFailed("no connection", code="connect")
GONE = NotFoundError("gone", code="NoSuchResource")
REFUSED = RequestRejected("JobIds is not known", code="MissingParameter")
SPENT = BudgetSpent("no call left", code="budget")


def running(task_id: str, *job_ids: str) -> Task:
    return Task(task_id, "video", "Processing", jobs=tuple(Job(one, "HD", "Transcoding", 0.5) for one in job_ids))


def done(task_id: str) -> Task:
    return Task(task_id, "video", "CompleteAllFail")


class FakeVod:
    """Answers from what it was given, an exception by raising it, and notes what it was asked."""

    def __init__(self, *tasks: Task) -> None:
        self.tasks: dict[str, Task | Exception] = {task.id: task for task in tasks}
        self.jobs: Exception | None = None
        self.videos: dict[str, Sequence[Task | Exception]] = {}
        self.before: Callable[[str], object] = lambda _: None
        self.asked: list[str] = []

    def get_task(self, task_id: str, deadline: Deadline) -> tuple[Task, tuple[str, ...]]:  # noqa: ARG002 - as the client's
        self._ask(f"task {task_id}")
        return _or_raise(self.tasks[task_id]), ()

    def get_jobs(self, job_ids: Sequence[str], deadline: Deadline) -> JobsReply:  # noqa: ARG002 - as the client's
        self._ask(f"jobs {','.join(job_ids)}")
        if self.jobs is not None:
            raise self.jobs
        known = [job for task in self.tasks.values() if isinstance(task, Task) for job in task.jobs]
        return JobsReply(tuple(job for job in known if job.id in job_ids))

    def list_tasks(self, video_id: str, deadline: Deadline) -> Iterator[TaskListReply]:  # noqa: ARG002 - as the client's
        for page in self.videos[video_id]:
            self._ask(f"video {video_id}")
            yield TaskListReply((_or_raise(page),))

    def take(self) -> list[str]:
        """What was asked since the last time, in alphabetical order."""
        asked, self.asked = sorted(self.asked), []
        return asked

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        self.before(what)


def _or_raise(answer: Task | Exception) -> Task:
    if isinstance(answer, Exception):
        raise answer
    return answer


class Counted:
    """Counts what is malformed or dropped."""

    def __init__(self) -> None:
        self.fields: list[str] = []
        self.reasons: list[str] = []

    def malformed(self, fields: Iterable[str]) -> None:
        self.fields += fields

    def dropped(self, reason: str) -> None:
        self.reasons.append(reason)


class Made:
    """An account over a fake service that tracks all tasks of it."""

    def __init__(self, vod: FakeVod, *, videos: Sequence[str] = (), concurrency: int = 4) -> None:
        self.vod = vod
        self.now = 1_700_000_000.0
        self.counted = Counted()
        self.ledger = Ledger(clock=lambda: self.now, dropped=self.counted.dropped)
        self.ledger.name("tasks", vod.tasks, source="tasks")
        self.videos = Videos(clock=lambda: self.now)
        self.videos.name("configuration", videos, source="videos")
        self.account = Account(
            name="prod",
            region="cn-shanghai",
            endpoint="http://vod",
            client=cast(Client, vod),
            ledger=self.ledger,
            videos=self.videos,
            recorder=self.counted,
            concurrency=concurrency,
        )

    def refresh(self, seconds: float = 20.0) -> list[str]:
        """What was asked in a refresh."""
        self.account.refresh(Deadline.after(seconds))
        return self.vod.take()

    @property
    def up(self) -> bool | None:
        return self.account.snapshot().up

    @property
    def job_statuses(self) -> dict[str, str]:
        return {one.job.id: one.job.status for one in self.ledger.view().jobs}


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


def test_a_spent_budget_is_no_failure_and_the_rest_comes_first_the_next_time() -> None:
    vod = FakeVod(*(done(f"t{n}") for n in range(5)))
    made = Made(vod, concurrency=1)
    vod.tasks = dict.fromkeys(vod.tasks, SPENT)
    made.refresh()
    untouched = made.up
    vod.tasks = {task_id: done(task_id) for task_id in vod.tasks}

    assert untouched is None
    assert made.refresh() == [f"task t{n}" for n in range(5)]


def test_a_video_whose_pages_outlast_the_budget_lets_the_others_have_their_turn() -> None:
    vod = FakeVod()
    vod.videos = {"long": [done("t"), SPENT], "short": [SPENT]}
    made = Made(vod, videos=["long", "short"], concurrency=1)
    made.refresh()

    assert made.account._videos.due() == ("short", "long")


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "refresh prod":
            thread.join(10)


def test_a_call_that_cannot_be_interrupted_does_not_hold_the_answer(release: threading.Event) -> None:
    """The look-up of a name is one: no timeout of ours ends it."""
    made = Made(FakeVod(running("t")))
    made.vod.before = lambda _: release.wait(30)
    started = time.monotonic()
    made.account.refresh(Deadline(started + 0.5))

    assert time.monotonic() - started < 2
    assert made.up is False
    assert "deadline" in made.account.snapshot().last_error


def test_calls_that_hang_from_earlier_refreshes_count_among_those_at_a_time(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}") for n in range(50)))
    made = Made(vod, concurrency=3)
    vod.before = lambda _: release.wait(30)
    for _ in range(4):
        made.account.refresh(Deadline.after(0.2))

    assert len(vod.asked) == 3
    assert sum(thread.name == "refresh prod" for thread in threading.enumerate()) <= 3
    assert made.up is False


def test_calls_that_hang_neither_stop_the_next_refresh_nor_count_against_it(release: threading.Event) -> None:
    vod = FakeVod(*(running(f"t{n}", f"j{n}") for n in range(6)))
    made = Made(vod, concurrency=3)
    hanging = {"task t0", "task t1"}

    def fail_late(what: str) -> None:
        if what in hanging:
            hanging.discard(what)
            release.wait(30)
            raise DENIED

    vod.before = fail_late
    made.account.refresh(Deadline.after(0.5))
    first = made.up
    # Their failures arrive while the next refresh is at its second call.
    vod.before = lambda _: release.set()
    made.refresh()

    assert first is True
    assert made.up is True
    assert set(made.job_statuses) == {f"j{n}" for n in range(6)}


def test_a_hanging_call_does_not_make_the_next_refresh_wait(release: threading.Event) -> None:
    vod = FakeVod(running("t"), running("u", "a"))
    made = Made(vod, concurrency=2)
    vod.before = lambda what: release.wait(30) if what == "task t" and not release.is_set() else None
    made.account.refresh(Deadline.after(0.3))
    vod.before = lambda _: None
    started = time.monotonic()
    made.refresh(20)

    assert time.monotonic() - started < 5
    assert made.up is True


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


def over(simulator: Simulator, tasks: Sequence[object]) -> tuple[Account, Ledger]:
    ledger = Ledger()
    ledger.name("tasks", [cast(Task, task).id for task in tasks], source="tasks")
    client = Client(
        endpoint=simulator.url,
        credentials=StaticKeys(access_key_id=KEY, access_key_secret=KEY),
        limiter=Limiter(1000.0),
    )
    account = Account(
        name="prod",
        region="",
        endpoint=simulator.url,
        client=client,
        ledger=ledger,
        videos=Videos(),
        recorder=Counted(),
    )
    return account, ledger


def calls(simulator: Simulator) -> int:
    return simulator.quota.calls.get("GetTranscodeTask", 0)


def refresh(account: Account, seconds: float = 20.0) -> None:
    account.refresh(Deadline.after(seconds))


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
    simulator: Simulator, account: Account, fault: Fault
) -> None:
    simulator.faults.add(fault)
    refresh(account, 1.5)
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


def test_lists_that_wait_for_their_budget_do_not_keep_the_other_operation_from_its_own() -> None:
    """Eight long lists and four threads: tasks are asked about all the same."""
    vod = FakeVod(*(running(f"t{number}", f"j{number}") for number in range(6)))
    vod.videos = {f"v{number}": [Task(f"t{number}", f"v{number}", "Processing")] for number in range(8)}
    release = threading.Event()

    def wait(what: str) -> None:
        if what.startswith("video"):
            release.wait(10)

    vod.before = wait
    made = Made(vod, videos=list(vod.videos))
    thread = threading.Thread(target=made.account.refresh, args=(Deadline.after(5),))
    thread.start()
    until = time.monotonic() + 4
    while time.monotonic() < until and sum(what.startswith("task") for what in list(vod.asked)) < 6:
        time.sleep(0.02)
    asked = [what for what in list(vod.asked) if what.startswith("task")]
    release.set()
    thread.join()

    assert len(asked) == 6
