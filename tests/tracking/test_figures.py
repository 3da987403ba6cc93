"""What a finished job, output and task add to the totals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config import Buckets
from exporter.model import UNKNOWN, Job, Output, Task
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


def observed(totals: Totals) -> dict[Key, float]:
    """The sums of the histograms that have observations."""
    return {key: view.sum for key, view in totals.view().histograms.items() if any(view.counts)}


def test_a_finished_job_counts_by_definition_and_status_with_its_duration(totals: Totals) -> None:
    finished_job(totals, SUCCESS)
    finished_job(totals, FAILURE)

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")): 1,
        (Total.JOBS_FINISHED, ("LD", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("LD", "Bad")): 1,
    }
    assert observed(totals) == {(Total.JOB_DURATION, ("HD", "TranscodeSuccess")): 60.0}


@pytest.mark.parametrize(("created", "completed"), [(None, 1.0), (1.0, None), (2.0, 1.0)])
def test_an_unknown_duration_is_not_counted(totals: Totals, created: float | None, completed: float | None) -> None:
    finished_job(totals, replace(SUCCESS, created=created, completed=completed))
    finished_task(totals, replace(TASK, created=created, completed=completed), [])

    assert observed(totals) == {}
    assert len(counters(totals)) == 2


@pytest.mark.parametrize(
    ("trigger", "label"), [("Auto", "Auto"), ("Manual", "Manual"), ("", "unknown"), ("Robot", "other")]
)
def test_a_finished_task_counts_by_status_and_trigger(totals: Totals, trigger: str, label: str) -> None:
    finished_task(totals, replace(TASK, trigger=trigger, status="CompeleteAllSucc"), [])  # as the service writes it

    assert counters(totals) == {(Total.TASKS_FINISHED, ("CompleteAllSucc", label)): 1}
    assert totals.view().histograms[Total.TASK_DURATION, ("default",)].sum == 60.0


def test_an_output_adds_its_known_values(totals: Totals) -> None:
    finished_output(totals, SUCCESS, Output(), billed="H264.HD")
    finished_output(totals, SUCCESS, Output(bitrate=1e6, duration=60.5), billed="H264.HD")
    finished_output(totals, SUCCESS, Output(size=2e7, duration=1.5), billed="H264.HD")

    assert counters(totals) == {(Total.OUTPUT_DURATION, ("HD",)): 62.0, (Total.BILLED, ("H264.HD",)): 62.0}
    assert observed(totals) == {
        (Total.OUTPUT_BITRATE, ("HD",)): 1e6,
        (Total.OUTPUT_SIZE, ("HD",)): 2e7,
        (Total.JOB_REALTIME_RATIO, ("HD",)): 60 / 60.5 + 60 / 1.5,
    }


def test_a_job_without_a_definition_or_an_error_code_counts_as_unknown(totals: Totals) -> None:
    finished_job(totals, Job("a", "", "TranscodeFail"))

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("unknown", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("unknown", "unknown")): 1,
    }


def test_failures_suspicious_outputs_and_times_have_exemplars_and_outputs_have_none() -> None:
    totals = Totals(Buckets(duration=(60.0,)), clock=TickingClock())
    for job in (FAILURE, replace(FAILURE, id="c"), replace(FAILURE, id="d", error_code="")):
        finished_job(totals, job)
    processed_job(totals, SUCCESS, 5.0)
    finished_task(totals, TASK, [])
    finished_output(totals, SUCCESS, Output(bitrate=1e6, size=2e7, duration=1.0), billed="H264.HD")

    assert totals.view().exemplars == {
        (Total.JOB_FAILURES, ("LD", "Bad")): {0: Exemplar("c", 1.0, 20.0)},
        (Total.JOB_FAILURES, ("LD", "unknown")): {0: Exemplar("d", 1.0, 30.0)},
        (Total.JOB_PROCESSING, ("HD",)): {0: Exemplar("a", 5.0, 40.0)},
        (Total.TASK_DURATION, ("default",)): {0: Exemplar("t", 60.0, 50.0)},
        (Total.JOB_REALTIME_RATIO, ("HD",)): {9: Exemplar("a", 60.0, 60.0)},
        (Total.SUSPICIOUS_OUTPUTS, ("HD", "bitrate")): {0: Exemplar("a", 1.0, 70.0)},
    }


# What teams ask


def suspicions(totals: Totals) -> dict[str, float]:
    """The suspicious outputs by reason."""
    found = counters(totals).items()
    return {labels[1]: amount for (total, labels), amount in found if total == Total.SUSPICIOUS_OUTPUTS}


def sums(totals: Totals, total: Total) -> dict[tuple[str, ...], float]:
    """The sums of a histogram by its labels."""
    return {labels: view.sum for (one, labels), view in totals.view().histograms.items() if one == total and view.sum}


@pytest.mark.parametrize("status", ["TranscodeSuccess", "TranscodeFail", "TranscodeCancelled"])
def test_the_duration_of_a_job_has_its_status(totals: Totals, status: str) -> None:
    """A failure is fast: without the label it made latency look better."""
    finished_job(totals, replace(SUCCESS, status=status))

    assert sums(totals, Total.JOB_DURATION) == {("HD", status): 60.0}


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (Output(size=0.0, bitrate=1e6, duration=60.0), "no_bytes"),
        (Output(size=0.0), "no_bytes"),
        (Output(size=7.5e6, bitrate=1e6, duration=60.0), None),
        (Output(size=7.5e6, bitrate=2e6, duration=60.0), None),
        (Output(size=7.5e6, bitrate=2.1e6, duration=60.0), "bitrate"),
        (Output(size=7.5e6, bitrate=0.4e6, duration=60.0), "bitrate"),
        (Output(size=7.5e6, bitrate=9e9), None),
        (Output(bitrate=1e6, duration=60.0), None),
        (Output(size=7.5e6, bitrate=1e6, duration=0.0), None),
    ],
)
def test_an_output_without_bytes_or_far_from_its_bitrate_is_suspicious(
    totals: Totals, output: Output, reason: str | None
) -> None:
    finished_output(totals, SUCCESS, output, billed="H264.HD")

    assert suspicions(totals) == ({reason: 1} if reason else {})


def test_an_output_much_shorter_than_the_longest_of_its_task_is_truncated(totals: Totals) -> None:
    lengths = {"a": 100.0, "b": 80.0, "c": 79.0, "d": 0.0, "e": None}
    jobs = [replace(SUCCESS, id=name, output=Output(duration=length)) for name, length in lengths.items()]
    finished_task(totals, TASK, [*jobs, replace(FAILURE, output=Output(duration=0.0))])

    assert suspicions(totals) == {"truncated": 2}


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        ([], "source"),
        (["InternalError"], "service"),
        (["InternalError", "InvalidParameter.ResourceContentBad"], "source"),
        (["PermissionDenied.ResourceAccess", "InvalidParameter.TemplateNotFound"], "configuration"),
        (["Surprise", "InternalError"], "service"),
        (["Surprise", ""], "unknown"),
    ],
)
def test_a_task_that_failed_has_the_cause_of_its_jobs_or_its_source(
    totals: Totals, codes: list[str], cause: str
) -> None:
    finished_task(totals, replace(TASK, status="CompleteAllFail"), [replace(FAILURE, error_code=one) for one in codes])
    failures = {labels: n for (total, labels), n in counters(totals).items() if total == Total.TASK_FAILURES}

    assert failures == {(cause,): 1}


def test_a_failed_task_whose_jobs_did_not_fail_has_an_unknown_cause(totals: Totals) -> None:
    finished_task(totals, replace(TASK, status="CompleteAllFail"), [replace(FAILURE, status="TranscodeSkipped")])

    assert counters(totals)[Total.TASK_FAILURES, (UNKNOWN,)] == 1


def test_a_task_that_partly_succeeded_is_no_failed_task(totals: Totals) -> None:
    finished_task(totals, replace(TASK, status="CompletePartialSucc"), [FAILURE, SUCCESS])

    assert [key for key in counters(totals) if key[0] == Total.TASK_FAILURES] == []


def test_the_first_output_is_the_earliest_completion_of_a_success(totals: Totals) -> None:
    jobs = [
        replace(SUCCESS, completed=150.0),
        replace(SUCCESS, completed=130.0),
        replace(FAILURE, completed=110.0),
        replace(SUCCESS, completed=None),
    ]
    finished_task(totals, TASK, jobs)
    finished_task(totals, replace(TASK, created=None), jobs)
    finished_task(totals, TASK, [FAILURE])

    assert sums(totals, Total.TASK_FIRST_OUTPUT) == {(): 30.0}


@pytest.mark.parametrize(
    ("priorities", "label"),
    [
        (["6", "6"], "default"),
        (["5"], "low"),
        (["1"], "low"),
        (["7"], "high"),
        (["10", "6"], "high"),
        ([], "default"),
        ([""], "default"),
        (["urgent", "٣"], "default"),
    ],
)
def test_the_duration_of_a_task_has_the_class_of_its_priority(
    totals: Totals, priorities: list[str], label: str
) -> None:
    finished_task(totals, TASK, [replace(SUCCESS, priority=one) for one in priorities])

    assert sums(totals, Total.TASK_DURATION) == {(label,): 60.0}


def test_the_realtime_ratio_is_the_time_of_a_job_by_the_length_of_its_output(totals: Totals) -> None:
    finished_output(totals, SUCCESS, Output(duration=120.0), billed="H264.HD")
    finished_output(totals, replace(SUCCESS, completed=None), Output(duration=120.0), billed="H264.HD")
    finished_output(totals, SUCCESS, Output(duration=0.0), billed="H264.HD")

    assert sums(totals, Total.JOB_REALTIME_RATIO) == {("HD",): 0.5}
