"""The ledger: whatever the service says, and in whatever order, its promises hold."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.errors import StateError
from exporter.model import Job, Task
from exporter.snapshot import LedgerView, Total
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.view import Limits
from exporter.tracking.work import Work
from tests.conftest import Clock
from tests.tracking.conftest import FailingStore, done, running, success

HOUR = 3600.0


@pytest.fixture
def dropped() -> list[str]:
    """The reasons told."""
    return []


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    """Shows for 15 minutes what has finished."""
    made = Ledger(limits=Limits(retention=900.0), clock=clock)
    made.start_refresh()
    return made


def track(ledger: Ledger, *tasks: Task) -> None:
    ledger.name("key", [task.id for task in tasks], source="tasks")
    for task in tasks:
        ask_task(ledger, task)


def discover(ledger: Ledger, *tasks: Task) -> None:
    ledger.discover([task.id for task in tasks], source="discovery")
    for task in tasks:
        ask_task(ledger, task)


def over(ledger: Ledger, clock: Clock) -> None:
    """The retention passes."""
    ledger.view()
    clock.now += 901
    ledger.view()


def finished_jobs(view: LedgerView) -> float:
    return sum(count for (total, _), count in view.totals.counters.items() if total == Total.JOBS_FINISHED)


def ask_task(ledger: Ledger, task: Task) -> None:
    ledger.start_refresh()
    ledger.observe_task(task.id, task)
    ledger.asked_task(task.id)


def ask_jobs(ledger: Ledger, asked: Sequence[str], *seen: Job) -> None:
    ledger.start_refresh()
    ledger.observe_jobs(asked, seen)
    ledger.asked_jobs(asked)


def next_work(ledger: Ledger) -> Work:
    ledger.start_refresh()
    return ledger.work()


def statuses(ledger: Ledger) -> dict[str, str]:
    return {one.job.id: one.job.status for one in ledger.view().jobs}


def test_a_named_task_is_new_work_once_then_its_unfinished_jobs_are(ledger: Ledger) -> None:
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


def test_a_finished_task_costs_nothing_whatever_comes_late(ledger: Ledger) -> None:
    track(ledger, done("t", "a"))
    ask_task(ledger, running("t", "a", "late"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding"))
    ask_jobs(ledger, ["a"])
    gone = [ledger.observe_not_found("t") for _ in range(3)]

    assert next_work(ledger) == Work()
    assert gone == [False, False, False]
    assert statuses(ledger) == {"a": "TranscodeSuccess"}


@pytest.mark.parametrize("late", ["Transcoding", "Submitted", "", "TranscodeFail", "Odd"])
def test_a_job_stays_as_it_first_finished(ledger: Ledger, late: str) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"], Job("a", "HD", late, 0.1))

    assert statuses(ledger) == {"a": "TranscodeSuccess", "b": "Transcoding"}


def test_a_finished_job_may_still_gain_detail(ledger: Ledger) -> None:
    """The whole task often tells more than the call that saw the job finish."""
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "TranscodeSuccess", 1.0, completed=5.0))

    assert next(one.job.completed for one in ledger.view().jobs if one.job.id == "a") == 5.0


def test_a_job_belongs_to_the_task_that_named_it_first(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "a"))

    assert [(one.job.id, one.task_id) for one in ledger.view().jobs] == [("a", "t")]


def test_a_task_without_an_id_for_its_jobs_is_asked_whole_until_it_ends(ledger: Ledger) -> None:
    track(ledger, running("t", ""))
    asked = next_work(ledger)
    ask_task(ledger, done("t", ""))

    assert asked == Work(whole_tasks=("t",))
    assert next_work(ledger) == Work()
    assert ledger.view().jobs == ()


def test_a_task_whose_source_is_bad_has_no_jobs_and_is_finished(ledger: Ledger) -> None:
    track(ledger, Task("t", "video", "CompleteAllFail"))

    assert next_work(ledger) == Work()
    assert [one.task.status for one in ledger.view().tasks] == ["CompleteAllFail"]


def test_a_job_that_never_ends_is_asked_about_until_its_task_has_been_over_for_a_while(
    ledger: Ledger, clock: Clock
) -> None:
    """A status that is new to us may be final; a job that lags behind its task has time to catch up."""
    track(ledger, Task("t", "video", "CompleteAllSucc", jobs=(success("a"), Job("b", "HD", "TranscodeAborted"))))
    soon = next_work(ledger)
    clock.now += HOUR
    ask_jobs(ledger, ["b"], Job("b", "HD", "TranscodeAborted"))
    after_a_step_of_the_clock = next_work(ledger)
    for _ in range(5):
        ask_jobs(ledger, ["b"], Job("b", "HD", "TranscodeAborted"))

    assert soon == after_a_step_of_the_clock == Work(jobs=(("b", "t"),))
    assert next_work(ledger) == Work()
    assert statuses(ledger) == {"a": "TranscodeSuccess", "b": "TranscodeAborted"}


def test_a_task_that_ended_first_is_over_with_its_last_job(ledger: Ledger) -> None:
    track(ledger, running("t", "a", status="CompleteAllSucc"))
    ask_jobs(ledger, ["a"], success("a"))

    assert next_work(ledger) == Work()


def test_a_job_left_out_by_id_is_looked_for_in_its_task_and_stays_if_told_there(ledger: Ledger) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a", "b"], Job("b", "HD", "Transcoding"))
    looked_for = next_work(ledger)
    ask_task(ledger, running("t", "a", "b"))

    assert looked_for == Work(whole_tasks=("t",))
    assert set(next_work(ledger).jobs) == {("a", "t"), ("b", "t")}


@pytest.mark.parametrize("by_id", [True, False])
def test_an_unfinished_job_is_forgotten_when_left_out_twice(ledger: Ledger, *, by_id: bool) -> None:
    track(ledger, running("t", "a", "b"))
    if by_id:
        ask_jobs(ledger, ["a", "b"], Job("b", "HD", "Transcoding"))
    else:
        ask_task(ledger, running("t", "b"))
    once, work = set(statuses(ledger)), next_work(ledger)
    ask_task(ledger, running("t", "b"))

    assert once == {"a", "b"}
    assert work == Work(whole_tasks=("t",))
    assert set(statuses(ledger)) == {"b"}


def test_a_finished_job_is_never_forgotten_before_its_task(ledger: Ledger) -> None:
    track(ledger, running("t", "a", "b"))
    ask_jobs(ledger, ["a"], success("a"))
    ask_jobs(ledger, ["a"])
    assert next_work(ledger) == Work(jobs=(("b", "t"),))
    for _ in range(3):
        ask_jobs(ledger, ["a"])
        ask_task(ledger, running("t", "b"))

    assert statuses(ledger)["a"] == "TranscodeSuccess"


def test_a_task_is_dropped_when_it_is_not_found_twice_in_a_row(ledger: Ledger) -> None:
    ledger.name("key", ["t", "u"], source="tasks")
    track(ledger, running("t", "a"), running("u", "b"))
    answers = [ledger.observe_not_found("t")]
    ask_task(ledger, running("t", "a"))
    answers += [ledger.observe_not_found("t"), ledger.observe_not_found("t"), ledger.observe_not_found("t")]
    ledger.name("key", ["t", "u"], source="tasks")

    assert answers == [False, False, True, False]
    assert next_work(ledger) == Work(jobs=(("b", "u"),))
    assert set(statuses(ledger)) == {"b"}


def test_what_was_asked_longest_ago_comes_first(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "b"), running("v"), running("w"))
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding"))
    ledger.asked_task("v")

    work = next_work(ledger)
    assert [job_id for job_id, _ in work.jobs] == ["b", "a"]
    assert work.whole_tasks == ("w", "v")


def test_a_new_task_that_failed_is_new_no_more(ledger: Ledger) -> None:
    """Or it would come before everything else, refresh after refresh."""
    ledger.name("key", ["bad", "t"], source="tasks")
    ledger.asked_task("bad")

    assert next_work(ledger) == Work(new_tasks=("t",), whole_tasks=("bad",))


def test_a_call_that_outlives_its_refresh_counts_for_the_next_too(ledger: Ledger) -> None:
    """What it told is newer than the beginning of that refresh."""
    track(ledger, running("t", "a"), running("u"))
    ledger.start_refresh()
    ledger.asked_task("u")
    ledger.asked_jobs(["a"])

    assert ledger.work() == Work()


def test_an_event_that_comes_while_its_job_is_asked_about_is_not_forgotten(ledger: Ledger) -> None:
    """The answer may have been on its way before the job ended."""
    track(ledger, running("t", "a", "b"))
    for event_comes in (False, True):
        ledger.observe_event("a", processing=None)
        ledger.asking(job_ids=["a", "b"])
        if event_comes:
            ledger.observe_event("a", processing=None)
        ask_jobs(ledger, ["a", "b"], Job("a", "HD", "Transcoding"), Job("b", "HD", "Transcoding"))
        assert [one for one, _ in next_work(ledger).prioritized_jobs] == (["a"] if event_comes else [])


def test_progress_survives_an_orderly_end(clock: Clock) -> None:
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    track(ledger, running("t", "a"))
    ledger.view()
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding", 0.95))
    ledger.view()
    ledger.close()

    assert [one.job.progress for one in Ledger(store=store, clock=clock).view().jobs] == [0.95]


def test_a_closed_ledger_gives_the_store_nothing_more(clock: Clock) -> None:
    """Another one may have loaded what it gave, and gone on."""
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    track(ledger, running("t", "a"))
    ledger.close()
    track(ledger, done("u", "b"))
    view = ledger.view()

    assert finished_jobs(view) == 1
    assert finished_jobs(Ledger(store=store, clock=clock).view()) == 0


def test_within_a_refresh_what_was_asked_longest_ago_comes_first_too(ledger: Ledger) -> None:
    """A refresh may be cut off after any call, and the next goes on where it was."""
    track(ledger, running("t", "a", "b", "c", "d"))
    ledger.start_refresh()
    for job_id in ("c", "a", "d", "b"):
        ledger.asked_jobs([job_id])

    assert [job_id for job_id, _ in next_work(ledger).jobs] == ["c", "a", "d", "b"]


def test_past_the_bound_a_task_is_not_tracked_before_another_leaves(
    clock: Clock, dropped: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.tracking.ledger.MAX_TASKS", 2)
    ledger = Ledger(limits=Limits(retention=900.0), clock=clock, dropped=dropped.append)
    discover(ledger, done("t", "a"), running("u", "b"))
    ledger.name("key", ["v"], source="tasks")
    ledger.name("key", ["v"], source="tasks")
    with pytest.raises(StateError, match="tracked already"):
        ledger.register(["v"], source="api")
    told = list(dropped)
    ledger.name("key", [], source="tasks")
    over(ledger, clock)

    assert told == ["too_many"]
    assert ledger.register(["v"], source="api") == {"v": True}


def test_a_finished_task_is_forgotten_after_the_retention(ledger: Ledger, clock: Clock) -> None:
    track(ledger, done("t", "a"), running("u", "b"))
    ledger.name("key", [], source="tasks")
    clock.now += 899
    within = ledger.view().tracked_tasks
    clock.now += 2

    assert within == {"tasks": 2}
    assert ledger.view().tracked_tasks == {"tasks": 1}
    assert next_work(ledger) == Work(jobs=(("b", "u"),))


def test_a_finished_task_stays_as_long_as_it_is_named(ledger: Ledger, clock: Clock) -> None:
    track(ledger, done("t", "a"))
    ledger.name("other key", ["t"], source="videos")
    ledger.name("key", [], source="tasks")
    clock.now += 48 * HOUR
    named = set(statuses(ledger))
    ledger.name("other key", [], source="videos")

    assert named == {"a"}
    assert statuses(ledger) == {}


def test_an_unfinished_task_is_followed_to_its_end_though_no_longer_named(ledger: Ledger, clock: Clock) -> None:
    """A video's list may drop it; a finish that nobody sees would never be counted."""
    track(ledger, running("t", "a"))
    ledger.name("key", [], source="tasks")
    clock.now += 48 * HOUR
    ledger.view()

    assert next_work(ledger) == Work(jobs=(("a", "t"),))


