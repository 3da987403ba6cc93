"""Videos: when and in which order their tasks are listed, for how long, and which tasks are tracked."""

from __future__ import annotations

import threading

import pytest

from exporter.model import Task
from exporter.tracking.videos import Videos
from tests.conftest import NOW, Clock
from tests.tracking.conftest import INTERVAL, LOOKBACK, due


def test_a_named_video_is_due_until_listed_and_again_after_the_interval(named: Videos, clock: Clock) -> None:
    first = due(named)
    named.listed("a", ())
    rest = due(named)
    clock.now += INTERVAL

    assert (first, rest) == (("a", "b"), ("b",))
    assert set(due(named)) == {"a", "b"}


def test_an_old_video_that_nothing_names_is_forgotten(named: Videos, clock: Clock) -> None:
    named.listed("a", ())
    named.listed("b", ())
    named.name("configuration", ["b"], source="videos")
    clock.now += LOOKBACK + 1

    assert due(named) == ("b",)


def test_a_video_that_loses_its_last_name_is_reported_once(named: Videos) -> None:
    named.name("file", ["a"], source="files")
    named.name("configuration", [], source="videos")
    first = named.left()

    assert (first, named.left()) == (frozenset({"b"}), frozenset())
    named.name("file", [], source="files")
    assert named.left() == {"a"}


def test_a_video_whose_list_always_fails_is_forgotten_in_the_end(videos: Videos, clock: Clock) -> None:
    videos.found("bad", created=NOW, transcoding=False, source="discovery")
    videos.asked(["bad"])
    before = due(videos)
    clock.now += LOOKBACK + 1

    assert (before, due(videos)) == (("bad",), ())


def test_a_video_whose_list_fails_does_not_block_the_others(named: Videos, clock: Clock) -> None:
    named.asked(["a"])
    clock.now += 1

    assert due(named) == ("b", "a")


@pytest.mark.parametrize("step", [-3600.0, 86_400.0])
def test_after_the_clock_has_stepped_videos_are_due(named: Videos, clock: Clock, step: float) -> None:
    named.listed("a", ())
    clock.now += step

    assert "a" in due(named)


def test_a_found_video_is_listed_again_after_a_quarter_of_its_age(videos: Videos, clock: Clock) -> None:
    videos.found("v", created=NOW - 4000.0, transcoding=False, source="discovery")
    assert due(videos) == ("v",)
    videos.listed("v", ())
    clock.now += 900.0
    assert due(videos) == ()
    clock.now += 500.0
    assert due(videos) == ("v",)


def test_a_new_video_is_listed_at_most_once_an_interval(videos: Videos, clock: Clock) -> None:
    videos.found("v", created=NOW, transcoding=False, source="discovery")
    videos.listed("v", ())
    clock.now += INTERVAL - 1
    assert due(videos) == ()
    clock.now += 1
    assert due(videos) == ("v",)


def test_a_video_in_transcoding_is_listed_each_interval_however_old(videos: Videos, clock: Clock) -> None:
    videos.found("v", created=NOW - 30 * 86_400.0, transcoding=True, source="discovery")
    videos.listed("v", ())
    clock.now += INTERVAL

    assert due(videos) == ("v",)


@pytest.mark.parametrize("begins", [True, False])
def test_a_video_whose_transcoding_starts_or_ends_is_due_at_once(videos: Videos, begins: bool) -> None:
    videos.found("v", created=NOW - 80_000.0, transcoding=not begins, source="discovery")
    videos.listed("v", ())
    videos.found("v", created=NOW - 80_000.0, transcoding=begins, source="discovery")

    assert due(videos) == ("v",)


def test_a_video_that_left_the_list_of_transcoding_videos_is_due(videos: Videos) -> None:
    for video_id in ("ended", "runs"):
        videos.found(video_id, created=NOW, transcoding=True, source="discovery")
        videos.listed(video_id, ())
    videos.ended({"runs"})

    assert due(videos) == ("ended",)


def test_a_prioritized_video_comes_first(videos: Videos) -> None:
    videos.found("a", created=NOW, transcoding=False, source="discovery")
    videos.found("z", created=NOW, transcoding=False, source="discovery")
    for video_id in ("a", "z"):
        videos.listed(video_id, ())
    videos.name("configuration", ["b"], source="videos")
    videos.asked(["b"])
    videos.prioritize("z", source="events")

    assert due(videos)[0] == "z"


def test_videos_that_were_never_listed_come_newest_first(videos: Videos) -> None:
    for age in (300, 100, 200):
        videos.found(f"{age}", created=NOW - age, transcoding=False, source="discovery")

    assert due(videos) == ("100", "200", "300")


def test_a_found_video_is_forgotten_after_the_lookback(videos: Videos, clock: Clock) -> None:
    videos.found("v", created=NOW, transcoding=False, source="discovery")
    videos.listed("v", ())
    clock.now += LOOKBACK + 1

    assert due(videos) == ()


def test_the_first_source_of_a_video_is_its_source(named: Videos) -> None:
    named.found("a", created=NOW, transcoding=True, source="discovery")
    named.prioritize("new", source="events")

    assert (named.source("a"), named.source("new")) == ("videos", "events")
    assert (named.is_named("a"), named.is_named("new")) == (True, False)


