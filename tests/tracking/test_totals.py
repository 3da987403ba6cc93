"""The totals: zeros, labels, bounds, buckets, and the changes for the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config import Buckets
from exporter.model import DEFINITIONS, Job, Output, Task
from exporter.snapshot import Exemplar, HistogramView, Key, Total
from exporter.tracking.totals import MAX_DEFINITIONS, MAX_ERROR_CODES, Totals

SUCCESS = Job("a", "HD", "TranscodeSuccess", created=100.0, completed=160.0)
FAILURE = Job("b", "LD", "TranscodeFail", error_code="Bad")
TASK = Task("t", status="CompleteAllSucc", trigger="Auto", created=100.0, completed=160.0)


@pytest.fixture
def totals() -> Totals:
    return Totals()


def counters(totals: Totals) -> dict[Key, float]:
    """The counters that are not zero."""
    return {key: amount for key, amount in totals.view().counters.items() if amount}


def again(totals: Totals, buckets: Buckets | None = None) -> Totals:
    """The totals after a restart."""
    view = totals.view()
    return Totals(buckets, counters=view.counters, histograms=view.histograms)


def test_counters_whose_labels_are_known_are_there_from_the_start_at_zero(totals: Totals) -> None:
    """So Prometheus sees the first finish as an increase."""
    zeros = totals.view().counters

    assert set(zeros.values()) == {0.0}
    for status in ("CompleteAllSucc", "CompleteAllFail", "CompletePartialSucc"):
        for trigger in ("Auto", "Manual", "unknown"):
            assert (Total.TASKS_FINISHED, (status, trigger)) in zeros
    for definition in DEFINITIONS:
        assert (Total.OUTPUT_DURATION, (definition,)) in zeros
        for status in ("TranscodeSuccess", "TranscodeFail", "TranscodeCancelled"):
            assert (Total.JOBS_FINISHED, (definition, status)) in zeros


def test_a_finished_job_counts_by_definition_and_status_with_its_duration(totals: Totals) -> None:
    totals.finished_job(SUCCESS)
    totals.finished_job(FAILURE)

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")): 1,
        (Total.JOBS_FINISHED, ("LD", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("LD", "Bad")): 1,
    }
    (histogram,) = totals.view().histograms.items()
    assert (histogram[0], histogram[1].sum) == ((Total.JOB_DURATION, ("HD",)), 60.0)


@pytest.mark.parametrize(("created", "completed"), [(None, 1.0), (1.0, None), (2.0, 1.0)])
def test_an_unknown_duration_is_not_counted(totals: Totals, created: float | None, completed: float | None) -> None:
    totals.finished_job(replace(SUCCESS, created=created, completed=completed))
    totals.finished_task(replace(TASK, created=created, completed=completed))

    assert totals.view().histograms == {}
    assert len(counters(totals)) == 2


@pytest.mark.parametrize(
    ("trigger", "label"), [("Auto", "Auto"), ("Manual", "Manual"), ("", "unknown"), ("Robot", "other")]
)
def test_a_finished_task_counts_by_status_and_trigger(totals: Totals, trigger: str, label: str) -> None:
    totals.finished_task(replace(TASK, trigger=trigger, status="CompeleteAllSucc"))  # as the service writes it

    assert counters(totals) == {(Total.TASKS_FINISHED, ("CompleteAllSucc", label)): 1}
    assert totals.view().histograms[Total.TASK_DURATION, ()].sum == 60.0


def test_an_output_adds_its_known_values(totals: Totals) -> None:
    totals.finished_output(SUCCESS, Output())
    totals.finished_output(SUCCESS, Output(bitrate=1e6, duration=60.5))
    totals.finished_output(SUCCESS, Output(size=2e7, duration=1.5))
    sums = {key: histogram.sum for key, histogram in totals.view().histograms.items()}

    assert counters(totals) == {(Total.OUTPUT_DURATION, ("HD",)): 62.0}
    assert sums == {(Total.OUTPUT_BITRATE, ("HD",)): 1e6, (Total.OUTPUT_SIZE, ("HD",)): 2e7}


def test_a_job_without_a_definition_or_an_error_code_counts_as_unknown(totals: Totals) -> None:
    totals.finished_job(Job("a", "", "TranscodeFail"))

    assert counters(totals) == {
        (Total.JOBS_FINISHED, ("unknown", "TranscodeFail")): 1,
        (Total.JOB_FAILURES, ("unknown", "unknown")): 1,
    }


def test_definitions_and_error_codes_are_bounded_over_restarts(totals: Totals) -> None:
    for number in range(200):
        totals = again(totals) if number % 7 == 0 else totals
        totals.finished_job(Job("a", f"D{number}", "TranscodeFail", error_code=f"E{number}"))
        totals.finished_job(Job("b", "", "TranscodeFail"))
    definitions = {labels[0] for total, labels in totals.view().counters if total == Total.JOBS_FINISHED}
    codes = {labels[1] for total, labels in totals.view().counters if total == Total.JOB_FAILURES}

    assert len(definitions) == MAX_DEFINITIONS + 2
    assert {"D39", "other", "unknown", *DEFINITIONS} <= definitions
    assert len(codes) == MAX_ERROR_CODES + 2
    assert {"E49", "other", "unknown"} <= codes
    assert len(totals.definitions) == MAX_DEFINITIONS
    assert sum(counters(totals).values()) == 800


def test_a_definition_keeps_its_name_when_many_come_after_it(totals: Totals) -> None:
    names = [totals.definition(Job("a", f"D{number}")) for number in range(100)]

    assert names[:40] == [f"D{number}" for number in range(40)]
    assert set(names[40:]) == {"other"}
    assert totals.definition(Job("a", "D7")) == "D7"
    assert totals.definition(Job("a", "HD")) == "HD"


def test_a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    totals = Totals(Buckets(duration=(10.0, 60.0)))
    for seconds in (0.0, 10.0, 10.5, 60.0, 61.0, 1e9):
        totals.processed_job(SUCCESS, seconds)

    key = (Total.JOB_PROCESSING, ("HD",))
    assert totals.view().histograms[key] == HistogramView((10.0, 60.0), (2, 2, 2), 1e9 + 141.5)


def test_each_histogram_has_the_bounds_of_its_unit() -> None:
    totals = Totals(Buckets(duration=(1.0,), bitrate=(2.0,), size=(3.0,)))
    totals.finished_job(SUCCESS)
    totals.finished_task(TASK)
    totals.processed_job(SUCCESS, 1.0)
    totals.finished_output(SUCCESS, Output(bitrate=1.0, size=1.0))
    bounds = {total: view.bounds for (total, _), view in totals.view().histograms.items()}

    assert bounds == {
        Total.JOB_DURATION: (1.0,),
        Total.TASK_DURATION: (1.0,),
        Total.JOB_PROCESSING: (1.0,),
        Total.OUTPUT_BITRATE: (2.0,),
        Total.OUTPUT_SIZE: (3.0,),
    }


def test_the_default_bounds_rise() -> None:
    buckets = Buckets()

    for bounds in (buckets.duration, buckets.bitrate, buckets.size):
        assert list(bounds) == sorted(set(bounds))


def test_a_histogram_with_changed_bounds_starts_at_zero_and_others_continue(totals: Totals) -> None:
    totals.finished_job(SUCCESS)
    totals.finished_output(SUCCESS, Output(size=5.0))
    changed = again(totals, Buckets(duration=(1.0, 2.0)))
    changed.finished_job(SUCCESS)
    changed.finished_output(SUCCESS, Output(size=5.0))

    view = changed.view()
    assert view.counters[Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")] == 2
    assert view.histograms[Total.JOB_DURATION, ("HD",)] == HistogramView((1.0, 2.0), (0, 0, 1), 60.0)
    assert view.histograms[Total.OUTPUT_SIZE, ("HD",)].sum == 10.0


def test_changes_hold_the_present_values_of_totals_that_changed_since_a_save(totals: Totals) -> None:
    key = (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess"))
    first = totals.changes()
    totals.finished_job(SUCCESS)
    totals.saved()
    totals.finished_job(SUCCESS)
    totals.finished_job(SUCCESS)
    changes = totals.changes()
    totals.saved()

    assert (first.counters, first.histograms) == ({}, {})
    assert changes.counters == {key: 3.0}
    assert list(changes.histograms) == [(Total.JOB_DURATION, ("HD",))]
    assert totals.changes() == first


def test_a_view_does_not_change_with_later_counts(totals: Totals) -> None:
    view = totals.view()
    totals.finished_job(SUCCESS)

    assert set(view.counters.values()) == {0.0}
    assert view.histograms == {}


# Exemplars


class TickingClock:
    """Returns a time ten seconds later at each call."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