@pytest.mark.parametrize("step", [-HOUR, 24 * HOUR])
def test_the_clock_may_step(ledger: Ledger, clock: Clock, step: float) -> None:
    """Nothing unfinished is lost, what is finished stays so, and data of unknown age does not pass for new."""
    track(ledger, done("t", "a"), running("u", "b"))
    clock.now += step
    stepped = ledger.view()
    ask_jobs(ledger, ["b"], Job("b", "HD", "Transcoding"))

    assert stepped.stale_jobs == 1
    assert statuses(ledger)["b"] == "Transcoding"
    assert ledger.view().stale_jobs == 0
    assert next_work(ledger) == Work(jobs=(("b", "u"),))


def test_definitions_counted_by_name_are_bounded(ledger: Ledger) -> None:
    jobs = tuple(Job(f"j{number}", f"D{number}", "Transcoding") for number in range(500))
    track(ledger, Task("t", "video", "Processing", jobs=jobs))

    counts = ledger.view().job_counts
    assert len({definition for definition, _ in counts}) <= 51
    assert sum(counts.values()) == 500
    assert counts["other", "Transcoding"] == 460


def test_a_hundred_thousand_jobs_are_looked_at_in_no_time(ledger: Ledger) -> None:
    """Measured: 10 ms for the work, 0.1 s for the view, on one core of 2020; a scan for each job would be minutes."""
    track_many(ledger, tasks=25_000, unfinished=250)
    ledger.view()
    started = time.thread_time()  # other processes may keep the machine busy
    work, view = next_work(ledger), ledger.view()
    took = time.thread_time() - started

    assert len(work.jobs) == 1000
    assert (len(view.jobs), view.truncated_jobs, sum(view.job_counts.values())) == (5000, 95_000, 100_000)
    assert took < 2.0


