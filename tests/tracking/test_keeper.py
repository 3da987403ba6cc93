"""The keeper: when it saves, which memories it recalls, and how it handles a store that fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import pytest

from exporter.errors import LeaseEnded, StateError
from exporter.model import EndedJob, Job, Task
from exporter.snapshot import Total
from exporter.tracking import keeper
from exporter.tracking.figures import finished_task
from exporter.tracking.keeper import Keeper
from exporter.tracking.ledger import Ledger
from exporter.tracking.roster import Roster
from exporter.tracking.store import Changes, Memory, MemoryStore
from exporter.tracking.totals import Totals
from exporter.tracking.view import Limits
from tests.conftest import NOW, Clock, wait_until
from tests.tracking.conftest import (
    HOUR,
    FailingStore,
    HangingStore,
    ask_jobs,
    ask_task,
    discover,
    done,
    finished_jobs,
    next_work,
    pass_retention,
    running,
    track,
    tracked_ids,
)


class RecordingStore(FailingStore):
    """Records what it is given and asked."""

    def __init__(self) -> None:
        super().__init__()
        self.load("prod", now=NOW)
        self.given: list[Changes] = []
        self.asked: list[list[str]] = []

    def save(self, account: str, changes: Changes) -> None:
        super().save(account, changes)
        self.given.append(changes)

    def remembered(self, account: str, task_ids: Iterable[str]) -> Mapping[str, bool]:
        ids = list(task_ids)
        self.asked.append(ids)
        return super().remembered(account, ids)


class Kept:
    """A keeper with its parts, for the account `prod`."""

    def __init__(self) -> None:
        self.store = RecordingStore()
        self.roster = Roster()
        self.totals = Totals()
        self.keeper = Keeper("prod", self.store, self.roster, self.totals, threading.RLock())

    def add(self, task_id: str) -> None:
        self.roster.add_task(task_id, source="tasks", since=NOW, already_counted=False)

    def remove(self, task_id: str, *, finished: bool) -> None:
        self.roster.remove_task(self.roster.tasks[task_id], Memory(NOW + 10, finished=finished))


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_save_holds_tasks_and_totals_together_and_the_next_holds_neither(kept: Kept) -> None:
    kept.add("t")
    finished_task(kept.totals, done("t"), [])
    for _ in range(2):
        kept.keeper.save(NOW)

    (changes,) = kept.store.given
    assert [task.id for task in changes.tasks] == ["t"]
    assert changes.totals.counters == {(Total.TASKS_FINISHED, ("CompleteAllSucc", "unknown")): 1.0}
    assert changes.now == NOW


def test_without_changes_the_store_is_given_nothing(kept: Kept) -> None:
    kept.keeper.save(NOW)
    kept.keeper.close(NOW)

    assert kept.store.given == []


def test_changes_that_the_store_refused_are_given_again(kept: Kept) -> None:
    kept.add("t")
    finished_task(kept.totals, done("t"), [])
    kept.store.writes = False
    with pytest.raises(StateError):
        kept.keeper.save(NOW)
    kept.store.writes = True
    kept.keeper.save(NOW)

    assert [task.id for task in kept.store.given[0].tasks] == ["t"]
    assert len(kept.store.given[0].totals.counters) == 1


def test_a_store_that_fails_is_logged_at_its_first_failure_and_its_recovery(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    durable: list[bool] = []
    for writes in (False, False, True, True, False):
        kept.add(f"t{len(durable)}")
        kept.store.writes = writes
        kept.keeper.try_to_save(NOW)
        durable.append(kept.keeper.durable)

    assert durable == [False, False, True, True, False]
    assert caplog.messages == ["state cannot be saved", "state is saved again", "state cannot be saved"]
    assert {vars(record)["account"] for record in caplog.records} == {"prod"}
    assert vars(caplog.records[0])["error"] == "the disk is full"


def test_a_closed_keeper_saves_nothing_and_says_so_to_callers_that_need_it(kept: Kept) -> None:
    kept.keeper.close(NOW)
    kept.add("t")
    kept.keeper.try_to_save(NOW)
    with pytest.raises(StateError, match="try again"):
        kept.keeper.save(NOW)

    assert kept.store.given == []
    assert kept.keeper.durable is True


def test_a_keeper_is_closed_even_if_its_store_has_a_bug(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.add("t")
    with monkeypatch.context() as patch:
        patch.setattr(kept.store, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            kept.keeper.close(NOW)
    with pytest.raises(StateError):
        kept.keeper.save(NOW)

    assert kept.store.given == []


def test_a_memory_is_recalled_before_and_after_the_store_has_taken_it(kept: Kept) -> None:
    for task_id in ("finished", "given up"):
        kept.add(task_id)
        kept.keeper.save(NOW)
        kept.remove(task_id, finished=task_id == "finished")
    unsaved = kept.keeper.recall(["finished", "given up", "new"])
    kept.keeper.save(NOW)

    assert unsaved == kept.keeper.recall(["finished", "given up", "new"])
    assert unsaved == {"finished": True, "given up": False, "new": None}


def test_an_unsaved_memory_replaces_the_stored_one(kept: Kept) -> None:
    """A task that was given up, was registered again, and finished."""
    for finished in (False, True):
        kept.add("t")
        kept.keeper.save(NOW)
        kept.remove("t", finished=finished)
        if not finished:
            kept.keeper.save(NOW)

    assert kept.keeper.recall(["t"]) == {"t": True}


def test_the_store_is_asked_only_about_tasks_that_there_are(kept: Kept) -> None:
    """A refresh names the same tasks each time, so most calls have none to recall."""
    answer = kept.keeper.recall([])

    assert (answer, kept.store.asked) == ({}, [])


def test_a_store_that_cannot_be_read_is_logged_once_until_it_can(
    failing: FailingStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(store=failing, clock=clock)
    for reads in (False, False, True, False):
        failing.reads = reads
        ledger.name("key", ["t" if not reads else "u"], source="tasks")

    assert tracked_ids(ledger) == ["u"]
    assert caplog.messages == ["state cannot be read", "state cannot be read"]


# A store that hangs


def test_who_waits_for_a_store_that_hangs_gets_an_error_and_the_log_one_line(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.1)
    ledger = Ledger(store=hanging)
    with hanging.stuck(ledger):
        for _ in range(2):
            with pytest.raises(StateError, match="not answered"):
                ledger.view()
        with pytest.raises(StateError, match="not answered"):
            ledger.register(["new"], source="api")
        with pytest.raises(StateError, match="not answered"):
            ledger.observe_event(EndedJob("job", processing=1.0))
        meanwhile = ledger.last_view().durable
    after = ledger.view()

    assert (meanwhile, after.durable) == (False, True)
    assert caplog.messages == ["state cannot be saved", "state is saved again"]


def test_a_save_of_many_records_takes_its_time_and_is_not_taken_for_a_hang(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: a save of 100,000 jobs on a busy machine was logged as a disk that does not answer."""
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_RECORD_SECONDS", 60.0)
    ledger = Ledger(store=hanging)
    track(ledger, running("t", "a"))
    with hanging.stuck(ledger):
        assert ledger.last_view().durable


