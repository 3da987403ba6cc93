"""Videos that were transcoding and whose task VOD did not list: two answers without a new task confirm that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from exporter.model import Task
from exporter.tracking.videos import Videos
from tests.conftest import NOW, Clock
from tests.tracking.conftest import INTERVAL, LOOKBACK, due, summary, task

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
