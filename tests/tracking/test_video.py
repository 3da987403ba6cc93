"""One video: what an answer of VOD changes in it."""

from __future__ import annotations

from dataclasses import replace

from exporter.model import Task
from exporter.tracking.video import Video

NOW = 1_767_225_600.0
RUNNING = Task(id="t", video_id="v", status="Processing", created=NOW)
ENDED = replace(RUNNING, status="CompleteAllSucc")


def listed(*tasks: Task) -> Video:
    """A video whose tasks were just listed."""
    video = Video("discovery", NOW)
    video.listed(tasks, NOW)
    return video


def test_a_summary_of_a_task_in_the_list_confirms_the_list() -> None:
    video = listed(RUNNING)
    video.summarized(RUNNING, NOW + 30)
    assert (video.outdated, video.prioritized, video.checked) == (False, False, NOW + 30)


def test_a_summary_of_another_task_or_of_its_end_makes_the_list_outdated() -> None:
    for newest in (replace(RUNNING, id="u", created=NOW + 1), replace(RUNNING, created=None), ENDED, None):
        video = listed(RUNNING)
        video.summarized(newest, NOW + 30)
        assert (video.outdated, video.prioritized) == (True, True), newest


def test_two_tasks_of_the_same_second_are_not_listed_with_each_summary() -> None:
    """The summary is about the ended one, and the list has one that runs."""
    video = listed(RUNNING, ENDED)
    video.summarized(ENDED, NOW + 30)
    assert video.outdated
    video.listed((RUNNING, ENDED), NOW + 31)
    video.summarized(ENDED, NOW + 60)
    assert not video.outdated


def test_a_video_that_vod_does_not_know_is_reported_once() -> None:
    video = listed(RUNNING)
    assert [video.not_found(NOW) for _ in range(3)] == [False, True, False]
    video.listed((), NOW)
    assert not video.not_found(NOW)


def test_doubts_end_with_answers_after_the_transcoding_or_with_an_unfinished_task() -> None:
    video = listed()
    video.doubts, video.transcoding = 2, True
    video.summarized(None, NOW)
    assert video.doubts == 2
    video.transcoding = False
    video.summarized(None, NOW)
    assert video.doubts == 1
    video.listed((RUNNING,), NOW)
    assert video.doubts == 0
