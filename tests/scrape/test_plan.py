"""The order of calls: new tasks first, and a share for every kind of call."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.deadline import Deadline
from exporter.model import ACTIONS, LIST_TRANSCODE_TASK, Job, Task
from exporter.scrape.plan import (
    Call,
    GetJobs,
    GetSummaries,
    GetTask,
    ListTasks,
    ListVideos,
    action,
    plan,
    sizes,
    without,
)
from exporter.tracking.discovery import VideoQuery
from exporter.tracking.ledger import Ledger
from exporter.tracking.videos import Due
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from exporter.vod.limiter import Limiter
from tests.conftest import examples

ids = st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=40)


PLENTY = dict.fromkeys(ACTIONS, 1000)


def gets(work: Work, *, by_job_ids: bool = True, made: int = 0) -> list[Call]:
    return plan(work, budget=PLENTY, by_job_ids=by_job_ids, made=made)


def test_unfinished_jobs_go_ten_to_a_call_those_asked_longest_ago_first() -> None:
    work = Work(jobs=tuple((f"j{number}", "t") for number in range(23)))

    calls = gets(work)
    assert [len(call.job_ids) for call in calls if isinstance(call, GetJobs)] == [10, 10, 3]
    assert calls[0] == GetJobs(tuple(f"j{number}" for number in range(10)))


def test_where_job_ids_are_refused_each_task_is_one_call() -> None:
    work = Work(whole_tasks=("t",), jobs=(("a", "u"), ("b", "t"), ("c", "u"), ("d", "v")))

    assert gets(work, by_job_ids=False) == [GetTask("t"), GetTask("u"), GetTask("v")]


@pytest.mark.parametrize("by_job_ids", [True, False])
def test_overdue_tasks_have_one_call_of_eight_while_others_wait(*, by_job_ids: bool) -> None:
    new, overdue = (tuple(f"{kind}{number}" for number in range(40)) for kind in ("new", "overdue"))
    calls = gets(Work(new_tasks=new, overdue_tasks=overdue), by_job_ids=by_job_ids)

    assert len(calls) == 80
    assert [str(call.task_id).startswith("overdue") for call in calls[:40] if isinstance(call, GetTask)].count(
        True
    ) == 5


def test_an_overdue_task_is_not_asked_twice_where_job_ids_are_refused() -> None:
    work = Work(jobs=(("a", "t"),), overdue_tasks=("t", "u"))

    assert gets(work, by_job_ids=False) == [GetTask("t"), GetTask("u")]
    assert gets(work) == [GetJobs(("a",)), GetTask("t"), GetTask("u")]


def test_new_tasks_come_first_but_each_fourth_call_is_for_known_tasks() -> None:
    work = Work(new_tasks=("1", "2", "3", "4", "5"), whole_tasks=("w",), jobs=(("a", "t"),))

    assert gets(work) == [
        *(GetTask("1"), GetTask("2"), GetTask("3"), GetTask("w")),
        *(GetTask("4"), GetTask("5"), GetJobs(("a",))),
    ]


def test_prioritized_jobs_come_before_all_other_gets() -> None:
    work = Work(prioritized_jobs=(("j", "t"),), new_tasks=("n",), jobs=(("k", "t"), ("l", "u")))

    assert gets(work) == [GetJobs(("j",)), GetTask("n"), GetJobs(("k", "l"))]
    assert gets(work, by_job_ids=False) == [GetTask("t"), GetTask("n"), GetTask("u")]


def test_each_operation_has_its_calls_in_their_order() -> None:
    videos = Due(lists=("v", "w"), summaries=("x", "y"))
    calls = plan(Work(new_tasks=("1", "2")), budget=PLENTY, by_job_ids=True, queries=[VideoQuery()], videos=videos)

    assert calls == [
        *(ListVideos(VideoQuery()), ListTasks("v"), ListTasks("w"), GetSummaries(("x", "y"))),
        *(GetTask("1"), GetTask("2")),
    ]


def test_videos_that_only_events_name_take_turns_with_the_others() -> None:
    """Also over plans that hold one call each."""
    lists, hints = ["v1", "v2"], [f"h{number}" for number in range(9)]
    asked: list[str] = []
    while lists or hints:
        (call,) = plan(
            Work(),
            budget={**PLENTY, LIST_TRANSCODE_TASK: 1},
            by_job_ids=True,
            lists_made=len(asked),
            videos=Due(lists=tuple(lists), hints=tuple(hints)),
        )
        assert isinstance(call, ListTasks)
        asked.append(call.video_id)
        lists, hints = ([video_id for video_id in some if video_id != call.video_id] for some in (lists, hints))

    assert asked == ["v1", "h0", "v2", *(f"h{number}" for number in range(1, 9))]
    assert sizes(Work(), Due(lists=("v",), hints=("w", "x")), (), by_job_ids=True)[LIST_TRANSCODE_TASK] == 3


def test_ten_videos_go_to_a_call_for_their_newest_tasks() -> None:
    videos = Due(summaries=tuple(f"v{number}" for number in range(23)))
    calls = plan(Work(), budget=PLENTY, by_job_ids=True, videos=videos)

    assert [len(call.video_ids) for call in calls if isinstance(call, GetSummaries)] == [10, 10, 3]
    assert calls[0] == GetSummaries(videos.summaries[:10])


def test_a_plan_continues_the_turns_of_the_last_plan() -> None:
    """Each plan starts with new tasks. Plans of one or two calls would otherwise have no other calls."""
    work = Work(new_tasks=tuple("abcdefgh"), whole_tasks=("w", "x"), jobs=(("j", "t"),))
    first = [gets(work, made=made)[0] for made in range(9)]

    a, w, j = GetTask("a"), GetTask("w"), GetJobs(("j",))
    assert first == [a, a, a, w, a, a, a, j, a]


def test_without_new_tasks_whole_tasks_and_jobs_take_turns() -> None:
    work = Work(whole_tasks=("v", "w", "x", "y", "z"), jobs=tuple((f"j{number}", "t") for number in range(40)))

    kinds = [isinstance(call, GetJobs) for call in gets(work)[:8]]
    assert kinds == [False, False, False, False, True, True, True, True]


def test_only_calls_for_prioritized_jobs_are_urgent() -> None:
    """They go before the calls that wait for their turn."""
    work = Work(prioritized_jobs=(("j", "t"),), jobs=(("k", "t"),))
    calls = plan(work, budget=dict.fromkeys(ACTIONS, 9), by_job_ids=True)

    assert [(call.job_ids, call.urgent) for call in calls if isinstance(call, GetJobs)] == [
        (("j",), True),
        (("k",), False),
    ]


def works(new: list[str], whole: list[str], jobs: list[str], prioritized: list[str]) -> Work:
    return Work(
        prioritized_jobs=tuple((f"prioritized {one}", f"task of {one[0]}") for one in prioritized),
        new_tasks=tuple(f"new {one}" for one in new),
        whole_tasks=tuple(f"whole {one}" for one in whole),
        jobs=tuple((one, f"task of {one[0]}") for one in jobs),
    )


any_work = st.builds(works, ids, ids, ids, ids)
budgets = st.fixed_dictionaries({name: st.integers(0, 30) for name in ACTIONS})


def about(calls: Iterable[Call]) -> list[str]:
    """The ids that these calls name."""
    named: list[str] = []
    for call in calls:
        match call:
            case GetTask(task_id):
                named.append(task_id)
            case GetJobs(job_ids):
                named += job_ids
            case GetSummaries(video_ids):
                named += video_ids
            case ListTasks(video_id):
                named.append(video_id)
    return named


@given(work=any_work, lists=ids, summaries=ids, hints=ids, by_job_ids=st.booleans(), lists_made=st.integers(0, 3))
def test_all_work_is_planned_and_nothing_twice(
    work: Work, lists: list[str], summaries: list[str], hints: list[str], *, by_job_ids: bool, lists_made: int
) -> None:
    videos = Due(
        tuple(f"video {one}" for one in lists),
        tuple(f"known video {one}" for one in summaries),
        tuple(f"hint {one}" for one in hints),
    )
    calls = plan(work, budget=PLENTY, videos=videos, by_job_ids=by_job_ids, lists_made=lists_made)
    named = about(calls)
    jobs = [*work.prioritized_jobs, *work.jobs]
    known = [job for job, _ in jobs] if by_job_ids else {task for _, task in jobs} - {*work.whole_tasks}

    assert len(set(named)) == len(named)
    assert set(named) == {*work.new_tasks, *work.whole_tasks, *known, *videos.lists, *videos.summaries, *videos.hints}
    assert Counter(sizes(work, videos, (), by_job_ids=by_job_ids)) == Counter(map(action, calls))


@given(
    work=any_work,
    videos=st.builds(Due, ids.map(tuple), ids.map(tuple)),
    windows=st.integers(0, 40),
    budget=budgets,
    by_job_ids=st.booleans(),
)
def test_the_budget_is_never_exceeded_and_is_used_while_there_is_work(
    work: Work, videos: Due, windows: int, budget: dict[str, int], *, by_job_ids: bool
) -> None:
    queries = [VideoQuery((float(number), number + 1.0)) for number in range(windows)]
    calls = Counter(map(action, plan(work, budget=budget, videos=videos, queries=queries, by_job_ids=by_job_ids)))

    needed = sizes(work, videos, queries, by_job_ids=by_job_ids)
    assert {name: calls[name] for name in ACTIONS} == {name: min(needed[name], budget[name]) for name in ACTIONS}


@given(work=any_work, by_job_ids=st.booleans(), data=st.data())
def test_tasks_and_jobs_of_calls_under_way_are_not_planned_again(
    work: Work, *, by_job_ids: bool, data: st.DataObject
) -> None:
    calls = gets(work, by_job_ids=by_job_ids)
    under_way = [call for call in calls if data.draw(st.booleans())]
    tasks_asked = {call.task_id for call in under_way if isinstance(call, GetTask)}
    left = without(work, under_way)

    assert not set(about(gets(left, by_job_ids=by_job_ids))) & set(about(under_way))
    assert not {task for _, task in (*left.jobs, *left.prioritized_jobs)} & tasks_asked


class Life:
    """The refreshes of an account over time. Each refresh ends after `budget` calls."""

    def __init__(self, *, jobs: int, failing: int, budget: int) -> None:
        self.ledger = Ledger()
        self.budget = budget
        self.made = 0
        self.jobs = tuple(Job(f"j{number}", "HD", "Transcoding") for number in range(jobs))
        self.failing = [f"bad{number}" for number in range(failing)]
        self.waited: dict[str, int] = {}
        self.longest: Counter[str] = Counter()
        self.finished: set[str] = set()
        self.ledger.name("good", ["good"], source="tasks")
        self.ledger.observe_task("good", Task("good", "video", "Processing", jobs=self.jobs))
        self.ledger.name("bad", self.failing, source="tasks")
        self.waited = dict.fromkeys([*self.failing, *(job.id for job in self.jobs)], 0)

    def refresh(self, *new: str) -> None:
        self.ledger.name(f"new {new}", new, source="tasks")
        self.ledger.start_refresh()
        asked: list[str] = []
        while len(asked) < self.budget:  # a plan lasts for two calls at most, as in a refresh
            calls = gets(self.ledger.work(), made=self.made)[: min(2, self.budget - len(asked))]
            self.made += len(calls)
            if not calls:
                break
            for call in calls:
                self.ask(call, asked)
        for waiting in self.waited:
            self.waited[waiting] += 1
            self.longest[waiting] = max(self.longest[waiting], self.waited[waiting])

    def ask(self, call: Call, asked: list[str]) -> None:
        named = about([call])
        assert not set(named) & (self.finished | {one for some in asked for one in some.split(",")})
        asked.append(",".join(named))
        for asked_id in named:
            if asked_id in self.waited:
                self.waited[asked_id] = 0
        match call:
            case GetTask(task_id):
                if task_id not in self.failing:
                    self.ledger.observe_task(task_id, Task(task_id, "video", "CompleteAllFail"))
                    self.finished.add(task_id)
                self.ledger.asked_task(task_id)
            case GetJobs(job_ids):
                self.ledger.observe_jobs(job_ids, [job for job in self.jobs if job.id in job_ids])
                self.ledger.asked_jobs(job_ids)


@pytest.mark.slow
@given(
    jobs=st.integers(1, 120),
    failing=st.integers(0, 6),
    budget=st.integers(1, 8),
    arrivals=st.lists(st.integers(0, 12), min_size=1, max_size=10),
)
@examples(0.3)
def test_nothing_starves_and_no_call_is_spent_on_a_finished_task(
    jobs: int, failing: int, budget: int, arrivals: list[int]
) -> None:
    """Of eight calls at least one is for jobs and one for whole tasks, those asked longest ago.

    So the wait of a task or job is bounded by the number of others of its kind.
    """
    life = Life(jobs=jobs, failing=failing, budget=budget)
    for number in range(60):
        life.refresh(*(f"{number}/{one}" for one in range(arrivals[number % len(arrivals)])))

    turns = 8 * max(math.ceil(jobs / 10), failing)
    assert max(life.longest.values()) <= math.ceil(turns / budget) + 2


class Service:
    """Tasks of four jobs each. `change` ends the oldest task and submits another."""

    def __init__(self, count: int) -> None:
        self.tasks: dict[str, Task] = {}
        self.submitted = 0
        for _ in range(count):
            self.submit()

    def submit(self) -> str:
        task_id = f"t{self.submitted}"
        jobs = tuple(Job(f"{self.submitted}-{place}", "HD", "Transcoding") for place in range(4))
        self.tasks[task_id] = Task(task_id, "video", "Processing", jobs=jobs)
        self.submitted += 1
        return task_id

    def change(self) -> str:
        task = next(one for one in self.tasks.values() if not one.finished)
        ended = tuple(replace(job, status="TranscodeSuccess") for job in task.jobs)
        self.tasks[task.id] = replace(task, status="CompleteAllSucc", jobs=ended)
        return self.submit()

    def answer(self, call: Call, ledger: Ledger) -> None:
        match call:
            case GetTask(task_id):
                ledger.observe_task(task_id, self.tasks[task_id])
                ledger.asked_task(task_id)
            case GetJobs(job_ids):
                jobs = [job for one in job_ids for job in self.tasks[f"t{one.partition('-')[0]}"].jobs]
                ledger.observe_jobs(job_ids, [job for job in jobs if job.id in job_ids])
                ledger.asked_jobs(job_ids)


@pytest.mark.no_cover
@pytest.mark.slow
def test_5000_jobs_are_all_refreshed_within_90_s_at_10_calls_a_second() -> None:
    """On a simulated clock: a scrape each 30 s, one new and one finished task each 2 s."""
    now = 1_000_000.0
    service = Service(1250)
    ledger = Ledger(limits=Limits(max_jobs=10_000), clock=lambda: now)
    limiter = Limiter(10.0, clock=lambda: now)
    ledger.discover(service.tasks, source="discovery")
    for task_id in service.tasks:
        service.answer(GetTask(task_id), ledger)
    oldest: list[float] = []
    made = 0
    for scrape in range(12):
        started = now
        ledger.start_refresh()
        calls: list[Call] = []
        while now < started + 30:
            if not calls:
                ledger.discover([service.change() for _ in range(5)], source="discovery")
                budget = {name: limiter.calls_within(name, 10.0) for name in ACTIONS}
                calls = plan(ledger.work(), budget=budget, by_job_ids=True, made=made)
            service.answer(calls.pop(0), ledger)
            made += 1
            now += limiter.turn("GetTranscodeTask", Deadline(math.inf)).seconds
            if len(oldest) == scrape and now >= started + 9.5:
                oldest.append(now - (ledger.view().oldest_refresh or 0))

    assert len(oldest) == 12
    assert 40 < max(oldest) < 90
    assert made <= 10.0001 * (now - 1_000_000) + 1
