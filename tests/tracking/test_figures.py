"""What a finished job, output and task add to the totals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config import Buckets
from exporter.model import Job, Output, Task
from exporter.snapshot import Exemplar, Key, Total
from exporter.tracking.figures import finished_job, finished_output, finished_task, processed_job
from exporter.tracking.totals import Totals
from tests.tracking.conftest import TickingClock

SUCCESS = Job("a", "HD", "TranscodeSuccess", created=100.0, completed=160.0)
FAILURE = Job("b", "LD", "TranscodeFail", error_code="Bad")
TASK = Task("t", status="CompleteAllSucc", trigger="Auto", created=100.0, completed=160.0)


@pytest.fixture
def totals() -> Totals:
    return Totals()


def counters(totals: Totals) -> dict[Key, float]:
    """The counters that are not zero."""
    return {key: amount for key, amount in totals.view().counters.items() if amount}


def test_a_finished_job_counts_by_definition_and_status_with_its_duration(totals: Totals) -> None:
    finished_job(totals, SUCCESS)
    finished_job(totals, FAILURE)

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")): 1,
        (Total.JOBS_FINISHED, ("LD", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("LD", "Bad")): 1,
    }
    (histogram,) = totals.view().histograms.items()
    assert (histogram[0], histogram[1].sum) == ((Total.JOB_DURATION, ("HD",)), 60.0)


@pytest.mark.parametrize(("created", "completed"), [(None, 1.0), (1.0, None), (2.0, 1.0)])
def test_an_unknown_duration_is_not_counted(totals: Totals, created: float | None, completed: float | None) -> None:
    finished_job(totals, replace(SUCCESS, created=created, completed=completed))
    finished_task(totals, replace(TASK, created=created, completed=completed))

    assert totals.view().histograms == {}
    assert len(counters(totals)) == 2


@pytest.mark.parametrize(
    ("trigger", "label"), [("Auto", "Auto"), ("Manual", "Manual"), ("", "unknown"), ("Robot", "other")]
)
def test_a_finished_task_counts_by_status_and_trigger(totals: Totals, trigger: str, label: str) -> None:
    finished_task(totals, replace(TASK, trigger=trigger, status="CompeleteAllSucc"))  # as the service writes it

    assert counters(totals) == {(Total.TASKS_FINISHED, ("CompleteAllSucc", label)): 1}
    assert totals.view().histograms[Total.TASK_DURATION, ()].sum == 60.0


def test_an_output_adds_its_known_values(totals: Totals) -> None:
    finished_output(totals, SUCCESS, Output(), billed="H264.HD")
    finished_output(totals, SUCCESS, Output(bitrate=1e6, duration=60.5), billed="H264.HD")
    finished_output(totals, SUCCESS, Output(size=2e7, duration=1.5), billed="H264.HD")
    sums = {key: histogram.sum for key, histogram in totals.view().histograms.items()}

    assert counters(totals) == {(Total.OUTPUT_DURATION, ("HD",)): 62.0, (Total.BILLED, ("H264.HD",)): 62.0}
    assert sums == {(Total.OUTPUT_BITRATE, ("HD",)): 1e6, (Total.OUTPUT_SIZE, ("HD",)): 2e7}


def test_a_job_without_a_definition_or_an_error_code_counts_as_unknown(totals: Totals) -> None:
    finished_job(totals, Job("a", "", "TranscodeFail"))

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("unknown", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("unknown", "unknown")): 1,
    }


def test_only_failures_durations_and_processing_times_have_exemplars() -> None:
    totals = Totals(Buckets(duration=(60.0,)), clock=TickingClock())
    for job in (FAILURE, replace(FAILURE, id="c"), replace(FAILURE, id="d", error_code="")):
        finished_job(totals, job)
    processed_job(totals, SUCCESS, 5.0)
    finished_task(totals, TASK)
    finished_output(totals, SUCCESS, Output(bitrate=1e6, size=2e7, duration=1.0), billed="H264.HD")

    assert totals.view().exemplars == {
        (Total.JOB_FAILURES, ("LD", "Bad")): {0: Exemplar("c", 1.0, 20.0)},
        (Total.JOB_FAILURES, ("LD", "unknown")): {0: Exemplar("d", 1.0, 30.0)},
        (Total.JOB_PROCESSING, ("HD",)): {0: Exemplar("a", 5.0, 40.0)},
        (Total.TASK_DURATION, ()): {0: Exemplar("t", 60.0, 50.0)},
    }
