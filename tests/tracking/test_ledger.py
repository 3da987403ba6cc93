"""The ledger keeps its promises, whatever VOD answers, and in whatever order the answers arrive."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import Clock, growth
from tests.tracking.conftest import (
    HOUR,
    ask_jobs,
    ask_task,
    discover,
    done,
    finished_jobs,
    job_statuses,
    next_work,
    pass_retention,
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
    """Today such a task was unfinished for ten minutes, or for ever while its job was asked about by its id."""
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a", "b"], success("a"), Job("b", "HD", "TranscodeSkipped"))
    ask_task(ledger, Task("t", "video", "CompleteAllSucc", jobs=(success("a"), Job("b", "HD", "TranscodeSkipped"))))
    view = ledger.view()

    assert next_work(ledger) == Work()
    assert view.task_counts["CompleteAllSucc"] == 1
    assert view.totals.counters[Total.JOBS_FINISHED, ("HD", "unknown")] == 1
    assert finished_jobs(view) == 2


def test_each_unfinished_task_is_asked_whole_every_ten_minutes(ledger: Ledger, clock: Clock) -> None:
    """VOD may end a task without the end of its jobs, such as after a deletion of its video."""
    track(ledger, running("t", "a"), running("u", "b"))
    clock.now += 599
    before = next_work(ledger)
    clock.now += 1
    after = next_work(ledger)
    ask_task(ledger, running("t", "a"))

    assert before.overdue_tasks == ()
    assert after.overdue_tasks == ("t", "u")
    assert set(after.jobs) == {("a", "t"), ("b", "u")}
    assert next_work(ledger).overdue_tasks == ("u",)


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


def test_a_task_is_dropped_when_it_is_not_found_twice_in_a_row(ledger: Ledger) -> None:
    ledger.name("key", ["t", "u"], source="tasks")
    track(ledger, running("t", "a"), running("u", "b"))
    answers = [ledger.observe_not_found("t")]
    ask_task(ledger, running("t", "a"))
    answers += [ledger.observe_not_found("t"), ledger.observe_not_found("t"), ledger.observe_not_found("t")]
    ledger.name("key", ["t", "u"], source="tasks")

    assert answers == [False, False, True, False]
    assert next_work(ledger) == Work(jobs=(("b", "u"),))
    assert set(job_statuses(ledger)) == {"b"}


def test_at_the_limit_of_tasks_a_new_one_waits_until_another_leaves(
    clock: Clock, dropped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.tracking.ledger.MAX_TASKS", 2)
    ledger = Ledger(limits=Limits(retention=900.0), clock=clock, dropped=dropped.append)
    discover(ledger, done("t", "a"), running("u", "b"))
    ledger.name("key", ["v"], source="tasks")
    ledger.name("key", ["v"], source="tasks")
    with pytest.raises(StateError, match="tracked already"):
        ledger.register(["v"], source="api")
    reasons = list(dropped)
    ledger.name("key", [], source="tasks")
    pass_retention(ledger, clock)

    assert reasons == ["too_many"]
    assert ledger.register(["v"], source="api") == {"v": True}


@pytest.mark.parametrize("step", [-HOUR, 24 * HOUR])
def test_a_step_of_the_clock_loses_no_task_and_makes_old_data_stale(ledger: Ledger, clock: Clock, step: float) -> None:
    """The age of older data is unknown after a step, so they are not shown as current."""
    track(ledger, done("t", "a"), running("u", "b"))
    clock.now += step
    stepped = ledger.view()
    ask_jobs(ledger, ["b"], Job("b", "HD", "Transcoding"))

    assert stepped.stale_jobs == 1
    assert job_statuses(ledger)["b"] == "Transcoding"
    assert ledger.view().stale_jobs == 0
    assert next_work(ledger) == Work(jobs=(("b", "u"),), overdue_tasks=("u",))


def test_definitions_counted_by_name_are_bounded(ledger: Ledger) -> None:
    jobs = tuple(Job(f"j{number}", f"D{number}", "Transcoding") for number in range(500))
    track(ledger, Task("t", "video", "Processing", jobs=jobs))

    counts = ledger.view().job_counts
    assert len({definition for definition, _ in counts}) <= 51
    assert sum(counts.values()) == 500
    assert counts["other", "Transcoding"] == 461


@pytest.mark.no_cover
@pytest.mark.slow
def test_time_to_plan_and_view_grows_no_faster_than_the_jobs(clock: Clock) -> None:
    """A scan of all jobs for each job would take sixteen times as long for four times the jobs."""

    def reading(tasks: int) -> Callable[[], None]:
        ledger = Ledger(limits=Limits(retention=900.0), clock=clock)
        track_many(ledger, tasks=tasks, unfinished=tasks // 10)

        def read() -> None:
            work, view = next_work(ledger), ledger.view()
            assert len(work.jobs) == tasks // 10 * 4
            assert sum(view.job_counts.values()) == tasks * 4
            assert len(view.jobs) + view.truncated_jobs == tasks * 4

        return read

    assert growth(reading(1_500), reading(6_000), rounds=5) < 10


def track_many(ledger: Ledger, *, tasks: int, unfinished: int) -> None:
    ids = [f"t{number}" for number in range(tasks)]
    ledger.name("key", ids, source="tasks")
    for number, task_id in enumerate(ids):
        make = running if number < unfinished else done
        ledger.observe_task(task_id, make(task_id, *(f"{task_id}-{job}" for job in range(4))))


# Which tasks are tracked


def test_tasks_are_listed_in_the_order_of_their_arrival_after_a_restart_too(clock: Clock) -> None:
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    for task_id in ("c", "a", "b"):
        ledger.discover([task_id], source="discovery")
        clock.now += 1
    ledger.view()

    expected = [("c", "discovery", None), ("a", "discovery", None), ("b", "discovery", None)]
    assert ledger.tasks() == expected
    assert Ledger(store=store, clock=clock).tasks() == expected


def test_after_a_restart_only_unfinished_tasks_are_asked_about(clock: Clock) -> None:
    store = MemoryStore()
    first = Ledger(store=store, clock=clock)
    track(first, running("t", "a", "b"), done("u", "c"), running("v"))
    first.name("key", ["t", "u", "v", "w"], source="tasks")
    ask_jobs(first, ["a"], success("a"))
    shown = first.view()
    second = Ledger(store=store, clock=clock)

    assert shown.totals.counters[Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")] == 2
    assert next_work(second) == Work(new_tasks=("w",), whole_tasks=("v",), jobs=(("b", "t"),))
    assert second.view() == shown


def test_a_deleted_task_is_not_tracked_while_it_is_named_or_found(ledger: Ledger) -> None:
    track(ledger, running("t", "a"))
    answers = [ledger.delete("t"), ledger.delete("t"), ledger.delete("never heard of")]
    ledger.name("key", ["t"], source="tasks")
    ledger.discover(["t"], source="discovery")

    assert answers == [True, False, False]
    assert ledger.tasks() == []


def test_a_closed_ledger_refuses_registrations_and_deletions(clock: Clock) -> None:
    """A reload has replaced it, so the change would be lost."""
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    ledger.register(["t"], source="api")
    ledger.close()
    calls = (
        lambda: ledger.delete("t"),
        lambda: ledger.delete("unknown"),
        lambda: ledger.register(["t"], source="api"),
        lambda: ledger.register(["u"], source="api"),
    )
    for call in calls:
        with pytest.raises(StateError, match="try again"):
            call()

    assert ledger.tasks() == Ledger(store=store, clock=clock).tasks() == [("t", "api", None)]


def test_a_deleted_task_comes_back_when_another_key_names_it_or_it_is_registered(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "b"))
    for task_id in "tu":
        ledger.delete(task_id)
    registered = ledger.register(["t"], source="api")
    ledger.name("other", ["u"], source="files")

    assert registered == {"t": True}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "api"), ("u", "files")]


def test_a_registration_is_saved_before_it_returns(clock: Clock) -> None:
    store = MemoryStore()
    answer = Ledger(store=store, clock=clock).register(["t", "u", "t"], source="api")

    assert answer == {"t": True, "u": True}
    assert Ledger(store=store, clock=clock).tasks() == [("t", "api", None), ("u", "api", None)]


def test_registering_a_tracked_task_changes_nothing_and_a_finished_one_is_refused(ledger: Ledger, clock: Clock) -> None:
    track(ledger, running("t", "a"))
    discover(ledger, done("u", "b"))
    within = ledger.register(["t", "u"], source="api")
    pass_retention(ledger, clock)

    assert within == {"t": True, "u": True}
    assert ledger.register(["t", "u"], source="api") == {"t": True, "u": False}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "tasks")]


def test_a_job_shows_since_when_it_has_its_progress(ledger: Ledger, clock: Clock) -> None:
    started = clock.now
    since: list[float | None] = []
    for progress in (0.1, 0.1, 0.2, 0.2):
        job = Job("a", "HD", "Transcoding", progress)
        track(ledger, Task("t", "v", "Processing", jobs=(job,)))
        since.append(ledger.view().jobs[0].progress_since)
        clock.now += 60

    assert since == [started, started, started + 120, started + 120]
