"""The agenda: which call comes next, and when a refresh has nothing left to ask."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from exporter.deadline import Deadline
from exporter.model import ACTIONS, EndedJob, Job, Task
from exporter.scrape.agenda import Agenda
from exporter.scrape.plan import Call, GetJobs, GetSummaries, GetTask, ListTasks, ListVideos, action
from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.ledger import Ledger
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Videos
from exporter.tracking.work import Work
from exporter.vod.limiter import Limiter
from tests.scrape.conftest import DOWN, KEYS


def running(number: int) -> Job:
    return Job(f"j{number}", "HD", "Transcoding")


class Planned:
    """An agenda without threads: the test takes each call, and ends it.

    The clock of the limiter stands still.
    """

    def __init__(
        self,
        *task_ids: str,
        videos: Sequence[str] = (),
        discovers: bool = False,
        concurrency: int = 4,
        rate: float = 100.0,
    ) -> None:
        self.by_job_ids = self.by_summaries = True
        self.latency = 0.0
        self.ledger = Ledger()
        self.ledger.name("tasks", task_ids, source="tasks")
        self.videos = Videos()
        self.videos.name("configuration", videos, source="videos")
        discovery = Discovery(self.videos, interval=30.0, lookback=3000.0) if discovers else None
        self.agenda = Agenda(
            Tracker(self.ledger, self.videos, discovery=discovery),
            Limiter(rate, clock=lambda: 0.0),
            by_job_ids=lambda: self.by_job_ids,
            by_summaries=lambda: self.by_summaries,
            concurrency=concurrency,
            latency=lambda: self.latency,
        )
        self.start()

    def start(self) -> None:
        self.agenda.ask_again()
        self.agenda.restart()

    def take_all(self) -> list[Call]:
        """The calls that can be under way at the same time."""
        return list(iter(self.agenda.take, None))

    def end(self, call: Call, error: Exception | None = None, *, answer: Task | None = None) -> None:
        match call:
            case GetTask(task_id):
                if answer is not None:
                    self.ledger.observe_task(task_id, answer)
                self.ledger.asked_task(task_id)
            case GetJobs(job_ids):
                self.ledger.asked_jobs(job_ids)
            case GetSummaries(video_ids):
                self.videos.asked(video_ids)
            case ListTasks(video_id):
                self.videos.asked([video_id])
        self.agenda.ended(call, error)

    def make_all(self, error: Exception | None = None) -> int:
        """Take and end all calls, one after the other. Returns how many there were."""
        count = 0
        while (call := self.agenda.take()) is not None:
            self.end(call, error)
            count += 1
        return count


def test_no_more_calls_than_the_concurrency_are_under_way() -> None:
    planned = Planned("a", "b", "c", concurrency=2)
    first = planned.take_all()
    planned.end(first[0])

    assert first == [GetTask("a"), GetTask("b")]
    assert planned.take_all() == [GetTask("c")]


@pytest.mark.parametrize(
    ("seconds", "calls"), [(0.0, 8), (0.3, 8), (1.0, 13), (3.0, 38), (5.0, 63), (6.0, 64), (60.0, 64)]
)
def test_as_many_calls_are_under_way_as_the_budget_allows_at_the_latency(seconds: float, calls: int) -> None:
    """By Little's law, at least the configured number. With eight calls at 3 s the oldest job was 190 s old."""
    planned = Planned(*map(str, range(100)), concurrency=8, rate=10.0)
    planned.latency = seconds

    assert len(planned.take_all()) == calls
    assert planned.agenda.workers == calls


def test_the_latency_counts_for_each_operation_that_has_calls() -> None:
    """Each has a budget of its own."""
    planned = Planned(*map(str, range(40)), videos=[f"v{number}" for number in range(40)], concurrency=8, rate=10.0)
    planned.latency = 1.0
    under_way = Counter(map(action, planned.take_all()))

    assert under_way == {"GetTranscodeTask": 13, "ListTranscodeTask": 12}


def test_the_operation_with_the_fewest_calls_under_way_comes_first() -> None:
    planned = Planned("a", "b", videos=["v", "w"], discovers=True, concurrency=4)
    planned.videos.listed("w", ())
    planned.videos.found("w", created=None, transcoding=True, source="discovery")

    assert {action(call) for call in planned.take_all()} == set(ACTIONS)


