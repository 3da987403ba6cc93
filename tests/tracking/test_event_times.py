"""Times that events report: each counts once, before or after its job is known."""

from __future__ import annotations

import pytest

from exporter.model import EndedJob, Job, Task
from exporter.snapshot import Total
from exporter.tracking import finishes
from exporter.tracking.ledger import Ledger
from tests.conftest import NOW, Clock
from tests.tracking.conftest import FailingStore, running, track
from tests.tracking.counting import (
    DAY,
    HOUR,
    Account,
    counted,
    done,
)


def test_a_processing_time_is_counted_once_before_or_after_the_job_is_known(account: Account) -> None:
    account.ledger.observe_event(EndedJob("a", processing=5.0))
    account.sees(running("t", "a", "b"))
    for _ in range(2):
        for job_id in "ab":
            account.ledger.observe_event(EndedJob(job_id, processing=7.0))
        account.restart()
    account.sees(running("t", "a", "b"))
    account.ledger.observe_event(EndedJob("b", processing=7.0))
    lost = account.counted()
    account.ledger.view()
    account.restart()
    account.ledger.observe_event(EndedJob("b", processing=7.0))
    account.asks(done("t", "a", "b"))

    assert lost == {"job_processing": 2}
    assert account.counted()["job_processing"] == 2


@pytest.mark.no_cover
def test_processing_times_of_unknown_jobs_are_bounded_and_kept_for_an_hour(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishes, "_MAX_PENDING", 100)
    account.ledger.observe_event(EndedJob("a", processing=5.0))
    account.waits(HOUR)
    account.sees(running("t", "a"))
    jobs = [f"unknown {number}" for number in range(110)]
    account.ledger.observe_event(*(EndedJob(job_id, processing=1.0) for job_id in jobs))
    view = account.sees(running("u", *jobs))

    assert counted(view) == {"job_processing": 100}


def test_a_processing_time_of_a_job_older_than_the_state_is_not_counted(account: Account) -> None:
    account.sees(done("t", "a", at=NOW - 1))
    account.ledger.observe_event(EndedJob("a", processing=5.0))

    assert account.counted() == {}


def test_an_event_about_many_jobs_is_saved_in_one_transaction(clock: Clock) -> None:
    saved: list[bool] = []
    ledger = Ledger(store=FailingStore(saved=lambda: saved.append(True)), clock=clock)
    track(ledger, running("t", "a", "b"))
    ledger.view()
    saved.clear()
    known = [ledger.observe_event(*(EndedJob(one, processing=5.0) for one in ids)) for ids in (("a", "b"), ("a", "c"))]

    assert known == [True, False]
    assert len(saved) == 2
    assert counted(ledger.view())["job_processing"] == 2


def queued(account: Account) -> list[float]:
    """The sums of the histograms of times in the queue."""
    histograms = account.ledger.view().totals.histograms
    return [histogram.sum for (total, _), histogram in histograms.items() if total == Total.JOB_QUEUE]


def created(*job_ids: str) -> Task:
    jobs = tuple(Job(job_id, "HD", "Transcoding", created=NOW) for job_id in job_ids)
    return Task("t", "video", "Processing", jobs=jobs)


def test_the_time_in_the_queue_is_counted_once_before_or_after_the_job_is_known(account: Account) -> None:
    account.ledger.observe_event(EndedJob("a", started=NOW + 5))
    account.sees(created("a", "b"))
    for _ in range(2):
        account.ledger.observe_event(EndedJob("a", processing=3.0, started=NOW + 7))
        account.ledger.observe_event(EndedJob("b", processing=3.0, started=NOW + 9))
        account.restart()

    assert queued(account) == [14.0]
    assert account.counted()["job_processing"] == 2


def test_times_of_a_job_that_is_not_known_yet_survive_a_restart(account: Account) -> None:
    """VOD drops an event that was accepted, so a crash must not lose it."""
    account.ledger.observe_event(EndedJob("a", processing=3.0, started=NOW + 5))
    account.restart()
    account.sees(created("a"))
    account.ledger.view()
    account.restart()
    account.ledger.observe_event(EndedJob("a", processing=3.0, started=NOW + 5))

    assert queued(account) == [5.0]
    assert account.counted()["job_processing"] == 1


@pytest.mark.parametrize("started", [NOW - 1, NOW + 31 * DAY])
def test_a_start_that_cannot_be_right_is_not_counted(account: Account, started: float) -> None:
    account.sees(created("a"))
    account.ledger.observe_event(EndedJob("a", started=started))

    assert queued(account) == []


def test_a_start_of_a_job_without_a_creation_time_waits_for_it(account: Account) -> None:
    account.sees(running("t", "a"))
    account.ledger.observe_event(EndedJob("a", started=NOW + 5))
    account.asks(created("a"))
    account.ledger.observe_event(EndedJob("a", started=NOW + 5))

    assert queued(account) == [5.0]


def test_a_start_of_a_job_older_than_the_state_is_not_counted(account: Account) -> None:
    account.sees(done("t", "a", at=NOW - 1))
    account.ledger.observe_event(EndedJob("a", processing=5.0, started=NOW - 20))

    assert queued(account) == []
