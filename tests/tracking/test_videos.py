"""Videos: when and in which order their tasks are listed, for how long, and which tasks are tracked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from exporter.model import Task
from exporter.tracking.videos import Due, Videos
from tests.conftest import NOW, Clock
from tests.tracking.conftest import due

INTERVAL = 30.0
LOOKBACK = 86_400.0


@pytest.fixture
def videos(clock: Clock) -> Videos:
    return Videos(interval=INTERVAL, lookback=LOOKBACK, clock=clock)


@pytest.fixture
def named(videos: Videos) -> Videos:
    videos.name("configuration", ["a", "b"], source="videos")
    return videos


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


# A video in transcoding whose task VOD does not list yet

AGED = NOW - 40 * LOOKBACK


def doubtful(videos: Videos, clock: Clock, *tasks: Task) -> None:
    """VOD reported the video as transcoding, listed no unfinished task of it, and does not report it any more."""
    videos.found("v", created=AGED, transcoding=True, source="discovery")
    videos.listed("v", tasks)
    clock.now += INTERVAL
    videos.ended(())


@pytest.mark.parametrize("tasks", [(), (Task("old", "v", "CompleteAllSucc", created=AGED),)], ids=["none", "ended"])
@pytest.mark.parametrize("by_summaries", [True, False])
def test_after_its_transcoding_two_answers_are_asked_for(
    videos: Videos, clock: Clock, tasks: Sequence[Task], *, by_summaries: bool
) -> None:
    doubtful(videos, clock, *tasks)
    asked = []
    for _ in range(4):
        now = videos.due(by_summaries=by_summaries)
        asked.append(now.summaries if by_summaries else now.lists)
        if now.summaries:
            videos.summarized(now.summaries, [replace(task, id="") for task in tasks])
        for video_id in now.lists:
            videos.listed(video_id, tasks)
        clock.now += INTERVAL

    assert asked == [("v",), ("v",), (), ()]


def test_the_answer_that_it_does_not_exist_counts_too(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    answers = []
    for _ in range(2):
        answers.append(due(videos))
        videos.not_found("v")
        clock.now += INTERVAL

    assert (answers, due(videos)) == ([("v",), ("v",)], ())


def test_a_call_that_failed_is_no_answer(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    asked = []
    for _ in range(5):
        asked.append(due(videos))
        videos.asked(["v"])
        clock.now += INTERVAL

    assert asked == [("v",)] * 5


def test_if_no_call_is_answered_the_video_is_forgotten_in_the_end(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    videos.asked(["v"])
    clock.now += LOOKBACK - INTERVAL
    before = due(videos)
    clock.now += 1

    assert (before, due(videos)) == (("v",), ())


def test_an_unfinished_task_in_the_list_ends_the_doubt(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    videos.listed("v", [task()])
    clock.now += INTERVAL

    assert due(videos) == ()


def test_a_video_that_is_transcoding_again_is_doubted_again(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    videos.listed("v", ())
    doubtful(videos, clock)
    videos.listed("v", ())
    clock.now += INTERVAL

    assert due(videos) == ("v",)


def test_a_summary_with_a_task_that_the_list_lacks_does_not_end_the_doubt(videos: Videos, clock: Clock) -> None:
    doubtful(videos, clock)
    videos.summarized(["v"], [summary(status="CompleteAllSucc")])
    lists = videos.due(by_summaries=True).lists
    videos.listed("v", ())
    clock.now += INTERVAL

    assert (lists, videos.due(by_summaries=True).summaries) == (("v",), ("v",))


def test_a_video_whose_task_was_listed_in_time_is_asked_about_once_after_it(videos: Videos, clock: Clock) -> None:
    videos.found("v", created=AGED, transcoding=True, source="discovery")
    videos.listed("v", [task()])
    videos.found("v", created=AGED, transcoding=True, source="discovery")
    videos.ended(())
    first = due(videos)
    videos.listed("v", [task(status="CompleteAllSucc")])
    clock.now += INTERVAL

    assert (first, due(videos)) == (("v",), ())


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


# With GetTranscodeSummary

START = NOW - 60.0


def summary(created: float | None = START, status: str = "Processing", video_id: str = "v") -> Task:
    """The newest task of a video, as GetTranscodeSummary describes it."""
    return Task("", video_id, status, created=created)


def task(created: float | None = START, status: str = "Processing", task_id: str = "t") -> Task:
    """A task of a list."""
    return Task(task_id, "v", status, created=created)


class Known:
    """A video in transcoding whose tasks were listed. The exporter asks about it whenever it is due."""

    def __init__(self, videos: Videos, clock: Clock, *tasks: Task, transcoding: bool = True) -> None:
        self.videos, self.clock = videos, clock
        videos.found("v", created=NOW - 40_000.0, transcoding=transcoding, source="discovery")
        videos.listed("v", tasks)

    def due(self) -> str:
        due = self.videos.due(by_summaries=True)
        return "".join([*("list" for _ in due.lists), *("summary" for _ in due.summaries)])

    def asks(self, *newest: Task, tasks: Sequence[Task] = ()) -> bool:
        """Two intervals pass, and VOD answers `newest`. Returns whether the tasks are listed too: `tasks`."""
        self.clock.now += 2 * INTERVAL
        assert self.due() == "summary"
        self.videos.summarized(["v"], newest)
        lists = self.due() == "list"
        if lists:
            self.videos.listed("v", tasks)
        assert self.due() == ""
        return lists


def test_a_new_video_is_listed_without_a_summary_before(videos: Videos) -> None:
    videos.found("v", created=NOW, transcoding=True, source="discovery")

    assert videos.due(by_summaries=True) == Due(lists=("v",))


def test_a_video_is_listed_again_only_when_its_newest_task_is_new_or_has_ended(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())
    new = summary(START + 30)
    old = task(status="CompleteAllSucc")

    assert not known.asks(summary())
    assert not known.asks(summary(status="Partial"))
    assert known.asks(summary(status="CompleteAllSucc"), tasks=[old])
    assert not known.asks(summary(status="CompleteAllSucc"))
    assert known.asks(new, tasks=[task(START + 30), old])
    assert not known.asks(new)


def test_a_newest_task_that_the_list_does_not_have_yet_is_listed_again(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock)

    assert [known.asks(summary(), tasks=tasks) for tasks in ((), (), [task()], ())] == [True, True, True, False]


def test_of_two_tasks_of_the_same_second_the_other_is_found_when_one_ends(videos: Videos, clock: Clock) -> None:
    """A documented sample has two tasks with the same CreationTime, one of them Processing and one complete."""
    known = Known(videos, clock, task())
    both = [task(), task(status="CompleteAllSucc", task_id="u")]

    assert known.asks(summary(status="CompleteAllSucc"), tasks=both)
    assert not known.asks(summary(status="CompleteAllSucc"))
    assert not known.asks(summary())


def test_a_task_that_runs_beside_an_ended_one_of_the_same_second_is_found(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task(status="CompleteAllSucc"))

    assert known.asks(summary(), tasks=[task(status="CompleteAllSucc"), task(task_id="u")])
    assert not known.asks(summary())


def test_a_list_that_is_late_with_the_end_of_a_task_is_not_asked_for_again(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())

    assert known.asks(summary(status="CompleteAllFail"), tasks=[task()])
    assert not known.asks(summary(status="CompleteAllFail"))


def test_a_summary_without_a_creation_time_is_no_reason_not_to_list(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task(None))

    assert [known.asks(summary(None), tasks=[task(None)]) for _ in range(3)] == [True, True, True]


def test_a_video_that_the_summary_lacks_is_listed_unless_it_had_no_task(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock)

    assert not known.asks()
    assert known.asks(summary(), tasks=[task()])
    assert [known.asks(tasks=tasks) for tasks in ([task()], (), ())] == [True, True, False]


def test_a_summary_of_several_tasks_of_a_video_counts_the_newest(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task(), task(START - 30))

    assert not known.asks(summary(), summary(START - 30))
    assert known.asks(summary(START + 30), summary(), tasks=[task(START + 30)])


def test_after_two_answers_that_a_video_does_not_exist_only_its_summary_is_asked_for(
    videos: Videos, clock: Clock
) -> None:
    known = Known(videos, clock, task())
    clock.now += 2 * INTERVAL
    videos.summarized(["v"], ())
    asked, answers = [known.due()], [videos.not_found("v")]
    clock.now += INTERVAL
    asked, answers = [*asked, known.due()], [*answers, videos.not_found("v")]

    assert (asked, answers) == (["list", "list"], [False, True])
    assert not known.asks()
    assert known.asks(summary(), tasks=[task()])


def test_a_video_whose_task_runs_is_asked_about_every_other_interval(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())
    clock.now += 2 * INTERVAL - 1
    before = known.due()
    clock.now += 1

    assert (before, known.due()) == ("", "summary")
    assert due(videos) == ("v",)


def test_a_video_in_transcoding_without_a_running_task_is_asked_about_each_interval(
    videos: Videos, clock: Clock
) -> None:
    known = Known(videos, clock, task(status="CompleteAllSucc"))
    clock.now += INTERVAL

    assert known.due() == "summary"


def test_a_normal_video_is_asked_about_after_a_quarter_of_its_age(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task(), transcoding=False)
    clock.now += 9_990.0
    before = known.due()
    clock.now += 5_000.0

    assert (before, known.due()) == ("", "summary")


def test_an_event_lists_the_tasks_of_its_video_without_a_summary(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())
    videos.prioritize("v", source="events")

    assert known.due() == "list"


def test_a_video_whose_transcoding_has_ended_is_asked_about_at_once(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())
    videos.ended(())

    assert known.due() == "summary"


def test_a_video_with_a_new_task_is_listed_before_the_others(videos: Videos, clock: Clock) -> None:
    Known(videos, clock, task())
    videos.found("new", created=NOW, transcoding=True, source="discovery")
    videos.asked(["new"])
    videos.summarized(["v"], [summary(START + 30)])

    assert videos.due(by_summaries=True).lists == ("v", "new")


def test_a_video_whose_list_fails_after_a_summary_is_still_listed(videos: Videos, clock: Clock) -> None:
    known = Known(videos, clock, task())
    videos.summarized(["v"], [summary(START + 30)])
    videos.asked(["v"])

    assert known.due() == "list"


def test_a_failed_call_for_summaries_leaves_its_videos_due_after_the_others(videos: Videos, clock: Clock) -> None:
    for video_id in "ab":
        videos.found(video_id, created=NOW, transcoding=True, source="discovery")
        videos.listed(video_id, ())
    clock.now += INTERVAL
    videos.asked(["b"])

    assert videos.due(by_summaries=True).summaries == ("a", "b")


def test_the_last_call_for_summaries_is_filled_with_the_videos_that_are_due_next(videos: Videos, clock: Clock) -> None:
    """Only with videos that were not asked about within the interval."""
    for number in range(12):
        videos.found(f"v{number:02}", created=NOW - 4000.0 - 400.0 * number, transcoding=False, source="discovery")
        videos.listed(f"v{number:02}", ())
    clock.now += 1330
    before = videos.due(by_summaries=True).summaries
    clock.now += 10
    videos.summarized(["v01", "v02", "v03"], ())

    assert before == ()
    assert videos.due(by_summaries=True).summaries == ("v00", *(f"v{number:02}" for number in range(4, 12)))
