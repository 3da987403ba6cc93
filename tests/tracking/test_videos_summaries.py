"""Videos whose newest task GetTranscodeSummary describes: when their tasks are listed again."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.model import Task
from exporter.tracking.videos import Due, Videos
from tests.conftest import NOW, Clock
from tests.tracking.conftest import INTERVAL, START, due, summary, task


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
