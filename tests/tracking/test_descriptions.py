"""What VOD describes changes tasks and jobs as it should, in whatever order the answers arrive."""

from __future__ import annotations

import pytest

from exporter.model import Job, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.work import Work
from tests.conftest import Clock
from tests.tracking.conftest import (
    HOUR,
    ask_jobs,
    ask_task,
    discover,
    done,
    finished_jobs,
    job_statuses,
    next_work,
    running,
    success,
    track,
)


def test_late_answers_about_a_finished_task_change_nothing(ledger: Ledger) -> None:
    track(ledger, done("t", "a"))
    ask_task(ledger, running("t", "a", "late"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding"))
    ask_jobs(ledger, ["a"])
    gone = [ledger.observe_not_found("t") for _ in range(3)]

    assert next_work(ledger) == Work()
    assert gone == [False, False, False]
    assert job_statuses(ledger) == {"a": "TranscodeSuccess"}


@pytest.mark.parametrize("late", ["Transcoding", "Submitted", "", "TranscodeFail", "Unlisted"])
def test_a_finished_job_keeps_its_status(ledger: Ledger, late: str) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"], Job("a", "HD", late, 0.1))

    assert job_statuses(ledger) == {"a": "TranscodeSuccess", "b": "Transcoding"}


def test_a_finished_job_can_gain_details(ledger: Ledger) -> None:
    """An answer about the whole task often has more details than the answer by `JobIds`."""
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "TranscodeSuccess", 1.0, completed=5.0))

    assert next(one.job.completed for one in ledger.view().jobs if one.job.id == "a") == 5.0


def test_of_many_tasks_that_name_a_job_ten_that_are_tracked_can_inherit_it(ledger: Ledger) -> None:
    """Seen: each of any number of tasks was kept with the job, also after it had left."""
    discover(ledger, running("t", "a"), *(running(f"u{number}", "a") for number in range(20)))
    first = ledger._roster.jobs["a"].claimed_by
    for number in range(10):
        ledger.delete(f"u{number}")
    discover(ledger, *(running(f"v{number}", "a") for number in range(20)))
    second = ledger._roster.jobs["a"].claimed_by
    ledger.delete("t")

    assert first == tuple(f"u{number}" for number in range(10))
    assert second == tuple(f"v{number}" for number in range(10))
    assert ledger._roster.jobs["a"].task_id == "v0"


def test_a_job_belongs_to_the_task_that_named_it_first(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "a"))

    assert [(one.job.id, one.task_id) for one in ledger.view().jobs] == [("a", "t")]


def test_a_failed_task_without_jobs_is_finished(ledger: Ledger) -> None:
    track(ledger, Task("t", "video", "CompleteAllFail"))

    assert next_work(ledger) == Work()
    assert [one.task.status for one in ledger.view().tasks] == ["CompleteAllFail"]


def test_a_job_that_never_ends_is_asked_about_for_ten_minutes_after_its_task(ledger: Ledger, clock: Clock) -> None:
    """A job whose end VOD reports late has ten minutes."""
    track(ledger, Task("t", "video", "CompleteAllSucc", jobs=(success("a"), Job("b", "HD", "Transcoding"))))
    soon = next_work(ledger)
    clock.now += HOUR
    ask_jobs(ledger, ["b"], Job("b", "HD", "Transcoding"))
    after_a_step_of_the_clock = next_work(ledger)
    for _ in range(5):
        ask_jobs(ledger, ["b"], Job("b", "HD", "Transcoding"))

    assert soon == Work(jobs=(("b", "t"),))
    assert after_a_step_of_the_clock == Work(jobs=(("b", "t"),), overdue_tasks=("t",))
    assert next_work(ledger) == Work()
    assert job_statuses(ledger) == {"a": "TranscodeSuccess", "b": "Transcoding"}


@pytest.mark.parametrize("status", ["TranscodeSkipped", "", "Paused"])
def test_a_job_with_an_undocumented_status_has_its_task_asked_whole_at_once(ledger: Ledger, status: str) -> None:
    """Seen: TranscodeSkipped. Only the status of the task tells whether it is an end."""
    track(ledger, running("t", "a", "b"))
    ledger.start_refresh()
    ledger.observe_jobs(["a", "b"], [Job("a", "HD", status), Job("b", "HD", "Transcoding")])
    ledger.asked_jobs(["a", "b"])
    at_once = ledger.work()
    ask_task(ledger, Task("t", "video", "Processing", jobs=(Job("a", "HD", status), Job("b", "HD", "Transcoding"))))
    later = next_work(ledger)
    ask_jobs(ledger, ["a", "b"], Job("a", "HD", status), success("b"))

    assert at_once == Work(whole_tasks=("t",))
    assert set(later.jobs) == {("a", "t"), ("b", "t")}
    assert next_work(ledger) == Work(whole_tasks=("t",))


