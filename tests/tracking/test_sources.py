"""The videos that the configuration names: when their tasks are listed, and which of those are tracked."""

from __future__ import annotations

import threading

import pytest

from exporter.model import Task
from exporter.tracking.sources import LIST_INTERVAL_SECONDS, LOOKBACK_SECONDS, NamedVideos

NOW = 1_700_000_000.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def videos(clock: Clock) -> NamedVideos:
    return NamedVideos(["a", "b"], clock=clock)


def test_a_video_is_due_until_listed_and_again_after_the_interval(videos: NamedVideos, clock: Clock) -> None:
    first = videos.due()
    videos.listed("a")
    rest = videos.due()
    clock.now += LIST_INTERVAL_SECONDS

    assert (first, rest) == (("a", "b"), ("b",))
    assert set(videos.due()) == {"a", "b"}


def test_a_video_that_fails_does_not_keep_the_others_from_their_turn(videos: NamedVideos, clock: Clock) -> None:
    videos.asked("a")
    clock.now += 1

    assert videos.due() == ("b", "a")


@pytest.mark.parametrize("step", [-3600.0, 86_400.0])
def test_after_the_clock_has_stepped_videos_are_due(videos: NamedVideos, clock: Clock, step: float) -> None:
    videos.listed("a")
    clock.now += step

    assert "a" in videos.due()


def test_a_video_is_believed_to_be_gone_after_two_answers_in_a_row_and_said_so_once(videos: NamedVideos) -> None:
    answers = [videos.not_found("a")]
    videos.listed("a")
    answers += [videos.not_found("a") for _ in range(4)]

    assert answers == [False, False, True, False, False]
    assert videos.due() == ("b",)  # asked again after the interval, not at once


def test_tracked_are_unfinished_tasks_recent_ones_and_the_newest(videos: NamedVideos) -> None:
    long_ago = NOW - LOOKBACK_SECONDS - 1
    tasks = [
        Task("finished long ago", status="CompleteAllSucc", created=long_ago - 9),
        Task("never ended", status="Processing", created=long_ago - 5),
        Task("recent", status="CompleteAllFail", created=NOW - 100),
        Task("odd status", status="Odd"),
        Task("finished, no date", status="CompleteAllSucc"),
    ]

    assert set(videos.selected(tasks)) == {"never ended", "recent", "odd status"}
    assert videos.selected(tasks[:1]) == ["finished long ago"]
    assert videos.selected([]) == []


def test_several_threads_may_list_while_another_looks(videos: NamedVideos) -> None:
    """Workers of an old refresh may still note what they did while the next one plans."""
    many = NamedVideos([str(number) for number in range(200)])
    faults: list[BaseException] = []

    def note(method: str) -> None:
        try:
            for number in range(2000):
                getattr(many, method)(str(number % 200))
                many.due()
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=note, args=(method,)) for method in ("asked", "listed", "not_found")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert faults == []