def test_while_the_store_hangs_answers_are_taken_and_nothing_unsaved_is_shown(
    hanging: HangingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "PATIENCE_SECONDS", 0.1)
    ledger = Ledger(store=hanging)
    track(ledger, running("t", "a"), running("u", "b"))
    ledger.view()
    with hanging.stuck(ledger):
        ask_task(ledger, done("t", "a"))
        assert [job_id for job_id, _ in next_work(ledger).jobs] == ["b"]
        shown = ledger.last_view()
        asked = ledger.delete("u")
    after = ledger.view()

    assert (finished_jobs(shown), finished_jobs(after)) == (0, 1)
    assert sorted(job.job.id for job in shown.jobs) == ["a", "b"]
    assert asked is True
    assert [job.job.id for job in after.jobs] == ["a"]
    again = Ledger(store=hanging.inner).view()
    assert again.totals == after.totals
    assert again.tracked_tasks == after.tracked_tasks


def test_an_old_view_loses_the_series_of_jobs_that_become_stale(clock: Clock) -> None:
    """`series.max_staleness` holds by the time of each job's last description, not by the time of the view."""
    ledger = Ledger(limits=Limits(max_staleness=300.0), clock=clock)
    track(ledger, running("t", "a"), done("f", "c"), Task("waiting", "v", "Processing"))
    clock.now += 200
    track(ledger, running("u", "b"))
    ledger.view()
    seen = []
    for _ in range(4):
        view = ledger.last_view()
        seen.append(([job.job.id for job in view.jobs], sorted(task.task.id for task in view.tasks), view.stale_jobs))
        clock.now += 101

    assert seen == [
        (["a", "b", "c"], ["f", "t", "u", "waiting"], 0),
        (["b", "c"], ["f", "u", "waiting"], 1),
        (["b", "c"], ["f", "u", "waiting"], 1),
        (["c"], ["f"], 2),
    ]


# Through the ledger


def test_progress_of_unfinished_jobs_is_saved_on_close(clock: Clock) -> None:
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    track(ledger, running("t", "a"))
    ledger.view()
    ask_jobs(ledger, ["a"], Job("a", "HD", "Transcoding", 0.95))
    ledger.view()
    ledger.close()

    assert [one.job.progress for one in Ledger(store=store, clock=clock).view().jobs] == [0.95]


def test_a_closed_ledger_saves_nothing(clock: Clock) -> None:
    """A new ledger may have loaded the state already. A late save would overwrite its changes."""
    store = MemoryStore()
    ledger = Ledger(store=store, clock=clock)
    track(ledger, running("t", "a"))
    ledger.close()
    track(ledger, done("u", "b"))
    view = ledger.view()

    assert finished_jobs(view) == 1
    assert finished_jobs(Ledger(store=store, clock=clock).view()) == 0