def track_many(ledger: Ledger, *, tasks: int, unfinished: int) -> None:
    ids = [f"t{number}" for number in range(tasks)]
    ledger.name("key", ids, source="tasks")
    for number, task_id in enumerate(ids):
        make = running if number < unfinished else done
        ledger.observe_task(task_id, make(task_id, *(f"{task_id}-{job}" for job in range(4))))


# What is tracked, and what is remembered


def test_tasks_are_listed_in_the_order_in_which_they_came_also_after_a_restart(clock: Clock) -> None:
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    for task_id in ("c", "a", "b"):
        ledger.discover([task_id], source="discovery")
        clock.now += 1
    ledger.view()

    expected = [("c", "discovery", None), ("a", "discovery", None), ("b", "discovery", None)]
    assert ledger.tasks() == expected
    assert Ledger(store=store, clock=clock).tasks() == expected


def test_after_a_restart_what_is_unfinished_is_asked_again_and_what_is_finished_is_not(clock: Clock) -> None:
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


def test_what_was_found_again_after_it_was_over_and_no_longer_shown_is_not_tracked(
    ledger: Ledger, clock: Clock
) -> None:
    discover(ledger, done("t", "a"))
    over(ledger, clock)
    ledger.discover(["t", "t", "u"], source="discovery")

    assert [task_id for task_id, *_ in ledger.tasks()] == ["u"]