def test_among_idle_operations_the_one_with_the_fewest_calls_so_far_comes_first() -> None:
    """With one worker, a long list of videos must not keep tasks from being asked about."""
    planned = Planned("a", "b", "c", videos=["v", "w", "x"], concurrency=1)
    actions = []
    while (call := planned.agenda.take()) is not None:
        actions.append(action(call))
        planned.end(call)

    assert actions == ["GetTranscodeTask", "ListTranscodeTask"] * 3


def test_calls_that_hang_do_not_get_their_operation_further_calls_before_others() -> None:
    planned = Planned(*map(str, range(9)), videos=["v", "w", "x"], concurrency=3)
    hanging, *quick = sorted(planned.take_all(), key=action, reverse=True)
    for call in quick:
        planned.end(call)

    assert hanging in (ListTasks("v"), ListTasks("w"), ListTasks("x"))
    assert isinstance(planned.agenda.take(), GetTask)


def test_a_call_under_way_is_not_made_again_by_the_next_refresh() -> None:
    planned = Planned("a", videos=["v"])
    under_way = planned.take_all()
    planned.start()

    assert len(under_way) == 2
    assert planned.take_all() == []
    assert planned.agenda.under_way


def test_an_empty_list_of_videos_or_tasks_is_asked_for_once_a_refresh() -> None:
    planned = Planned(videos=["v"], discovers=True)
    first = planned.take_all()
    for call in first:
        planned.agenda.ended(call, None)  # neither discovery nor the videos note it
    again = planned.take_all()
    planned.start()

    assert first == [ListTasks("v"), ListVideos(VideoQuery()), ListVideos(first[2].query)]  # type: ignore[union-attr]
    assert again == []
    assert len(planned.take_all()) == 3


def test_a_task_that_appears_during_the_refresh_is_planned_after_the_next_result() -> None:
    planned = Planned("a", concurrency=1)
    call = planned.agenda.take()
    assert call is not None
    planned.ledger.discover(["b"], source="discovery")
    planned.end(call)

    assert planned.take_all() == [GetTask("b")]


def test_outdate_makes_a_new_plan_before_the_next_call() -> None:
    planned = Planned("a", "b", concurrency=3)
    planned.agenda.take()
    planned.ledger.observe_task("a", Task("a", "v", "Processing", jobs=(Job("j", "HD", "Transcoding"),)))
    planned.ledger.observe_event(EndedJob("j"))
    planned.ledger.asked_task("b")
    planned.agenda.outdate()

    assert GetTask("b") not in planned.take_all()


def test_a_refused_operation_is_not_called_again_in_the_same_refresh() -> None:
    planned = Planned("a", "b", videos=["v", "w", "x"], concurrency=1)
    refused = planned.agenda.take()
    assert refused == GetTask("a")
    planned.end(refused, KEYS)
    rest = []
    while (call := planned.agenda.take()) is not None:
        rest.append(call)
        planned.end(call)
    planned.start()

    assert set(rest) == {ListTasks("v"), ListTasks("w"), ListTasks("x")}
    assert planned.agenda.take() == GetTask("b")


@pytest.mark.parametrize(("concurrency", "calls"), [(1, 4), (4, 4), (6, 6)])
def test_a_refresh_ends_after_four_failures_in_a_row_or_as_many_as_workers(concurrency: int, calls: int) -> None:
    planned = Planned(*map(str, range(20)), concurrency=concurrency)

    assert planned.make_all(DOWN) == calls
    planned.start()
    assert planned.make_all() == 20


def test_an_answer_starts_the_count_of_failures_again() -> None:
    planned = Planned(*map(str, range(20)), concurrency=1)
    for number in range(20):
        call = planned.agenda.take()
        assert call is not None
        planned.end(call, None if number % 4 == 3 else DOWN)

    assert planned.agenda.take() is None


def test_a_plan_for_job_ids_is_given_up_when_vod_refuses_them() -> None:
    planned = Planned(*(f"t{number}" for number in range(3)), concurrency=1)
    while isinstance(call := planned.agenda.take(), GetTask):
        number = call.task_id[1:]
        jobs = tuple(Job(f"{number}-{place}", "HD", "Transcoding") for place in range(8))
        planned.end(call, answer=Task(call.task_id, "v", "Processing", jobs=jobs))
    planned.start()
    call = planned.agenda.take()
    assert isinstance(call, GetJobs)
    planned.by_job_ids = False
    planned.agenda.ended(call, None)
    calls = []
    while (call := planned.agenda.take()) is not None:
        calls.append(call)
        planned.end(call)

    assert calls == [GetTask("t0"), GetTask("t1"), GetTask("t2")]


