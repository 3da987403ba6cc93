"""Calls: the effect of each answer and each error on tasks, jobs and videos."""

from __future__ import annotations

import threading

import pytest

from exporter.errors import (
    AccountRefused,
    CredentialsError,
    PermissionDenied,
    RequestRejected,
    VodError,
)
from exporter.model import Task
from tests.scrape.conftest import DOWN, GONE, REFUSED, FakeVod, Made, done, running


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


@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("denied", code="SignatureDoesNotMatch"),
        PermissionDenied("denied", code="Forbidden.RAM"),
        AccountRefused("denied", code="OperationDenied.Suspended"),
        AccountRefused("denied", code="NeverHeardOf"),
    ],
    ids=["keys", "permission", "suspended", "unknown"],
)
def test_what_concerns_the_account_drops_no_task_and_it_is_down_at_every_refresh(error: VodError) -> None:
    vod = FakeVod(running("t", "a"), running("u", "b"))
    made = Made(vod, videos=["v"])
    vod.videos["v"] = [running("t")]
    made.refresh()
    vod.tasks["t"] = vod.tasks["u"] = vod.jobs = error
    up = []
    for _ in range(6):
        made.now += 7  # the list of the video is due in some of these refreshes only
        made.refresh()
        up.append(made.up)

    assert up == [False] * 6
    assert made.counted.reasons == []
    assert made.job_statuses == {"a": "Transcoding", "b": "Transcoding"}


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


def test_an_unfinished_task_that_left_the_list_of_its_video_is_still_asked_about() -> None:
    vod = FakeVod()
    made = Made(vod, videos=["v"])
    vod.tasks["t"], vod.videos["v"] = running("t", "a"), [running("t")]
    made.refresh()
    vod.videos["v"] = [GONE]
    asked = []
    for _ in range(3):
        made.now += 60
        asked.append(made.refresh())

    assert asked == [["jobs a", "summary v", "video v"], ["jobs a", "video v"], ["jobs a", "summary v"]]


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


# GetTranscodeSummary

FORBIDDEN = PermissionDenied("not yours", code="Forbidden")
SUSPENDED = AccountRefused("pay the bill", code="OperationDenied.Suspended")
UNSUPPORTED = AccountRefused("The specified action is not supported.", code="UnsupportedOperation")
NO_PERMISSION = PermissionDenied("grant vod:GetTranscodeSummary", code="Forbidden.RAM")
CREATED = 1_700_000_000.0 - 60


def listed(count: int, *, concurrency: int = 4) -> Made:
    """An account with these named videos. The tasks of each were listed once; all have ended."""
    vod = FakeVod()
    for number in range(count):
        vod.tasks[f"t{number}"] = Task(f"t{number}", f"v{number}", "CompleteAllFail", created=CREATED)
        vod.videos[f"v{number}"] = [Task(f"t{number}", f"v{number}", "CompleteAllFail", created=CREATED)]
    made = Made(vod, videos=list(vod.videos), concurrency=concurrency)
    made.refresh()
    made.now += 60
    return made


def test_known_videos_cost_one_call_for_ten_and_a_new_task_one_more() -> None:
    made = listed(23)
    quiet = made.refresh()
    made.now += 60
    made.vod.tasks["u"] = done("u")
    made.vod.videos["v7"] = [Task("u", "v7", "CompleteAllFail", created=CREATED + 90)]
    busy = made.refresh()

    assert [len(one.split(",")) for one in quiet] == [10, 10, 3]
    assert [one for one in busy if not one.startswith("summary")] == ["task u", "video v7"]


@pytest.mark.parametrize("error", [UNSUPPORTED, NO_PERMISSION, REFUSED], ids=["unsupported", "permission", "parameter"])
def test_refused_summaries_cost_one_call_per_video_and_are_logged_once(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    made = listed(12)
    made.vod.summaries = error
    refused = made.refresh()
    made.now += 60
    after = made.refresh()
    lists = sorted(f"video v{number}" for number in range(12))

    assert [one for one in refused if one.startswith("video")] == lists  # in the same refresh
    assert after == lists
    assert [one.message for one in caplog.records] == [
        "GetTranscodeSummary refused: one call per video instead of one per ten videos"
    ]
    assert made.up is True


def test_refused_summaries_are_tried_again_after_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    """And a refusal after an answer is logged again."""
    made = listed(1)
    made.vod.summaries = UNSUPPORTED
    made.refresh()
    made.vod.summaries = None
    made.now += 3599
    before = made.refresh()
    made.now += 60

    assert (before, made.refresh()) == (["video v0"], ["summary v0"])
    made.vod.summaries = UNSUPPORTED
    made.now += 60
    made.refresh()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("error", [DOWN, SUSPENDED], ids=["no-connection", "suspended"])
def test_summaries_that_fail_are_asked_for_again_and_no_video_is_listed(error: VodError) -> None:
    """An account that is not suspended any more does not list the tasks of each video for an hour."""
    made = listed(2)
    made.vod.summaries = error
    failed = made.refresh()
    made.vod.summaries = None

    assert failed == ["summary v0,v1"]
    assert made.refresh() == ["summary v0,v1"]


def test_after_failed_calls_for_summaries_the_other_videos_come_first() -> None:
    made = listed(50, concurrency=1)
    made.vod.summaries = DOWN
    made.account.refresh().result(20)
    failed = made.vod.asked[:]
    made.vod.asked.clear()
    made.vod.summaries = None
    made.now += 1
    made.account.refresh().result(20)
    answered = made.vod.asked

    assert (len(failed), len(answered)) == (4, 5)
    assert answered[0] not in failed
    assert answered[1:] == failed


def test_wrong_keys_are_no_reason_to_list_the_tasks_of_each_video() -> None:
    made = listed(1)
    made.vod.summaries = CredentialsError("no such key", code="InvalidAccessKeyId.NotFound")

    assert [made.refresh() for _ in range(2)] == [["summary v0"], ["summary v0"]]
    assert made.up is False


def test_an_answer_that_none_of_the_videos_exists_lists_them() -> None:
    made = listed(2)
    made.vod.summaries = GONE

    assert made.refresh() == ["summary v0,v1", "video v0", "video v1"]


@pytest.mark.parametrize(
    "code", ["OperationDenied.Suspended", "Forbidden.Overdue", "InsufficientBalance", "UserDisable"]
)
def test_a_refusal_of_the_account_does_not_turn_summaries_off(code: str) -> None:
    """Else each video would cost a call for an hour after the account can be read again."""
    made = listed(3)
    made.vod.summaries = AccountRefused("not now", code=code)
    refused, down = made.refresh(), made.up
    made.vod.summaries = None
    made.now += 60

    assert (refused, down) == (["summary v0,v1,v2"], False)
    assert made.refresh() == ["summary v0,v1,v2"]
    assert made.up is True