def test_what_is_unfinished_for_too_long_is_given_up_told_and_not_found_again(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(limits=Limits(give_up_after=HOUR), clock=clock, dropped=dropped.append)
    discover(ledger, running("t", "a"))
    track(ledger, running("named", "b"))
    clock.now += HOUR
    ledger.view()
    before = list(dropped)
    clock.now += 1
    ledger.view()
    ledger.discover(["t"], source="discovery")

    assert (before, dropped) == ([], ["given_up"])
    assert [task_id for task_id, *_ in ledger.tasks()] == ["named"]
    ledger.name("key", ["t"], source="tasks")
    assert [task_id for task_id, *_ in ledger.tasks()] == ["named", "t"]


def test_an_answer_that_comes_after_its_task_was_given_up_changes_nothing(ledger: Ledger, clock: Clock) -> None:
    discover(ledger, running("t", "a"))
    clock.now += 8 * 24 * HOUR
    before = ledger.view()
    ask_task(ledger, done("t", "a"))
    ask_jobs(ledger, ["a"], success("a"))

    assert before.tracked_tasks == {}
    assert ledger.view() == before
    assert ledger.observe_not_found("t") is False
    assert ledger.observe_event("a", processing=None) is False


def test_what_ended_while_no_exporter_ran_is_asked_about_before_it_is_given_up(
    clock: Clock, dropped: list[str]
) -> None:
    """The account may have been out of the configuration for a month."""
    store = MemoryStore()
    first = Ledger(store=store, clock=clock)
    discover(first, running("t", "a"), running("u", "b"))
    first.view()
    clock.now += 30 * 24 * HOUR
    second = Ledger(store=store, clock=clock, dropped=dropped.append)
    second.view()
    waiting = next_work(second)
    ask_task(second, done("t", "a"))
    ask_jobs(second, ["b"], Job("b", "HD", "Transcoding"))
    second.view()

    assert waiting.jobs == (("a", "t"), ("b", "u"))
    assert dropped == ["given_up"]
    assert [task_id for task_id, *_ in second.tasks()] == ["t"]


def test_a_deleted_task_stays_away_as_long_as_it_is_named_and_when_found(ledger: Ledger) -> None:
    track(ledger, running("t", "a"))
    answers = [ledger.delete("t"), ledger.delete("t"), ledger.delete("never heard of")]
    ledger.name("key", ["t"], source="tasks")
    ledger.discover(["t"], source="discovery")

    assert answers == [True, False, False]
    assert ledger.tasks() == []


def test_a_deleted_task_comes_back_when_it_is_named_anew_or_registered(ledger: Ledger) -> None:
    track(ledger, running("t", "a"), running("u", "b"))
    for task_id in "tu":
        ledger.delete(task_id)
    registered = ledger.register(["t"], source="api")
    ledger.name("other", ["u"], source="files")

    assert registered == {"t": True}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "api"), ("u", "files")]


