"""The totals: zeros, labels, bounds, buckets, and the changes for the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.config import Buckets
from exporter.model import DEFINITIONS, Job, Output, Task
from exporter.snapshot import Exemplar, HistogramView, Key, Total, TotalsView
from exporter.tracking.figures import finished_job, finished_output, finished_task, processed_job
from exporter.tracking.totals import MAX_DEFINITIONS, MAX_ERROR_CODES, Totals
from tests.conftest import Clock
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


def again(totals: Totals, buckets: Buckets | None = None) -> Totals:
    """The totals after a restart."""
    return Totals(buckets, stored=totals.view())


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


def test_histograms_with_few_known_labels_are_there_from_the_start_others_are_not(totals: Totals) -> None:
    """Before, their series started with the first observation, so `increase()` did not count it."""
    histograms = totals.view().histograms

    assert set(histograms) == {
        (Total.TASK_FIRST_OUTPUT, ()),
        *((Total.TASK_DURATION, (priority,)) for priority in ("low", "default", "high")),
    }
    assert {sum(histogram.counts) + histogram.sum for histogram in histograms.values()} == {0}


def test_the_histograms_of_a_definition_are_there_from_its_first_job_on(totals: Totals) -> None:
    totals.definition(Job("a", "HD", "Transcoding"))
    new = {key for key, view in totals.view().histograms.items() if key[1][:1] == ("HD",) and not any(view.counts)}

    assert new == {
        (Total.JOB_DURATION, ("HD", "TranscodeSuccess")),
        *((total, ("HD",)) for total in (Total.JOB_REALTIME_RATIO, Total.OUTPUT_BITRATE, Total.OUTPUT_SIZE)),
    }


def test_an_observation_of_a_histogram_that_was_shown_at_zero_is_not_held() -> None:
    totals = Totals(hold=150.0)
    totals.definition(Job("a", "HD", "Transcoding"))
    totals.show(1000.0)
    totals.show(1150.0)
    unsaved = totals.take()
    finished_job(totals, SUCCESS)
    finished_task(totals, TASK, [SUCCESS])

    assert unsaved.histograms == {}  # zeros are not worth a write
    observed = totals.take().histograms
    assert len(observed) == 3
    assert not set(totals.view().held) & set(observed)


def test_histograms_at_zero_replace_no_stored_ones(totals: Totals) -> None:
    finished_task(totals, TASK, [SUCCESS])
    finished_job(totals, SUCCESS)
    stored = {key: view for key, view in totals.view().histograms.items() if any(view.counts)}
    restarted = again(totals)
    restarted.definition(SUCCESS)

    assert {key: view for key, view in restarted.view().histograms.items() if any(view.counts)} == stored


def test_definitions_and_error_codes_are_bounded_over_restarts(totals: Totals) -> None:
    for number in range(200):
        totals = again(totals) if number % 7 == 0 else totals
        finished_job(totals, Job("a", f"D{number}", "TranscodeFail", error_code=f"E{number}"))
        finished_job(totals, Job("b", "", "TranscodeFail"))
    definitions = {labels[0] for total, labels in totals.view().counters if total == Total.JOBS_FINISHED}
    codes = {labels[1] for total, labels in totals.view().counters if total == Total.JOB_FAILURES}

    assert len(definitions) == MAX_DEFINITIONS + 2
    assert {"D38", "other", "unknown", *DEFINITIONS} <= definitions
    assert len(codes) == MAX_ERROR_CODES + 2
    assert {"E49", "other", "unknown"} <= codes
    assert len(totals.definitions) == MAX_DEFINITIONS
    assert sum(counters(totals).values()) == 800


def test_documented_definitions_keep_their_name_with_a_suffix_and_after_many_others(totals: Totals) -> None:
    """Events append a suffix, and GetTranscodeTask may too."""
    for number in range(100):
        totals.definition(Job("a", f"D{number}"))
    names = ["FD", "HD-MP4", "4K-M3U8", "AUTO-HLS"]

    assert [totals.definition(Job("a", name)) for name in names] == names
    assert totals.definition(Job("a", "HD-SURPRISE")) == "other"


def test_a_definition_keeps_its_name_when_many_come_after_it(totals: Totals) -> None:
    names = [totals.definition(Job("a", f"D{number}")) for number in range(100)]

    assert names[:39] == [f"D{number}" for number in range(39)]
    assert set(names[39:]) == {"other"}
    assert totals.definition(Job("a", "D7")) == "D7"
    assert totals.definition(Job("a", "HD")) == "HD"


def test_a_value_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() -> None:
    totals = Totals(Buckets(duration=(10.0, 60.0)))
    for seconds in (0.0, 10.0, 10.5, 60.0, 61.0, 1e9):
        processed_job(totals, SUCCESS, seconds)

    key = (Total.JOB_PROCESSING, ("HD",))
    assert totals.view().histograms[key] == HistogramView((10.0, 60.0), (2, 2, 2), 1e9 + 141.5)


def test_each_histogram_has_the_bounds_of_its_unit() -> None:
    totals = Totals(Buckets(duration=(1.0,), bitrate=(2.0,), size=(3.0,)))
    finished_job(totals, SUCCESS)
    finished_task(totals, TASK, [])
    processed_job(totals, SUCCESS, 1.0)
    finished_output(totals, SUCCESS, Output(bitrate=1.0, size=1.0), billed="H264.HD")
    bounds = {total: view.bounds for (total, _), view in totals.view().histograms.items()}

    assert bounds == {
        Total.JOB_DURATION: (1.0,),
        Total.TASK_DURATION: (1.0,),
        Total.TASK_FIRST_OUTPUT: (1.0,),
        Total.JOB_PROCESSING: (1.0,),
        Total.JOB_REALTIME_RATIO: (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0),
        Total.OUTPUT_BITRATE: (2.0,),
        Total.OUTPUT_SIZE: (3.0,),
    }


def test_the_default_bounds_rise() -> None:
    buckets = Buckets()

    for bounds in (buckets.duration, buckets.bitrate, buckets.size):
        assert list(bounds) == sorted(set(bounds))


def test_a_histogram_with_changed_bounds_starts_at_zero_and_others_continue(totals: Totals) -> None:
    finished_job(totals, SUCCESS)
    finished_output(totals, SUCCESS, Output(size=5.0), billed="H264.HD")
    changed = again(totals, Buckets(duration=(1.0, 2.0)))
    finished_job(changed, SUCCESS)
    finished_output(changed, SUCCESS, Output(size=5.0), billed="H264.HD")

    view = changed.view()
    assert view.counters[Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")] == 2
    assert view.histograms[Total.JOB_DURATION, ("HD", "TranscodeSuccess")] == HistogramView((1.0, 2.0), (0, 0, 1), 60.0)
    assert view.histograms[Total.OUTPUT_SIZE, ("HD",)].sum == 10.0


def test_changes_hold_the_present_values_of_totals_that_changed_since_a_save(totals: Totals) -> None:
    key = (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess"))
    first = totals.take()
    finished_job(totals, SUCCESS)
    totals.take()
    finished_job(totals, SUCCESS)
    finished_job(totals, SUCCESS)
    changes = totals.take()

    assert (first.counters, first.histograms) == ({}, {})
    assert changes.counters == {key: 3.0}
    assert list(changes.histograms) == [(Total.JOB_DURATION, ("HD", "TranscodeSuccess"))]
    assert totals.take() == first


def test_totals_that_were_not_saved_are_taken_again_with_those_counted_since(totals: Totals) -> None:
    finished_job(totals, SUCCESS)
    totals.restore(totals.take())
    finished_job(totals, SUCCESS)
    again = totals.take()

    assert again.counters == {(Total.JOBS_FINISHED, ("HD", "TranscodeSuccess")): 2.0}
    assert [sum(histogram.counts) for histogram in again.histograms.values()] == [2]


def test_a_view_does_not_change_with_later_counts(totals: Totals) -> None:
    view = totals.view()
    finished_job(totals, SUCCESS)

    assert set(view.counters.values()) == {0.0}
    assert not any(sum(histogram.counts) for histogram in view.histograms.values())


# New series, which `increase()` of Prometheus would miss


FAILURES: Key = (Total.JOB_FAILURES, ("LD", "Bad"))
FINISHED: Key = (Total.JOBS_FINISHED, ("LD", "TranscodeFail"))


def held_at(totals: Totals, now: float) -> set[Key]:
    """What is held of the failure when it is shown at `now`."""
    totals.show(now)
    return {FAILURES, FINISHED} & set(totals.view().held)


def test_a_new_total_is_held_for_a_time_from_when_it_was_first_shown() -> None:
    totals = Totals(hold=150.0)
    finished_job(totals, FAILURE)
    seen = [held_at(totals, now) for now in (1000.0, 1149.0, 1150.0)]
    finished_job(totals, FAILURE)

    assert seen == [{FAILURES, FINISHED}, {FAILURES, FINISHED}, set()]
    assert held_at(totals, 1151.0) == set()
    assert totals.view().counters[FAILURES] == 2


def test_a_total_that_was_shown_at_zero_is_not_held_when_it_is_counted() -> None:
    """The alerts read these: they are not late."""
    totals = Totals(hold=150.0)
    totals.show(1000.0)
    totals.show(1150.0)
    finished_job(totals, FAILURE)

    assert held_at(totals, 1160.0) == {FAILURES}


def test_the_counters_of_a_definition_are_zero_from_its_first_job() -> None:
    totals = Totals()
    totals.definition(Job("a", "custom"))
    zeros = {key: amount for key, amount in totals.view().counters.items() if key[1][0] == "custom"}

    assert set(zeros.values()) == {0.0}
    assert len(zeros) == 3 + 1 + 3
    assert totals.take().counters == {}


def test_a_held_total_is_held_again_after_a_restart_and_others_are_not() -> None:
    totals = Totals(hold=150.0)
    finished_job(totals, FAILURE)
    totals.show(1000.0)
    changes = totals.take()
    soon = Totals(stored=changes, hold=150.0)
    first = held_at(soon, 9000.0)
    later = held_at(soon, 9150.0)
    changed = soon.take()
    again = Totals(stored=changed, hold=150.0)

    assert (first, later) == ({FAILURES, FINISHED}, set())
    assert {FAILURES, FINISHED} <= changed.counters.keys()  # saved before they are shown
    assert held_at(again, 9151.0) == set()


def test_when_the_clock_is_set_back_a_total_is_held_anew() -> None:
    totals = Totals(hold=150.0)
    finished_job(totals, FAILURE)
    seen = [bool(held_at(totals, now)) for now in (5000.0, 1000.0, 1149.0, 1150.0)]

    assert seen == [True, True, True, False]


# Exemplars


def test_the_exemplar_of_a_bucket_is_its_last_finish() -> None:
    totals = Totals(Buckets(duration=(60.0, 300.0)), clock=TickingClock())
    for job_id, seconds in (("a", 60.0), ("b", 30.0), ("c", 301.0)):
        finished_job(totals, Job(job_id, "HD", "TranscodeSuccess", created=100.0, completed=100.0 + seconds))
    finished_job(totals, Job("d", "LD", "TranscodeSuccess", created=100.0, completed=101.0))

    assert totals.view().exemplars == {
        (Total.JOB_DURATION, ("HD", "TranscodeSuccess")): {0: Exemplar("b", 30.0, 20.0), 2: Exemplar("c", 301.0, 30.0)},
        (Total.JOB_DURATION, ("LD", "TranscodeSuccess")): {0: Exemplar("d", 1.0, 40.0)},
    }


def test_exemplars_are_not_stored(totals: Totals) -> None:
    """The store is not given exemplars. Views that differ only in exemplars are equal."""
    finished_job(totals, FAILURE)
    view, after = totals.view(), again(totals)

    assert view.exemplars
    assert after.view() == view
    assert after.view().exemplars == totals.take().exemplars == {}


def test_the_exemplars_of_a_view_do_not_change_with_later_counts(totals: Totals) -> None:
    finished_job(totals, FAILURE)
    view = totals.view()
    finished_job(totals, replace(FAILURE, id="c"))

    assert [[one.id for one in buckets.values()] for buckets in view.exemplars.values()] == [["b"]]


def test_the_zeros_of_a_definition_are_there_after_a_restart() -> None:
    """A series that vanishes for a while would be new to Prometheus again."""
    before = Totals()
    before.count(Total.JOBS_FINISHED, (before.definition(Job("j", "Own")), "TranscodeFail"))
    changed = TotalsView({key: value for key, value in before.view().counters.items() if value})
    after = Totals(stored=changed)
    assert after.view().counters == before.view().counters
    assert after.view().histograms == before.view().histograms


def test_a_view_is_the_same_object_until_a_total_changes() -> None:
    """So their lines are rendered only after a change."""
    clock = Clock()
    totals = Totals(hold=10.0, clock=clock)
    seen = [totals.view()]

    def changed() -> bool:
        seen.append(totals.view())
        return seen[-1] is not seen[-2]

    assert not changed()
    totals.count(Total.JOBS_FINISHED, ("HD", "TranscodeSuccess"))
    assert changed()
    totals.observe(Total.TASK_FIRST_OUTPUT, (), 3.0)
    assert changed()
    totals.definition(Job("j", "HD-MP4"))
    assert changed()
    totals.definition(Job("j", "HD-MP4"))
    totals.show(clock.now)
    assert not changed()
    totals.show(clock.now + 10.0)  # the new totals are not exposed at 0 any more
    assert changed()
    totals.show(clock.now + 20.0)
    assert not changed()
