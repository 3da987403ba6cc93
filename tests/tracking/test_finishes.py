"""Each finish is counted once, whatever VOD answers, in whatever order, and over restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.model import EndedJob, Job, Output, Stream, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.work import Work
from tests.conftest import NOW
from tests.tracking.conftest import running
from tests.tracking.counting import (
    DAY,
    DURATIONS,
    HOUR,
    ONE_JOB,
    ONE_OUTPUT,
    ONE_TASK,
    OUTPUT,
    Account,
    counted,
    done,
    job,
)


def test_a_finish_adds_to_every_total_it_belongs_to(account: Account) -> None:
    before = counted(account.sees(running("t", "a")))
    at = account.clock.now + 60

    assert before == {}
    assert counted(account.asks(done("t", "a", at=at))) == ONE_TASK | ONE_JOB | DURATIONS


def test_repeated_late_and_contradictory_answers_count_nothing(account: Account) -> None:
    account.sees(running("t", "a", "b"))
    for status in ("TranscodeSuccess", "Transcoding", "TranscodeFail", "TranscodeSuccess", ""):
        account.ledger.observe_jobs(["a"], [Job("a", "HD", status, output=OUTPUT)])
        account.asks(running("t", "a", "b"))
    once = account.counted()
    for _ in range(3):
        account.asks(done("t", "a", "b"), running("t", "a", "b"))
        account.ledger.observe_jobs(["a", "b"], [job("a"), job("b")])

    assert once == ONE_JOB
    assert account.counted() == {"tasks_finished": 1, "jobs_finished": 2} | {
        name: 2 * amount for name, amount in ONE_OUTPUT.items()
    }


def test_a_failure_counts_by_its_code_and_without_an_output(account: Account) -> None:
    failed = Job("a", "HD", "TranscodeFail", error_code="InvalidParameter.ResourceContentBad", output=OUTPUT)
    view = account.sees(Task("t", status="CompleteAllFail", jobs=(failed,)))

    assert view.totals.counters[Total.JOB_FAILURES, ("HD", "InvalidParameter.ResourceContentBad")] == 1
    assert counted(view) == {"tasks_finished": 1, "task_failures": 1, "jobs_finished": 1, "job_failures": 1}


def test_an_output_is_billed_by_its_codec_and_size_unless_its_template_is_configured() -> None:
    ledger = Ledger(templates={"narrow": "H264.SD.NarrowBandHDV1"})
    output = Output(duration=60.0, width=1280, height=720, streams=(Stream("video", "0", "h264"),))
    jobs = (
        Job("a", "HD", "TranscodeSuccess", template_id="usual", output=output),
        Job("b", "HD", "TranscodeSuccess", template_id="narrow", output=output),
        Job("c", "HD", "TranscodeFail", template_id="narrow", output=output),
        Job("d", "HD", "TranscodeSuccess", output=replace(output, duration=None)),
        Job("e", "HD", "TranscodeSuccess", output=OUTPUT),
    )
    ledger.name("configuration", ["t"], source="tasks")
    ledger.observe_task("t", Task("t", status="CompletePartialSucc", jobs=jobs))

    counters = ledger.view().totals.counters
    billed = {labels[0]: value for (total, labels), value in counters.items() if total == Total.BILLED}
    assert billed == {"H264.SD": 60.0, "H264.SD.NarrowBandHDV1": 60.0, "unknown": 60.0}


def test_a_task_that_is_found_again_after_it_left_is_not_counted_twice(account: Account) -> None:
    task = done("t", "a", at=NOW + 10)
    account.sees(task)
    for _ in range(30):
        account.waits(HOUR)
        account.sees(task)
        account.restart()

    assert account.counted() == ONE_TASK | ONE_JOB | DURATIONS
    assert account.ledger.tasks() == []


def test_a_task_that_is_named_after_it_was_counted_is_shown_again_and_not_counted(account: Account) -> None:
    task = done("t", "a", at=NOW + 10)
    before = account.sees(task).totals
    account.waits(HOUR)
    account.ledger.name("key", ["t"], source="tasks")
    shown = account.asks(running("t", "a"), task)
    account.restart()
    account.ledger.observe_event(EndedJob("a", processing=5.0))

    assert [one.job.id for one in shown.jobs] == ["a"]
    assert account.ledger.view().totals == shown.totals == before


@pytest.mark.parametrize("task", [done("t", "a", at=NOW - 1), Task("t", status="CompleteAllFail", created=NOW - 9)])
def test_a_task_that_ended_before_the_state_was_created_is_shown_and_not_counted(account: Account, task: Task) -> None:
    """Otherwise each start without a state would count it again."""
    view = account.sees(task)

    assert counted(view) == {}
    assert view.tracked_tasks == {"discovery": 1}


def test_an_old_task_with_a_job_that_never_ends_is_not_counted(account: Account) -> None:
    old = done("t", "a", at=NOW - 1)
    unending = Task(
        old.id, status=old.status, completed=old.completed, jobs=(*old.jobs, Job("b", "HD", "TranscodeAborted"))
    )
    account.sees(unending)
    account.clock.now += 700
    view = account.asks(unending)

    assert account.ledger.work() == Work()
    assert counted(view) == {}


def test_jobs_that_end_now_are_counted_even_if_their_task_is_older_than_the_state(account: Account) -> None:
    old = job("a", at=NOW - 60)
    account.sees(Task("t", status="Partial", created=NOW - 99, jobs=(old, Job("b", "HD", "Transcoding"))))
    view = account.asks(Task("t", status="CompleteAllSucc", created=NOW - 99, jobs=(old, job("b"))))

    assert counted(view) == ONE_TASK | ONE_JOB | {"task_first_output": 1}


def test_a_task_that_ended_longer_ago_than_the_state_remembers_is_not_counted(account: Account) -> None:
    """A task may leave the configuration for a month and come back."""
    account.ledger.name("key", ["t"], source="tasks")
    before = counted(account.asks(done("t", "a", at=NOW + 10)))
    account.ledger.name("key", [], source="tasks")
    account.waits(30 * DAY)
    account.sees(running("another"))
    account.waits(30 * DAY)
    account.sees(running("yet another"))
    assert account.store.remembered("", ["t"]) == {}
    account.ledger.name("key", ["t"], source="tasks")
    view = account.asks(done("t", "a", at=NOW + 10))

    assert counted(view) == before
    assert [one.task.id for one in view.tasks if one.task.finished] == ["t"]


@pytest.mark.parametrize("step", [-HOUR, DAY])
@pytest.mark.parametrize("back", [False, True])
def test_when_the_clock_steps_nothing_is_counted_twice(account: Account, step: float, *, back: bool) -> None:
    task = done("t", "a", at=NOW + 10)
    account.clock.now += HOUR
    account.sees(task, running("u", "b"))
    for seconds in (step, -step if back else 0.0, HOUR, HOUR):
        account.waits(seconds)
        account.restart()
        account.sees(task, running("u", "b"))
    account.asks(done("u", "b"))

    assert account.counted()["tasks_finished"] == account.counted()["jobs_finished"] == 2


def test_after_the_clock_was_set_back_a_finished_task_stays_for_one_retention(account: Account) -> None:
    account.clock.now += DAY
    account.sees(done("t", "a"))
    account.waits(-DAY)

    assert account.waits(899).tracked_tasks == {"discovery": 1}
    assert account.waits(2).tracked_tasks == {}


# A job of two tasks


def test_a_job_of_two_tasks_is_counted_once_after_the_first_task_has_left(account: Account) -> None:
    account.sees(running("t", "a"), running("u", "a", "b"))
    account.asks(done("t", "a"))
    account.restart()
    account.waits(901)
    after = [(one.job.id, one.task_id) for one in account.ledger.view().jobs]
    account.asks(running("u", "a", "b"), done("u", "a", "b"))

    assert [task_id for task_id, *_ in account.ledger.tasks()] == ["u"]
    assert after == [("a", "u")]
    assert account.counted()["jobs_finished"] == 2
    assert account.counted()["tasks_finished"] == 2


def test_a_job_of_two_tasks_is_counted_once_whichever_task_reports_its_end(account: Account) -> None:
    account.sees(running("t", "a"), running("u", "a"))
    view = account.asks(done("u", "a"))
    assert counted(view) == ONE_TASK | ONE_JOB
    assert account.ledger.work().whole_tasks == ("t",)
    account.asks(done("t", "a"))
    account.waits(901)
    account.sees(done("t", "a"), done("u", "a"))

    assert account.counted() == {**ONE_JOB, "tasks_finished": 2}
    assert account.ledger.view().jobs == ()


def test_a_job_that_changes_its_task_while_it_runs_is_counted_once(account: Account) -> None:
    account.sees(running("t", "a", "b"), running("u", "a"))
    account.asks(running("t", "b"), running("u", "a"), running("t", "b"), running("t", "b"))
    account.asks(done("u", "a"), done("t", "b"))

    assert account.counted()["jobs_finished"] == 2


def test_a_job_of_a_deleted_task_is_asked_about_for_the_other_task(account: Account) -> None:
    account.sees(running("t", "a"), running("u", "a"))
    account.ledger.observe_event(EndedJob("a", processing=5.0))
    account.ledger.delete("t")
    account.ledger.start_refresh()
    assert account.ledger.work().prioritized_jobs == (("a", "u"),)
    account.asks(done("u", "a"))
    account.ledger.observe_event(EndedJob("a", processing=5.0))

    assert account.counted() == ONE_TASK | ONE_JOB | {"job_processing": 1}


# Given up, and back


def test_a_task_that_was_given_up_and_comes_back_counts_nothing(account: Account) -> None:
    """Some of its jobs may be counted already, and the task itself is counted as dropped."""
    account.sees(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a")])
    account.ledger.delete("t")
    answer = account.ledger.register(["t"], source="api")
    account.restart()
    view = account.asks(done("t", "a", "b"))

    assert answer == {"t": True}
    assert len(view.jobs) == 2
    assert counted(view) == ONE_JOB


def test_a_task_that_was_not_found_at_first_is_counted_when_it_is_found(account: Account) -> None:
    account.ledger.register(["t"], source="api")
    for _ in range(2):
        account.ledger.observe_not_found("t")
    account.ledger.view()

    assert counted(account.sees(done("t", "a"))) == ONE_TASK | ONE_JOB


# Details that VOD reports later


def test_an_output_that_is_reported_after_the_finish_is_counted_once(account: Account) -> None:
    account.sees(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a", output=None)])
    without = account.counted()
    account.restart()
    for _ in range(2):
        account.ledger.observe_jobs(["a"], [job("a")])
        account.ledger.view()
        account.restart()

    assert without == {"jobs_finished": 1}
    assert account.counted() == ONE_JOB


def test_an_output_that_an_answer_leaves_out_is_kept(account: Account) -> None:
    account.sees(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a")])
    account.ledger.observe_jobs(["a"], [job("a", at=NOW + 9, output=None)])
    account.ledger.view()
    account.restart()

    (shown,) = [one.job for one in account.ledger.view().jobs if one.job.finished]
    assert shown == job("a", at=NOW + 9)