def test_what_was_deleted_is_told_once_finished_or_not(clock: Clock, dropped: list[str]) -> None:
    ledger = Ledger(clock=clock, dropped=dropped.append)
    track(ledger, running("t", "a"), done("u", "b"))
    for task_id in ("t", "u", "t"):
        ledger.delete(task_id)

    assert dropped == ["deleted"]


def test_a_task_that_is_registered_before_the_service_knows_it_can_still_be_found(
    ledger: Ledger, clock: Clock, dropped: list[str]
) -> None:
    ledger.register(["t"], source="api")
    ledger.observe_not_found("t")
    assert ledger.observe_not_found("t") is True
    ledger.view()
    ledger.discover(["t"], source="discovery")
    assert ledger.work().new_tasks == ("t",)


def test_a_registration_is_kept_before_it_returns(clock: Clock) -> None:
    store = MemoryStore()
    answer = Ledger(store=store, clock=clock).register(["t", "u", "t"], source="api")

    assert answer == {"t": True, "u": True}
    assert Ledger(store=store, clock=clock).tasks() == [("t", "api", None), ("u", "api", None)]


def test_a_registration_of_what_is_tracked_is_repeated_without_effect_and_one_of_what_is_over_refused(
    ledger: Ledger, clock: Clock
) -> None:
    track(ledger, running("t", "a"))
    discover(ledger, done("u", "b"))
    within = ledger.register(["t", "u"], source="api")
    over(ledger, clock)

    assert within == {"t": True, "u": True}
    assert ledger.register(["t", "u"], source="api") == {"t": True, "u": False}
    assert [(task_id, source) for task_id, source, _ in ledger.tasks()] == [("t", "tasks")]


# A store that fails


@pytest.fixture
def failing() -> FailingStore:
    return FailingStore()


def test_a_registration_that_is_not_kept_tracks_nothing_and_loses_nothing(failing: FailingStore, clock: Clock) -> None:
    ledger = Ledger(store=failing, clock=clock)
    track(ledger, running("old", "a"))
    failing.writes = False
    with pytest.raises(StateError, match="full"):
        ledger.register(["old", "t"], source="api")
    assert [task_id for task_id, *_ in ledger.tasks()] == ["old"]
    failing.writes = True
    ledger.view()

    assert [task_id for task_id, *_ in Ledger(store=failing, clock=clock).tasks()] == ["old"]
    assert ledger.register(["t"], source="api") == {"t": True}
    assert [task_id for task_id, *_ in Ledger(store=failing, clock=clock).tasks()] == ["old", "t"]


def test_a_deleted_task_whose_new_registration_is_not_kept_is_gone_from_the_store_too(
    failing: FailingStore, clock: Clock
) -> None:
    ledger = Ledger(store=failing, clock=clock)
    track(ledger, running("t", "a"))
    ledger.view()
    failing.writes = False
    ledger.delete("t")
    with pytest.raises(StateError):
        ledger.register(["t"], source="api")
    failing.writes = True
    ledger.view()

    assert Ledger(store=failing, clock=clock).tasks() == []


