"""Work: the tasks and jobs that are left to ask about, and their order."""

from __future__ import annotations

from exporter.model import EndedJob, Job, Task
from exporter.tracking.ledger import Ledger
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.roster import Roster
from exporter.tracking.work import Work, work
from tests.conftest import NOW
from tests.tracking.conftest import (
    ask_jobs,
    ask_task,
    done,
    next_work,
    running,
    success,
    track,
)


def known(task_id: str, *, finished: bool = False) -> TaskRecord:
    """A task that VOD has described."""
    finished_at = NOW if finished else None
    return TaskRecord(id=task_id, source="tasks", since=NOW, task=Task(task_id), refreshed=NOW, finished_at=finished_at)


def job(job_id: str, task_id: str, *, finished: bool = False) -> JobRecord:
    seen = Job(job_id, status="TranscodeSuccess" if finished else "Transcoding")
    return JobRecord(job=seen, task_id=task_id, refreshed=NOW, finished_at=NOW if finished else None)


def test_there_is_work_for_everything_unfinished() -> None:
    roster = Roster(
        [TaskRecord(id="new", source="tasks", since=NOW), known("t"), known("empty"), known("over", finished=True)],
        [job("a", "t"), job("b", "t", finished=True), job("c", "over", finished=True)],
    )

    assert work(roster, calls_before=0, now=NOW) == Work(new_tasks=("new",), whole_tasks=("empty",), jobs=(("a", "t"),))


def test_a_task_whose_jobs_are_all_finished_is_asked_whole() -> None:
    roster = Roster([known("t")], [job("a", "t", finished=True)])

    assert work(roster, calls_before=0, now=NOW) == Work(whole_tasks=("t",))


def test_a_stale_task_is_asked_whole_and_none_of_its_jobs_by_id() -> None:
    roster = Roster([known("t"), known("u")], [job("a", "t"), job("b", "u")])
    roster.tasks["t"].stale = True

    assert work(roster, calls_before=0, now=NOW) == Work(whole_tasks=("t",), jobs=(("b", "u"),))


def test_a_stale_task_that_is_finished_is_no_work() -> None:
    roster = Roster([known("t", finished=True)])
    roster.tasks["t"].stale = True

    assert work(roster, calls_before=0, now=NOW) == Work()


def test_calls_of_the_present_refresh_are_not_repeated() -> None:
    roster = Roster([known("t"), known("u"), known("v")], [job("a", "v"), job("b", "v")])
    roster.tasks["t"].asked, roster.jobs["a"].asked = 2, 2
    roster.tasks["u"].asked, roster.jobs["b"].asked = 1, 1

    assert work(roster, calls_before=1, now=NOW) == Work(whole_tasks=("u",), jobs=(("b", "v"),))


def test_a_task_that_was_asked_about_or_described_before_is_not_new() -> None:
    roster = Roster([TaskRecord(id="t", source="tasks", since=NOW), known("u")])
    roster.tasks["t"].asked = 1

    assert work(roster, calls_before=1, now=NOW) == Work(whole_tasks=("u", "t"))


def test_prioritized_jobs_are_a_part_of_their_own_in_the_same_order() -> None:
    roster = Roster([known("t")], [job("a", "t"), job("b", "t"), job("c", "t")])
    for job_id, asked in (("a", 3), ("b", 2), ("c", 1)):
        roster.jobs[job_id].asked = asked
        roster.jobs[job_id].prioritized = job_id != "b"

    assert work(roster, calls_before=3, now=NOW) == Work(prioritized_jobs=(("c", "t"), ("a", "t")), jobs=(("b", "t"),))


# Through the ledger


def test_a_named_task_is_new_once_and_then_its_jobs_are_asked_about(ledger: Ledger) -> None:
    ledger.name("key", ["t"], source="tasks")
    before = ledger.work()
    ask_task(ledger, running("t", "a", "b"))

    assert before == Work(new_tasks=("t",))
    assert ledger.work() == Work()
    assert next_work(ledger) == Work(jobs=(("a", "t"), ("b", "t")))


def test_a_task_is_asked_whole_once_more_when_its_last_job_ended(ledger: Ledger) -> None:
    track(ledger, running("t", "a"))
    ask_jobs(ledger, ["a"], success("a"))

    assert next_work(ledger) == Work(whole_tasks=("t",))
    ask_task(ledger, done("t", "a"))
    assert next_work(ledger) == Work()


def test_a_task_whose_jobs_have_no_ids_is_asked_whole_until_it_ends(ledger: Ledger) -> None:
    track(ledger, running("t", ""))
    asked = next_work(ledger)
    ask_task(ledger, done("t", ""))

    assert asked == Work(whole_tasks=("t",))
    assert next_work(ledger) == Work()
    assert ledger.view().jobs == ()


def test_a_job_that_two_answers_leave_out_is_asked_about_as_a_job_of_the_other_task(ledger: Ledger) -> None:
    """It was missing only in the first task."""
    track(ledger, running("t", "a", "b"), running("u", "a", "c"))
    for _ in range(2):
        ask_task(ledger, running("t", "b"))

    assert set(next_work(ledger).jobs) == {("a", "u"), ("b", "t"), ("c", "u")}


def test_tasks_and_jobs_asked_about_longest_ago_come_first(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "b"), running("v"), running("w"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding"))
    ledger.asked_task("v")

    work = next_work(ledger)
    assert [job_id for job_id, _ in work.jobs] == ["b", "a"]
    assert work.whole_tasks == ("w", "v")


def test_jobs_keep_their_order_after_calls_of_one_refresh(ledger: Ledger) -> None:
    """A refresh may end after any call. The next one continues there."""
    track(ledger, running("t", "a", "b", "c", "d"))
    ledger.start_refresh()
    for job_id in ("c", "a", "d", "b"):
        ledger.asked_jobs([job_id])

    assert [job_id for job_id, _ in next_work(ledger).jobs] == ["c", "a", "d", "b"]


def test_a_new_task_whose_call_failed_is_not_new_again(ledger: Ledger) -> None:
    """Otherwise it would come first in every refresh."""
    ledger.name("key", ["bad", "t"], source="tasks")
    ledger.asked_task("bad")

    assert next_work(ledger) == Work(new_tasks=("t",), whole_tasks=("bad",))


def test_a_call_that_ends_in_a_later_refresh_counts_for_that_refresh(ledger: Ledger) -> None:
    """Its answer is newer than the start of that refresh."""
    track(ledger, running("t", "a"), running("u"))
    ledger.start_refresh()
    ledger.asked_task("u")
    ledger.asked_jobs(["a"])

    assert ledger.work() == Work()


def test_an_event_that_arrives_during_a_call_prioritizes_its_job_again(ledger: Ledger) -> None:
    """The answer may be older than the end of the job."""
    track(ledger, running("t", "a", "b"))
    for event_comes in (False, True):
        ledger.observe_event(EndedJob("a"))
        ledger.asking(job_ids=["a", "b"])
        if event_comes:
            ledger.observe_event(EndedJob("a"))
        ask_jobs(ledger, ["a", "b"], Job("a", "HD", "Transcoding"), Job("b", "HD", "Transcoding"))
        assert [job_id for job_id, _ in next_work(ledger).prioritized_jobs] == (["a"] if event_comes else [])