def test_pending_counts_the_calls_of_each_operation_that_are_not_started() -> None:
    """Within the plan, which holds ten calls of each operation at this rate, and beyond it."""
    planned = Planned(*map(str, range(50)), videos=[f"v{n}" for n in range(30)], concurrency=2, rate=1.0)
    for number in range(130):
        planned.videos.found(f"w{number}", created=None, transcoding=True, source="discovery")
        planned.videos.listed(f"w{number}", ())
        planned.videos.found(f"w{number}", created=None, transcoding=False, source="discovery")
    before = planned.agenda.pending
    under_way = planned.take_all()
    during = planned.agenda.pending
    for call in under_way:
        planned.end(call)
    planned.make_all()
    planned.agenda.end_refresh()
    none = dict.fromkeys(ACTIONS, 0)

    assert before == planned.agenda.pending == none
    assert during == none | {"GetTranscodeTask": 49, "ListTranscodeTask": 29, "GetTranscodeSummary": 13}


def test_after_refused_summaries_each_video_is_listed_in_the_same_refresh() -> None:
    planned = Planned(concurrency=1)
    for number in range(20):
        planned.videos.found(f"v{number}", created=1000.0 - number, transcoding=True, source="discovery")
        planned.videos.listed(f"v{number}", ())
        planned.videos.found(f"v{number}", created=1000.0 - number, transcoding=False, source="discovery")
    call = planned.agenda.take()
    assert call == GetSummaries(tuple(f"v{number}" for number in range(10)))
    planned.by_summaries = False
    planned.agenda._plan_again_at = math.inf  # as if planning took long
    planned.agenda.ended(call, None)
    calls = []
    while (call := planned.agenda.take()) is not None:
        calls.append(call)
        planned.end(call)

    assert calls == [ListTasks(f"v{number}") for number in range(20)]


def test_an_operation_without_budget_has_one_call_that_waits_for_it() -> None:
    planned = Planned("a", "b", concurrency=4, rate=0.01)
    for _ in range(2):
        planned.agenda._limiter.turn("GetTranscodeTask", Deadline(math.inf))

    assert len(planned.take_all()) == 1


def test_workers_are_the_calls_that_can_be_under_way() -> None:
    planned = Planned("a", "b", "c", concurrency=2)
    planned.agenda.take()
    both = planned.agenda.workers
    planned.take_all()
    few = Planned("a", concurrency=8)
    few.agenda.take()

    assert (both, few.agenda.workers) == (2, 1)


def test_a_closed_agenda_has_no_further_calls() -> None:
    planned = Planned("a", "b", concurrency=1)
    call = planned.agenda.take()
    assert call is not None
    planned.agenda.close()
    planned.end(call)

    assert planned.agenda.take() is None
    planned.start()
    assert planned.agenda.take() is None