def test_while_the_store_cannot_be_read_nothing_is_tracked_that_it_might_have_counted(
    failing: FailingStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(store=failing, clock=clock)
    failing.reads = False
    ledger.name("key", ["t"], source="tasks")
    ledger.discover(["u"], source="discovery")
    with pytest.raises(StateError, match="broken"):
        ledger.register(["v"], source="api")
    meanwhile = ledger.tasks()
    failing.reads = True
    ledger.name("key", ["t"], source="tasks")

    assert meanwhile == []
    assert [task_id for task_id, *_ in ledger.tasks()] == ["t"]
    assert "state cannot be read" in caplog.text


def test_a_store_that_does_not_take_changes_costs_durability_alone_told_once_each_way(
    failing: FailingStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(limits=Limits(retention=900.0), store=failing, clock=clock)
    discover(ledger, running("t", "a"))
    ledger.view()
    failing.writes = False
    ask_task(ledger, done("t", "a"))
    views = [ledger.view(), ledger.view()]
    over(ledger, clock)
    views.append(ledger.view())
    ledger.discover(["t"], source="discovery")
    lost = Ledger(store=failing, clock=clock)
    failing.writes = True
    views.append(ledger.view())
    kept = Ledger(store=failing, clock=clock)

    assert [view.durable for view in views] == [False, False, False, True]
    assert [finished_jobs(view) for view in views] == [1, 1, 1, 1]
    assert [task_id for task_id, *_ in lost.tasks()] == ["t"]
    assert kept.tasks() == []
    assert kept.view().totals == views[-1].totals
    kept.discover(["t"], source="discovery")
    assert kept.tasks() == ledger.tasks() == []
    assert caplog.messages == ["state cannot be saved", "state is saved again"]


def test_what_comes_and_goes_while_the_disk_is_full_leaves_only_a_memory_and_that_for_its_time(
    failing: FailingStore, clock: Clock
) -> None:
    ledger = Ledger(limits=Limits(retention=900.0, lookback=0.0), store=failing, clock=clock)
    failing.writes = False
    for number in range(100):
        discover(ledger, done(f"t{number}", f"j{number}"))
        clock.now += HOUR
        ledger.view()
    pending = ledger._roster.changes(ledger._totals.changes(), now=clock.now)

    assert pending is not None
    assert (pending.tasks, pending.jobs, pending.dropped_tasks, pending.dropped_jobs) == ([], [], (), ())
    assert len(pending.remembered) == 50  # of the last 49 hours


def test_a_deletion_takes_effect_though_the_store_fails_and_is_kept_later(failing: FailingStore, clock: Clock) -> None:
    ledger = Ledger(store=failing, clock=clock)
    track(ledger, running("t", "a"))
    ledger.view()
    failing.writes = False
    assert ledger.delete("t") is True
    failing.writes = True
    ledger.view()

    assert ledger.tasks() == Ledger(store=failing, clock=clock).tasks() == []


def test_accounts_in_one_store_do_not_mix(clock: Clock) -> None:
    store = MemoryStore()
    one, two = (Ledger(name, Limits(retention=900.0), store=store, clock=clock) for name in ("one", "two"))
    discover(one, done("t", "a"))
    over(one, clock)
    discover(two, running("t", "a"))

    assert (one.tasks(), len(two.tasks())) == ([], 1)
    assert (finished_jobs(one.view()), finished_jobs(two.view())) == (1, 0)
    again = [Ledger(name, store=store, clock=clock).view() for name in ("one", "two")]
    assert [finished_jobs(view) for view in again] == [1, 0]
    assert [view.tracked_tasks for view in again] == [{}, {"discovery": 1}]


# Everything at once


TASK_IDS = ("t1", "t2", "t3", "t4")
JOB_IDS = ("", "a", "b", "c", "d")
JOB_STATUSES = ("Transcoding", "Submitted", "TranscodeSuccess", "TranscodeFail", "TranscodeCancelled", "Odd", "")
TASK_STATUSES = ("Processing", "Partial", "CompleteAllSucc", "CompleteAllFail", "CompletePartialSucc", "Odd", "")
jobs_seen = st.lists(
    st.builds(
        Job,
        st.sampled_from(JOB_IDS),
        st.sampled_from(("", "HD", "LD", "D1", "D2")),
        st.sampled_from(JOB_STATUSES),
        st.none() | st.floats(0, 1),
        created=st.none() | st.floats(0, 2e9),
    ),
    max_size=5,
).map(tuple)
LIMITS = Limits(max_jobs=3, retention=900.0, max_staleness=300.0)


class AnyOrder(RuleBasedStateMachine):
    """Observations late, repeated and contradictory, the clock stepping, refreshes overlapping."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.ledger = Ledger(limits=LIMITS, clock=self.clock)
        self.finished: dict[str, str] = {}
        self.over: dict[str, int] = {}

    @rule(key=st.sampled_from("xy"), ids=st.lists(st.sampled_from(TASK_IDS), unique=True))
    def name(self, key: str, ids: list[str]) -> None:
        self.ledger.name(key, ids, source=key)

    @rule()
    def begin(self) -> None:
        self.ledger.start_refresh()

    @rule(task_id=st.sampled_from(TASK_IDS), status=st.sampled_from(TASK_STATUSES), jobs=jobs_seen)
    def whole(self, task_id: str, status: str, jobs: tuple[Job, ...]) -> None:
        self.ledger.observe_task(task_id, Task(task_id, "v", status, jobs=jobs))
        self.ledger.asked_task(task_id)

    @rule(asked=st.lists(st.sampled_from(JOB_IDS)), jobs=jobs_seen)
    def by_ids(self, asked: list[str], jobs: tuple[Job, ...]) -> None:
        self.ledger.observe_jobs(asked, jobs)
        self.ledger.asked_jobs(asked)

    @rule(task_id=st.sampled_from(TASK_IDS))
    def not_found(self, task_id: str) -> None:
        self.ledger.observe_not_found(task_id)

    @rule(seconds=st.sampled_from((-HOUR, 1.0, 301.0, 901.0, 24 * HOUR)))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def look(self) -> None:
        view = self.ledger.view()
        jobs, tasks = self.ledger._roster.jobs, self.ledger._roster.tasks
        assert sum(view.job_counts.values()) == len(jobs)
        assert sum(view.tracked_tasks.values()) == len(tasks)
        assert sum(view.task_counts.values()) == sum(one.task is not None for one in tasks.values())
        assert len(view.jobs) <= LIMITS.max_jobs
        assert len(view.tasks) <= LIMITS.max_jobs
        assert len(view.jobs) + view.truncated_jobs + view.stale_jobs == len(jobs)
        assert len({one.job.id for one in view.jobs}) == len(view.jobs)
        assert len({one.task.id for one in view.tasks}) == len(view.tasks)
        for one in view.jobs:
            tracked = jobs[one.job.id]
            if tracked.finished_at is None:
                assert abs(self.clock.now - tracked.refreshed) <= LIMITS.max_staleness
        named = frozenset().union(*self.ledger._names._by_key.values())
        for task in tasks.values():
            if task.finished_at is not None and task.id not in named:
                assert 0 <= self.clock.now - task.finished_at <= LIMITS.retention

    @invariant()
    def each_id_is_there_once_and_has_its_task(self) -> None:
        owned = [job_id for task in self.ledger._roster.tasks.values() for job_id in task.job_ids]
        assert sorted(owned) == sorted(self.ledger._roster.jobs)
        assert "" not in self.ledger._roster.jobs
        for task in self.ledger._roster.tasks.values():
            assert all(self.ledger._roster.jobs[job_id].task_id == task.id for job_id in task.job_ids)

    @invariant()
    def a_job_seen_finished_stays_as_it_finished(self) -> None:
        now = {one.job.id: one.job.status for one in self.ledger._roster.jobs.values()}
        for job_id, status in self.finished.items():
            assert now.get(job_id, status) == status
        self.finished = {job_id: now[job_id] for job_id, one in self.ledger._roster.jobs.items() if one.job.finished}

    @invariant()
    def what_is_unfinished_is_work_and_what_is_finished_is_not(self) -> None:
        self.ledger.start_refresh()
        work = self.ledger.work()
        asked = [*work.new_tasks, *work.whole_tasks]
        assert len(set(asked)) == len(asked)
        assert len(set(work.jobs)) == len(work.jobs)
        for task in self.ledger._roster.tasks.values():
            reached = task.id in asked or any(task_id == task.id for _, task_id in work.jobs)
            assert reached == (task.finished_at is None)
        for job_id, one in self.ledger._roster.jobs.items():
            in_work = one.task_id in asked or (job_id, one.task_id) in work.jobs
            assert in_work or one.finished_at is not None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