def test_the_exemplar_of_a_bucket_is_its_last_finish() -> None:
    totals = Totals(Buckets(duration=(60.0, 300.0)), clock=TickingClock())
    for job_id, seconds in (("a", 60.0), ("b", 30.0), ("c", 301.0)):
        totals.finished_job(Job(job_id, "HD", "TranscodeSuccess", created=100.0, completed=100.0 + seconds))
    totals.finished_job(Job("d", "LD", "TranscodeSuccess", created=100.0, completed=101.0))

    assert totals.view().exemplars == {
        (Total.JOB_DURATION, ("HD",)): {0: Exemplar("b", 30.0, 20.0), 2: Exemplar("c", 301.0, 30.0)},
        (Total.JOB_DURATION, ("LD",)): {0: Exemplar("d", 1.0, 40.0)},
    }


def test_only_failures_durations_and_processing_times_have_exemplars() -> None:
    totals = Totals(Buckets(duration=(60.0,)), clock=TickingClock())
    for job in (FAILURE, replace(FAILURE, id="c"), replace(FAILURE, id="d", error_code="")):
        totals.finished_job(job)
    totals.processed_job(SUCCESS, 5.0)
    totals.finished_task(TASK)
    totals.finished_output(SUCCESS, Output(bitrate=1e6, size=2e7, duration=1.0))

    assert totals.view().exemplars == {
        (Total.JOB_FAILURES, ("LD", "Bad")): {0: Exemplar("c", 1.0, 20.0)},
        (Total.JOB_FAILURES, ("LD", "unknown")): {0: Exemplar("d", 1.0, 30.0)},
        (Total.JOB_PROCESSING, ("HD",)): {0: Exemplar("a", 5.0, 40.0)},
        (Total.TASK_DURATION, ()): {0: Exemplar("t", 60.0, 50.0)},
    }


def test_exemplars_are_not_stored(totals: Totals) -> None:
    """The store is not given exemplars. Views that differ only in exemplars are equal."""
    totals.finished_job(FAILURE)
    view, after = totals.view(), again(totals)

    assert view.exemplars
    assert after.view() == view
    assert after.view().exemplars == totals.changes().exemplars == {}


def test_the_exemplars_of_a_view_do_not_change_with_later_counts(totals: Totals) -> None:
    totals.finished_job(FAILURE)
    view = totals.view()
    totals.finished_job(replace(FAILURE, id="c"))

    assert [[one.id for one in buckets.values()] for buckets in view.exemplars.values()] == [["b"]]
