"""Display: amounts and times as people read them, the same on the status page and in tables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter import display
from exporter.command import tasktable
from exporter.model import Job, Task
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot
from exporter.web.listing import Query
from exporter.web.pages import status_page
from exporter.web.site import Site
from tests.conftest import NOW


def test_durations_have_their_two_largest_units() -> None:
    assert [display.duration(seconds) for seconds in (0.2, 42, 60, 185, 7800, 90000)] == [
        "0 s", "42 s", "1 min", "3 min 5 s", "2 h 10 min", "1 d 1 h",
    ]  # fmt: skip


def test_an_age_has_its_largest_unit_and_the_future_is_now() -> None:
    ages = [display.ago(NOW - age, now=NOW) for age in (-5, 0.2, 42, 185)]

    assert ages == ["just now", "just now", "42 s ago", "3 min ago"]


def test_sizes_are_in_decimal_units() -> None:
    sizes = [display.size(count) for count in (0, 999, 21478000.0, 2.5e15)]

    assert sizes == ["0 B", "999 B", "21.5 MB", "2,500.0 TB"]


def test_times_are_utc_for_people_and_for_programs() -> None:
    assert (display.moment(NOW), display.iso(NOW)) == ("2023-11-14 22:13:20 UTC", "2023-11-14T22:13:20Z")


@given(st.integers(0, 100))
def test_whole_percents_stay_what_they_are(percent: int) -> None:
    assert display.percent(percent / 100) == f"{percent} %"


@given(st.floats(0, 1))
def test_100_percent_means_that_all_is_done(ratio: float) -> None:
    assert (display.percent(ratio) == "100 %") == (ratio > 1 - 1e-8)


def test_the_task_command_and_the_status_page_show_the_same_percent() -> None:
    jobs = tuple(Job(f"j{number}", "HD", "Transcoding", progress) for number, progress in enumerate((1.0, 1.0, 0.99)))
    task = Task("t", "v", "Processing", jobs=jobs)
    view = LedgerView(tasks=(ShownTask(task, task.progress),), jobs=tuple(ShownJob(job, "t", "v") for job in jobs))
    account = AccountSnapshot("prod", "cn-shanghai", "https://vod", view=view)

    assert tasktable.as_table([task]).splitlines()[0] == "task t  Processing  99 %"
    page = status_page(Snapshot((account,)), Query(), Site(), now=NOW)
    assert page.count("99 %") == 2  # of the task, and of its last job