def test_a_task_that_vod_calls_complete_is_complete_in_spite_of_an_undocumented_job(ledger: Ledger) -> None:
    """Seen: such a task was unfinished for ten minutes, or for ever while its job was asked about by its id."""
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a", "b"], success("a"), Job("b", "HD", "TranscodeSkipped"))
    ask_task(ledger, Task("t", "video", "CompleteAllSucc", jobs=(success("a"), Job("b", "HD", "TranscodeSkipped"))))
    view = ledger.view()

    assert next_work(ledger) == Work()
    assert view.task_counts["CompleteAllSucc"] == 1
    assert view.totals.counters[Total.JOBS_FINISHED, ("HD", "unknown")] == 1
    assert finished_jobs(view) == 2


def test_a_task_with_a_final_status_is_finished_with_its_last_job(ledger: Ledger) -> None:
    track(ledger, running("t", "a", status="CompleteAllSucc"))
    ask_jobs(ledger, ["a"], success("a"))

    assert next_work(ledger) == Work()


def test_a_job_missing_by_id_is_looked_for_in_its_task_and_stays_if_it_is_there(ledger: Ledger) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a", "b"], Job("b", "HD", "Transcoding"))
    looked_for = next_work(ledger)
    ask_task(ledger, running("t", "a", "b"))

    assert looked_for == Work(whole_tasks=("t",))
    assert set(next_work(ledger).jobs) == {("a", "t"), ("b", "t")}


@pytest.mark.parametrize("by_id", [True, False])
def test_an_unfinished_job_leaves_when_two_answers_leave_it_out(ledger: Ledger, *, by_id: bool) -> None:
    track(ledger, running("t", "a", "b"))
    if by_id:
        ask_jobs(ledger, ["a", "b"], Job("b", "HD", "Transcoding"))
    else:
        ask_task(ledger, running("t", "b"))
    once, work = set(job_statuses(ledger)), next_work(ledger)
    ask_task(ledger, running("t", "b"))

    assert once == {"a", "b"}
    assert work == Work(whole_tasks=("t",))
    assert set(job_statuses(ledger)) == {"b"}


def test_a_finished_job_stays_as_long_as_its_task(ledger: Ledger) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"])
    assert next_work(ledger) == Work(jobs=(("b", "t"),))
    for _ in range(3):
        ask_jobs(ledger, ["a"])
        ask_task(ledger, running("t", "b"))

    assert job_statuses(ledger)["a"] == "TranscodeSuccess"


def test_a_job_shows_since_when_it_has_its_progress(ledger: Ledger, clock: Clock) -> None:
    started = clock.now
    since: list[float | None] = []
    for progress in (0.1, 0.1, 0.2, 0.2):
        job = Job("a", "HD", "Transcoding", progress)
        track(ledger, Task("t", "v", "Processing", jobs=(job,)))
        since.append(ledger.view().jobs[0].progress_since)
        clock.now += 60

    assert since == [started, started, started + 120, started + 120]


@pytest.fixture
def two_jobs_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.tracking.roster.MAX_JOBS", 2)


@pytest.mark.usefixtures("two_jobs_fit")
def test_a_task_whose_jobs_do_not_fit_waits_until_another_ends_and_then_counts(
    clock: Clock, dropped: list[str]
) -> None:
    ledger = Ledger(clock=clock, dropped=dropped.append)
    track(ledger, running("t", "a", "b"), done("u", "c", "d"))
    ask_task(ledger, done("u", "c", "d"))
    before, early = ledger.view(), next_work(ledger)
    clock.now += 61
    late = next_work(ledger)
    ask_task(ledger, done("t", "a", "b"))
    ask_task(ledger, done("u", "c", "d"))

    assert dropped == ["too_many"]
    assert (finished_jobs(before), before.task_counts["Partial"]) == (0, 1)
    assert (early.whole_tasks, late.whole_tasks) == ((), ("u",))
    assert finished_jobs(ledger.view()) == 4
    assert next_work(ledger) == Work()


@pytest.mark.usefixtures("two_jobs_fit")
def test_the_jobs_of_tasks_that_finished_first_make_room(ledger: Ledger, clock: Clock) -> None:
    for number, task_id in enumerate("tuv"):
        clock.now += 1
        track(ledger, done(task_id, str(number)))

    assert list(ledger._roster.jobs) == ["1", "2"]
    assert [task.finished_at is not None for task in ledger._roster.tasks.values()] == [True] * 3
    assert finished_jobs(ledger.view()) == 3


@pytest.mark.usefixtures("two_jobs_fit")
def test_a_task_that_has_jobs_gets_its_others_too(ledger: Ledger) -> None:
    """Otherwise two tasks with a job each, which both need another one, would wait for ever."""
    track(ledger, running("t", "a"), running("u", "b"))
    ask_task(ledger, running("t", "a", "c"))
    ask_task(ledger, running("u", "b", "d", "e"))

    assert list(ledger._roster.jobs) == ["a", "b", "c"]


@pytest.mark.usefixtures("two_jobs_fit")
def test_a_job_that_a_new_task_shares_with_a_finished_one_stays(ledger: Ledger) -> None:
    track(ledger, done("t", "a", "b"), done("u", "a", "c"))

    assert ledger._roster.jobs["a"].task_id == "u"
    assert finished_jobs(ledger.view()) == 3