def test_a_plan_that_cannot_be_made_is_given_up_until_the_next_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = Planned("a")
    with monkeypatch.context() as patch:
        patch.setattr(planned.ledger, "work", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            planned.agenda.take()
        planned.agenda.skip()
        assert planned.agenda.take() is None
    planned.start()

    assert planned.agenda.take() == GetTask("a")


def test_a_plan_is_kept_while_making_plans_takes_more_than_a_fiftieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With 100,000 jobs a plan takes 0.1 s. It must not be made again after each call."""
    planned, plans, now = Planned(*map(str, range(9)), concurrency=1), 0, 100.0
    work = planned.ledger.work

    def slow(**most: int) -> Work:
        nonlocal plans, now
        plans, now = plans + 1, now + 0.1
        return work(**most)

    monkeypatch.setattr(planned.ledger, "work", slow)
    monkeypatch.setattr("time.monotonic", lambda: now)
    made = []
    for seconds in (0.0, 1.0, 3.8, 0.2):
        now += seconds
        call = planned.agenda.take()
        assert call is not None
        planned.end(call)
        made.append(plans)

    assert made == [1, 1, 1, 2]


def test_a_new_plan_is_made_once_a_second_at_most_and_at_once_after_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten accounts made 91 plans a second: one after nearly every answer."""
    planned, plans, now = Planned(*map(str, range(40)), concurrency=1), 0, 100.0
    work = planned.ledger.work

    def counted(**most: int) -> Work:
        nonlocal plans
        plans += 1
        return work(**most)

    monkeypatch.setattr(planned.ledger, "work", counted)
    monkeypatch.setattr("time.monotonic", lambda: now)
    made = []
    for number in range(40):
        now += 0.125
        if number == 27:
            planned.agenda.outdate()
        call = planned.agenda.take()
        assert call is not None
        planned.end(call)
        made.append(plans)

    assert [made.index(count) for count in sorted(set(made))] == [0, 8, 16, 24, 27, 35]


def test_answers_about_jobs_cause_no_plan_while_other_calls_are_under_way() -> None:
    planned = Planned("t", concurrency=3)
    planned.end(planned.take_all()[0], answer=Task("t", "v", "Processing", jobs=tuple(map(running, range(30)))))
    planned.start()
    calls = planned.take_all()
    plan = planned.agenda._plan
    for call in calls[:2]:
        planned.end(call)
        planned.agenda.take()
    kept = planned.agenda._plan is plan
    planned.end(calls[2])
    planned.agenda.take()

    assert len(calls) == 3
    assert kept
    assert planned.agenda._plan is not plan


def test_a_task_is_asked_about_as_soon_as_its_last_job_ended_although_another_call_hangs() -> None:
    planned = Planned("t", "u", concurrency=3)
    jobs = [*map(running, range(20))]
    for call, some in zip(planned.take_all(), (jobs[:10], jobs[10:]), strict=True):
        assert isinstance(call, GetTask)
        planned.end(call, answer=Task(call.task_id, "v", "Processing", jobs=tuple(some)))
    planned.start()
    first, hanging = planned.take_all()
    assert isinstance(first, GetJobs)
    ended = [replace(job, status="TranscodeSuccess") for job in jobs if job.id in first.job_ids]
    planned.ledger.observe_jobs(first.job_ids, ended)
    planned.end(first)

    assert isinstance(hanging, GetJobs)
    assert planned.agenda.take() == GetTask("t")


def test_a_query_under_way_is_not_made_again_by_the_next_refresh() -> None:
    planned = Planned(discovers=True)
    under_way = planned.take_all()
    planned.start()

    assert len(under_way) == 2
    assert planned.take_all() == []


def test_a_refresh_that_ended_early_has_nothing_pending() -> None:
    """The plan holds ten calls, the other ones are beyond it. The service is down."""
    planned = Planned(*map(str, range(50)), concurrency=1, rate=1.0)
    planned.make_all(DOWN)
    before = planned.agenda.pending
    planned.agenda.end_refresh()

    assert before["GetTranscodeTask"] > 0
    assert not any(planned.agenda.pending.values())


def test_new_plans_keep_the_share_of_known_tasks() -> None:
    """Each result makes a new plan, which starts with new tasks. The fourth call is for a known task."""
    planned = Planned("known", concurrency=1)
    planned.make_all()
    planned.ledger.discover(map(str, range(9)), source="discovery")
    planned.start()
    calls = []
    for _ in range(8):
        call = planned.agenda.take()
        assert call is not None
        planned.end(call)
        planned.agenda.outdate()
        calls.append(call)

    assert calls.index(GetTask("known")) < 4


def test_without_a_result_no_new_plan_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    planned, plans = Planned("a"), 0
    work = planned.ledger.work

    def counted(**most: int) -> Work:
        nonlocal plans
        plans += 1
        return work(**most)

    monkeypatch.setattr(planned.ledger, "work", counted)
    planned.agenda.take()
    for _ in range(5):
        planned.agenda.take()

    assert plans == 1


def test_each_plan_is_logged_on_level_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "exporter.scrape.agenda")
    planned = Planned("t1", "t2", videos=["v1"])

    def lines() -> list[dict[str, object]]:
        """Without those of other tests, whose refreshes may still run and have the name of an account."""
        found = [vars(record) for record in caplog.records if record.message == "planned"]
        return [line for line in found if not line["account"]]

    planned.agenda.take()
    (line,) = lines()
    assert (line["calls_GetTranscodeTask"], line["later"]) == (2, 0)
    planned.agenda.skip()
    planned.agenda.take()
    assert lines() == [line]
