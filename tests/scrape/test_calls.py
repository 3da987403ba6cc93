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
from exporter.model import EndedJob, Task
from tests.scrape.conftest import CREATED, DOWN, FORBIDDEN, GONE, REFUSED, FakeVod, Made, done, listed, running


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


def test_a_video_that_does_not_exist_is_logged_and_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    vod = FakeVod()
    vod.videos["v"] = [GONE]
    made = Made(vod, videos=["v"])
    said = []
    for _ in range(4):
        made.refresh()
        made.now += 60
        said.append(len(caplog.records))

    assert said == [0, 1, 1, 1]
    assert made.counted.reasons == ["not_found"]  # it was not counted


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
    made.account.event("", EndedJob("a"))
    before = prioritized(made)
    asked = made.refresh()

    assert asked == (["jobs a", "jobs b"] if refused is None else ["task t"])
    assert (before, prioritized(made)) == ((("a", "t"),), ())


def prioritized(made: Made) -> tuple[tuple[str, str], ...]:
    made.ledger.start_refresh()
    return made.ledger.work().prioritized_jobs


# GetTranscodeSummary

SUSPENDED = AccountRefused("pay the bill", code="OperationDenied.Suspended")
UNSUPPORTED = AccountRefused("The specified action is not supported.", code="UnsupportedOperation")
NO_PERMISSION = PermissionDenied("grant vod:GetTranscodeSummary", code="Forbidden.RAM")


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


def forbidden(made: Made) -> Made:
    """VOD refuses every call of the account, because somebody edits its RAM policy."""
    made.vod.summaries = FORBIDDEN
    made.vod.tasks = dict.fromkeys(made.vod.tasks, FORBIDDEN)
    made.vod.videos = {video_id: [FORBIDDEN] for video_id in made.vod.videos}
    return made


@pytest.mark.parametrize("refreshes", [1, 3])
def test_an_outage_of_all_permissions_does_not_turn_summaries_off(
    refreshes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute without permissions cost a call for each video for an hour."""
    made = listed(12)
    tasks, videos = made.vod.tasks, made.vod.videos
    for _ in range(refreshes):
        forbidden(made).refresh()
        made.now += 60
        assert made.up is False
    made.vod.summaries, made.vod.tasks, made.vod.videos = None, tasks, videos
    made.refresh()
    made.now += 60

    assert [len(call.split(",")) for call in made.refresh()] == [10, 2]
    assert made.up is True
    assert sum("GetTranscodeSummary" in record.message for record in caplog.records) == 1


def test_summaries_refused_alone_stay_off_for_an_hour_though_the_account_was_down() -> None:
    made = listed(2)
    made.vod.summaries = FORBIDDEN
    videos, made.vod.videos = made.vod.videos, {video_id: [DOWN] for video_id in made.vod.videos}
    made.refresh()
    made.vod.videos = videos
    calls = []
    for _ in range(3):
        made.now += 60
        calls.append(made.refresh())

    lists = ["video v0", "video v1"]
    assert calls == [["summary v0,v1", *lists], lists, lists]


def test_summaries_that_one_forbidden_video_made_vod_refuse_are_asked_for_again() -> None:
    made = listed(3)
    made.vod.summaries = FORBIDDEN
    made.vod.videos["v0"] = [FORBIDDEN]
    made.refresh()
    made.now += 60
    made.refresh()
    made.vod.summaries = None
    made.now += 60

    assert made.refresh() == ["summary v1,v2"]
    assert made.counted.reasons == ["forbidden"]