def test_a_deletion_while_the_ledger_closes_is_refused_and_not_lost(failing: FailingStore, clock: Clock) -> None:
    ledger = Ledger(store=failing, clock=clock)
    track(ledger, running("t", "a"))
    refused: list[StateError] = []

    def delete() -> None:
        try:
            ledger.delete("t")
        except StateError as error:
            refused.append(error)

    deleting = threading.Thread(target=delete)

    def meanwhile() -> None:
        deleting.start()
        wait_until(lambda: not deleting.is_alive() or not tracked_ids(ledger))

    failing.meanwhile = meanwhile
    ledger.close()
    deleting.join()

    assert len(refused) == 1
    assert tracked_ids(Ledger(store=failing, clock=clock)) == ["t"]


def test_a_registration_that_cannot_be_saved_tracks_no_task(failing: FailingStore, clock: Clock) -> None:
    ledger = Ledger(store=failing, clock=clock)
    track(ledger, running("old", "a"))
    failing.writes = False
    with pytest.raises(StateError, match="full"):
        ledger.register(["old", "t"], source="api")
    assert tracked_ids(ledger) == ["old"]
    failing.writes = True
    ledger.view()

    assert tracked_ids(Ledger(store=failing, clock=clock)) == ["old"]
    assert ledger.register(["t"], source="api") == {"t": True}
    assert tracked_ids(Ledger(store=failing, clock=clock)) == ["old", "t"]


def test_a_deleted_task_leaves_the_store_after_a_registration_that_failed(failing: FailingStore, clock: Clock) -> None:
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


def test_while_the_store_cannot_be_read_no_new_task_is_tracked(
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
    assert tracked_ids(ledger) == ["t"]
    assert "state cannot be read" in caplog.text


def test_while_the_store_cannot_be_written_counting_continues(
    failing: FailingStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger(limits=Limits(retention=900.0), store=failing, clock=clock)
    discover(ledger, running("t", "a"))
    ledger.view()
    failing.writes = False
    ask_task(ledger, done("t", "a"))
    views = [ledger.view(), ledger.view()]
    pass_retention(ledger, clock)
    views.append(ledger.view())
    ledger.discover(["t"], source="discovery")
    lost = Ledger(store=failing, clock=clock)
    failing.writes = True
    views.append(ledger.view())
    kept = Ledger(store=failing, clock=clock)

    assert [view.durable for view in views] == [False, False, False, True]
    assert [finished_jobs(view) for view in views] == [1, 1, 1, 1]
    assert tracked_ids(lost) == ["t"]
    assert kept.tasks() == []
    assert kept.view().totals == views[-1].totals
    kept.discover(["t"], source="discovery")
    assert kept.tasks() == ledger.tasks() == []
    assert caplog.messages == ["state cannot be saved", "state is saved again"]


def test_tasks_that_come_and_go_while_the_disk_is_full_leave_only_memories(failing: FailingStore, clock: Clock) -> None:
    ledger = Ledger(limits=Limits(retention=900.0, lookback=0.0), store=failing, clock=clock)
    failing.writes = False
    for number in range(100):
        discover(ledger, done(f"t{number}", f"j{number}"))
        clock.now += HOUR
        ledger.view()
    pending = ledger._roster.take(ledger._totals.take(), now=clock.now)

    assert pending is not None
    assert (pending.tasks, pending.jobs, pending.dropped_tasks, pending.dropped_jobs) == ([], [], (), ())
    assert len(pending.remembered) == 50  # of the last 49 hours


def test_a_deletion_takes_effect_while_the_store_fails_and_is_saved_later(failing: FailingStore, clock: Clock) -> None:
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
    first, second = (Ledger(name, Limits(retention=900.0), store=store, clock=clock) for name in ("one", "two"))
    discover(first, done("t", "a"))
    pass_retention(first, clock)
    discover(second, running("t", "a"))

    assert (first.tasks(), len(second.tasks())) == ([], 1)
    assert (finished_jobs(first.view()), finished_jobs(second.view())) == (1, 0)
    again = [Ledger(name, store=store, clock=clock).view() for name in ("one", "two")]
    assert [finished_jobs(view) for view in again] == [1, 0]
    assert [view.tracked_tasks for view in again] == [{}, {"discovery": 1}]


def test_each_transaction_is_logged_on_level_debug(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "exporter.tracking")
    kept.add("t1")
    kept.keeper.save(NOW)
    (line,) = [record for record in caplog.records if record.message == "state saved"]
    fields = vars(line)
    assert (fields["account"], fields["tasks"], fields["jobs"], fields["dropped"]) == ("prod", 1, 0, 0)
    assert fields["seconds"] >= 0


class LostStore(MemoryStore):
    """A store whose account another replica may hold by now."""

    def save(self, account: str, changes: Changes) -> None:
        raise LeaseEnded(f"{account} is lost with {len(changes.tasks)} tasks")


def test_a_lost_account_is_closed_without_a_line_for_each_account(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(store=LostStore())
    ledger.discover(["t"], source="discovery")
    durable = ledger.view().durable
    ledger.close()

    assert (durable, caplog.messages) == (False, [])
