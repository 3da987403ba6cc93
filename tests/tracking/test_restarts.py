"""Each finish is counted once over restarts and crashes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.model import EndedJob, Job, Task
from tests.tracking.conftest import running
from tests.tracking.counting import (
    ONE_JOB,
    ONE_TASK,
    OUTPUT,
    Account,
    counted,
    done,
    job,
)


def test_a_finish_that_was_not_saved_is_counted_once_after_a_crash(account: Account) -> None:
    account.sees(running("t", "a"))
    account.ledger.observe_task("t", done("t", "a"))
    account.restart()  # no view was taken, so neither the finish nor its totals were saved
    lost = account.counted()
    account.ledger.start_refresh()
    work = account.ledger.work()

    assert lost == {}
    assert work.jobs == (("a", "t"),)
    assert counted(account.asks(done("t", "a"))) == ONE_TASK | ONE_JOB


def test_totals_that_were_shown_survive_a_crash(account: Account) -> None:
    account.sees(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a")])
    shown = account.ledger.view()
    account.restart()
    account.asks(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a")])

    assert account.ledger.view().totals == shown.totals


@pytest.fixture
def restart(account: Account) -> Callable[[], None]:
    """Takes a view, which saves, and starts a new ledger on the same store."""

    def view_and_restart() -> None:
        account.ledger.view()
        account.restart()

    return view_and_restart


def test_a_job_counted_by_its_id_after_its_task_was_final_stays_counted(
    account: Account, restart: Callable[[], None]
) -> None:
    account.sees(running("t", "a", status="CompleteAllSucc"))
    account.ledger.observe_jobs(["a"], [job("a")])
    restart()
    account.asks(done("t", "a"))

    assert account.counted() == ONE_TASK | ONE_JOB


def test_a_job_that_two_tasks_name_stays_counted_when_the_first_has_left(
    account: Account, restart: Callable[[], None]
) -> None:
    """The claim of the second task is in the state: it keeps the job known after the first task."""
    account.sees(done("t", "a"), running("u", "b"))
    account.asks(Task("u", "video", "Processing", jobs=(job("a"), Job("b", "HD", "Transcoding"))))
    restart()
    account.waits(901.0)
    account.asks(done("u", "a", "b"))

    assert account.counted()["jobs_finished"] == 2


def test_a_job_that_another_task_inherited_stays_counted(account: Account, restart: Callable[[], None]) -> None:
    account.sees(done("t", "a"), running("u", "b"))
    account.asks(Task("u", "video", "Processing", jobs=(job("a"), Job("b", "HD", "Transcoding"))))
    account.ledger.view()
    account.waits(901.0)
    restart()
    account.asks(done("u", "a", "b"))

    assert account.counted()["jobs_finished"] == 2


@pytest.mark.parametrize("field", ["output_counted", "processing_counted"])
def test_details_counted_after_the_finish_stay_counted(
    account: Account, restart: Callable[[], None], field: str
) -> None:
    account.sees(running("t", "a", "b"))
    account.ledger.observe_jobs(["a"], [job("a", output=None)])
    account.ledger.view()
    if field == "output_counted":
        account.ledger.observe_jobs(["a"], [job("a")])
    else:
        account.ledger.observe_event(EndedJob("a", processing=5.0))
    before = account.counted()
    restart()
    account.ledger.observe_jobs(["a"], [job("a", output=OUTPUT if field == "output_counted" else None)])
    account.ledger.observe_event(EndedJob("a", processing=5.0 if field == "processing_counted" else None))

    assert account.counted() == before


def test_a_task_counted_before_it_was_tracked_stays_uncounted(account: Account, restart: Callable[[], None]) -> None:
    account.sees(done("t", "a"))
    account.waits(901.0)
    account.ledger.name("key", ["t"], source="tasks")
    restart()
    account.ledger.name("key", ["t"], source="tasks")
    account.asks(done("t", "a"))

    assert account.counted() == ONE_TASK | ONE_JOB
