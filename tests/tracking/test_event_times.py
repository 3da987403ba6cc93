"""Times that events report: each counts once, before or after its job is known."""

from __future__ import annotations

import pytest

from exporter.model import Job, Task
from exporter.snapshot import Total
from exporter.tracking import finishes
from tests.conftest import NOW
from tests.tracking.conftest import running
from tests.tracking.counting import (
    DAY,
    HOUR,
    Account,
    counted,
    done,
)


def test_a_processing_time_is_counted_once_before_or_after_the_job_is_known(account: Account) -> None:
    account.ledger.observe_event("a", processing=5.0)
    account.sees(running("t", "a", "b"))
    for _ in range(2):
        for job_id in "ab":
            account.ledger.observe_event(job_id, processing=7.0)
        account.restart()
    account.sees(running("t", "a", "b"))
    account.ledger.observe_event("b", processing=7.0)
    lost = account.counted()
    account.ledger.view()
    account.restart()
    account.ledger.observe_event("b", processing=7.0)
    account.asks(done("t", "a", "b"))

    assert lost == {"job_processing": 2}
    assert account.counted()["job_processing"] == 2


@pytest.mark.no_cover
def test_processing_times_of_unknown_jobs_are_bounded_and_kept_for_an_hour(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishes, "_MAX_PENDING", 100)
    account.ledger.observe_event("a", processing=5.0)
    account.waits(HOUR)
    account.sees(running("t", "a"))
    for number in range(110):
        account.ledger.observe_event(f"unknown {number}", processing=1.0)
    jobs = [f"unknown {number}" for number in range(110)]
    view = account.sees(running("u", *jobs))

    assert counted(view) == {"job_processing": 100}


def test_a_processing_time_of_a_job_older_than_the_state_is_not_counted(account: Account) -> None:
    account.sees(done("t", "a", at=NOW - 1))
    account.ledger.observe_event("a", processing=5.0)

    assert account.counted() == {}


def queued(account: Account) -> list[float]:
    """The sums of the histograms of times in the queue."""
    histograms = account.ledger.view().totals.histograms
    return [histogram.sum for (total, _), histogram in histograms.items() if total == Total.JOB_QUEUE]


def created(*job_ids: str) -> Task:
    jobs = tuple(Job(job_id, "HD", "Transcoding", created=NOW) for job_id in job_ids)
    return Task("t", "video", "Processing", jobs=jobs)


def test_the_time_in_the_queue_is_counted_once_before_or_after_the_job_is_known(account: Account) -> None:
    account.ledger.observe_event("a", processing=None, started=NOW + 5)
    account.sees(created("a", "b"))
    for _ in range(2):
        account.ledger.observe_event("a", processing=3.0, started=NOW + 7)
        account.ledger.observe_event("b", processing=3.0, started=NOW + 9)
        account.restart()

    assert queued(account) == [14.0]
    assert account.counted()["job_processing"] == 2


def test_times_of_a_job_that_is_not_known_yet_survive_a_restart(account: Account) -> None:
    """VOD drops an event that was accepted, so a crash must not lose it."""
    account.ledger.observe_event("a", processing=3.0, started=NOW + 5)
    account.restart()
    account.sees(created("a"))
    account.ledger.view()
    account.restart()
    account.ledger.observe_event("a", processing=3.0, started=NOW + 5)

    assert queued(account) == [5.0]
    assert account.counted()["job_processing"] == 1


@pytest.mark.parametrize("started", [NOW - 1, NOW + 31 * DAY])
def test_a_start_that_cannot_be_right_is_not_counted(account: Account, started: float) -> None:
    account.sees(created("a"))
    account.ledger.observe_event("a", processing=None, started=started)

    assert queued(account) == []


def test_a_start_of_a_job_without_a_creation_time_waits_for_it(account: Account) -> None:
    account.sees(running("t", "a"))
    account.ledger.observe_event("a", processing=None, started=NOW + 5)
    account.asks(created("a"))
    account.ledger.observe_event("a", processing=None, started=NOW + 5)

    assert queued(account) == [5.0]


def test_a_start_of_a_job_older_than_the_state_is_not_counted(account: Account) -> None:
    account.sees(done("t", "a", at=NOW - 1))
    account.ledger.observe_event("a", processing=5.0, started=NOW - 20)

    assert queued(account) == []
