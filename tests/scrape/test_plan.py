"""The order of calls: new tasks first, and everything in its turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Job, Task
from exporter.scrape.plan import Call, GetJobs, GetTask, ListTasks, ListVideos, plan
from exporter.tracking.discovery import VideoQuery
from exporter.tracking.ledger import Ledger, Work

ids = st.lists(st.text("abcdef", min_size=1, max_size=3), unique=True, max_size=40)


def gets(work: Work, *, by_job_ids: bool = True) -> list[Call]:
    return plan(work, videos=(), by_job_ids=by_job_ids)


def test_unfinished_jobs_go_ten_to_a_call_those_asked_longest_ago_first() -> None:
    work = Work(jobs=tuple((f"j{number}", "t") for number in range(23)))

    calls = gets(work)
    assert [len(call.job_ids) for call in calls if isinstance(call, GetJobs)] == [10, 10, 3]
    assert calls[0] == GetJobs(tuple(f"j{number}" for number in range(10)))


def test_where_job_ids_are_refused_each_task_is_one_call() -> None:
    work = Work(whole_tasks=("t",), jobs=(("a", "u"), ("b", "t"), ("c", "u"), ("d", "v")))

    assert gets(work, by_job_ids=False) == [GetTask("t"), GetTask("u"), GetTask("v")]


def test_new_tasks_come_first_but_each_fourth_call_is_for_what_is_known() -> None:
    work = Work(new_tasks=("1", "2", "3", "4", "5"), whole_tasks=("w",), jobs=(("a", "t"),))

    assert gets(work) == [
        *(GetTask("1"), GetTask("2"), GetTask("3"), GetTask("w")),
        *(GetTask("4"), GetTask("5"), GetJobs(("a",))),
    ]


def test_lists_and_gets_take_turns() -> None:
    """Each operation has a budget of its own: the one must not wait for the other's."""
    calls = plan(Work(new_tasks=("1", "2", "3")), videos=("v", "w"), by_job_ids=True)

    assert calls == [ListTasks("v"), GetTask("1"), ListTasks("w"), GetTask("2"), GetTask("3")]


def test_what_an_event_told_of_comes_before_all_other_gets() -> None:
    work = Work(hinted_jobs=(("j", "t"),), new_tasks=("n",), jobs=(("k", "t"), ("l", "u")))

    assert gets(work) == [GetJobs(("j",)), GetTask("n"), GetJobs(("k", "l"))]
    assert plan(work, by_job_ids=False) == [GetTask("t"), GetTask("n"), GetTask("u")]


def test_lists_of_videos_and_of_tasks_take_turns() -> None:
    assert plan(Work(), by_job_ids=True, queries=[VideoQuery()], videos=["v", "w"]) == [
        ListVideos(VideoQuery()),
        ListTasks("v"),
        ListTasks("w"),
    ]


@given(new=ids, whole=ids, jobs=ids, videos=ids, by_job_ids=st.booleans())
def test_all_work_is_planned_once(
    new: list[str], whole: list[str], jobs: list[str], videos: list[str], *, by_job_ids: bool
) -> None:
    work = Work(
        new_tasks=tuple(f"new {one}" for one in new),
        whole_tasks=tuple(f"whole {one}" for one in whole),
        jobs=tuple((one, f"task of {one[0]}") for one in jobs),
    )

    calls = plan(work, videos=videos, by_job_ids=by_job_ids)
    assert len(set(calls)) == len(calls)
    assert [call.video_id for call in calls if isinstance(call, ListTasks)] == videos
    asked = {call.task_id for call in calls if isinstance(call, GetTask)}
    by_id = [job_id for call in calls if isinstance(call, GetJobs) for job_id in call.job_ids]
    assert asked >= {*work.new_tasks, *work.whole_tasks}
    assert by_id == (jobs if by_job_ids else [])
    assert by_job_ids or {task_id for _, task_id in work.jobs} <= asked


def test_nothing_starves_on_a_short_budget_with_tasks_that_fail_and_new_ones_without_end() -> None:
    """Four calls a refresh, for five tasks that fail whenever asked, forty jobs, and two new tasks each time."""
    ledger = Ledger()
    ledger.name("bad", [f"bad{number}" for number in range(5)], source="tasks")
    ledger.name("good", ["good"], source="tasks")
    jobs = tuple(Job(f"j{number}", "HD", "Transcoding") for number in range(40))
    ledger.observe_task("good", Task("good", "video", "Processing", jobs=jobs))
    last_asked: dict[str, int] = {}
    for number in range(1, 200):
        ledger.name(f"new {number}", [f"{number}/1", f"{number}/2"], source="tasks")
        refresh = ledger.begin_refresh()
        for call in gets(ledger.work())[:4]:
            match call:
                case GetTask(task_id):
                    ledger.asked_task(task_id, refresh=refresh)
                    last_asked[task_id] = number
                    if "/" in task_id:
                        ledger.observe_task(task_id, Task(task_id, "video", "CompleteAllFail"))
                case GetJobs(job_ids):
                    ledger.observe_jobs(job_ids, [job for job in jobs if job.id in job_ids])
                    ledger.asked_jobs(job_ids, refresh=refresh)
                    last_asked.update(dict.fromkeys(job_ids, number))

    waited = {one: 199 - last_asked[one] for one in [f"bad{n}" for n in range(5)] + [job.id for job in jobs]}
    assert max(waited.values()) <= 12
    assert sum("/" in one for one in last_asked) >= 390