@pytest.fixture
def few_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.tracking.videos.MAX_HINTS", 3)


def hints(videos: Videos) -> tuple[str, ...]:
    return videos.due(by_summaries=True).hints


def test_a_video_that_only_an_event_names_is_a_hint_and_not_in_the_other_lists(named: Videos) -> None:
    named.prioritize("new", source="events")
    named.prioritize("a", source="events")

    assert (hints(named), due(named)) == (("new",), ("a", "b"))


@pytest.mark.usefixtures("few_hints")
def test_hints_that_wait_for_an_answer_are_bounded_and_further_ones_are_reported(clock: Clock) -> None:
    dropped: list[None] = []
    videos = Videos(interval=INTERVAL, lookback=LOOKBACK, clock=clock, dropped=lambda: dropped.append(None))
    for video_id in "vwxyz":
        videos.prioritize(video_id, source="events")
    videos.prioritize("v", source="events")

    assert (sorted(hints(videos)), len(dropped)) == (["v", "w", "x"], 2)


@pytest.mark.usefixtures("few_hints")
@pytest.mark.parametrize("answer", ["no tasks", "not found", "failure"])
def test_a_hint_that_led_to_no_task_makes_room_for_the_next_one(videos: Videos, answer: str) -> None:
    for video_id in "vwx":
        videos.prioritize(video_id, source="events")
    if answer == "no tasks":
        videos.listed("w", ())
    elif answer == "not found":
        videos.not_found("w")
    videos.asked(["w"])
    videos.prioritize("y", source="events")
    videos.prioritize("z", source="events")

    assert sorted(hints(videos)) == ["v", "x", "y"]


@pytest.mark.usefixtures("few_hints")
def test_a_hint_can_be_forgotten_while_its_tasks_are_listed(videos: Videos) -> None:
    for video_id in "vwx":
        videos.prioritize(video_id, source="events")
    videos.asked(["v"])
    videos.prioritize("y", source="events")
    videos.listed("v", [Task("t", "v", "Processing", created=NOW)])

    assert (videos.source("v"), sorted(hints(videos))) == ("events", ["w", "x", "y"])


@pytest.mark.usefixtures("few_hints")
@pytest.mark.parametrize("known_by", ["task", "discovery", "configuration"])
def test_a_video_that_is_known_from_elsewhere_is_no_hint(videos: Videos, clock: Clock, known_by: str) -> None:
    """It is not forgotten for the hints of later events."""
    videos.prioritize("v", source="events")
    if known_by == "task":
        videos.listed("v", [Task("t", "v", "Processing", created=NOW)])
        clock.now += INTERVAL
    elif known_by == "discovery":
        videos.found("v", created=NOW, transcoding=True, source="discovery")
    else:
        videos.name("configuration", ["v"], source="videos")
    for number in range(5):
        videos.prioritize(f"{number}", source="events")
        videos.listed(f"{number}", ())

    assert due(videos) == ("v",)
    assert set(videos.due(by_summaries=False).hints) <= {"2", "3", "4"}


@pytest.mark.usefixtures("few_hints")
def test_hints_without_tasks_are_forgotten_after_the_lookback(videos: Videos, clock: Clock) -> None:
    for video_id in "vwx":
        videos.prioritize(video_id, source="events")
        videos.listed(video_id, ())
    clock.now += LOOKBACK + 1
    before = hints(videos)
    for video_id in "abc":
        videos.prioritize(video_id, source="events")

    assert (before, sorted(hints(videos))) == ((), ["a", "b", "c"])


def test_a_video_is_reported_as_gone_once_after_two_answers_in_a_row(named: Videos) -> None:
    answers = [named.not_found("a")]
    named.listed("a", ())
    answers += [named.not_found("a") for _ in range(4)]

    assert answers == [False, False, True, False, False]


def test_unfinished_and_recent_tasks_are_selected_and_the_newest_of_a_named_video(videos: Videos) -> None:
    old, older = NOW - LOOKBACK - 1, NOW - LOOKBACK - 2
    tasks = [
        Task("recent", status="CompleteAllSucc", created=NOW - LOOKBACK),
        Task("long-running", status="Processing", created=older),
        Task("undated", status="CompleteAllSucc"),
        Task("over", status="CompleteAllFail", created=older),
    ]
    past = [Task("over", status="CompleteAllFail", created=older), Task("last", status="CompleteAllSucc", created=old)]

    assert set(videos.selected(tasks, newest=False)) == {"recent", "long-running", "undated"}
    assert videos.selected(past, newest=False) == []
    assert videos.selected(past, newest=True) == ["last"]
    assert videos.selected([], newest=True) == []


@pytest.mark.slow
def test_several_threads_can_report_videos_at_the_same_time(videos: Videos) -> None:
    failures: list[Exception] = []

    def report(name: str) -> None:
        try:
            for number in range(100):
                videos.found(f"{name}{number}", created=NOW, transcoding=False, source="discovery")
                due(videos)
                videos.listed(f"{name}{number}", ())
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=report, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
