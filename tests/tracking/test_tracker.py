"""The tracker: its sources name their tasks and videos, and tasks of a video that left are unnamed."""

from __future__ import annotations

import pytest

from exporter.model import Task
from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import Static
from exporter.tracking.tracker import Tracker
from exporter.tracking.videos import Videos
from tests.conftest import Clock
from tests.tracking.conftest import ask_task, done, due, pass_retention, tracked_ids


class Changing:
    """A source whose videos change."""

    videos: tuple[str, ...] = ("v",)

    def name(self, ledger: Ledger, videos: Videos) -> None:
        ledger.name("changing", (), source="files")
        videos.name("changing", self.videos, source="files")


@pytest.fixture
def videos(clock: Clock) -> Videos:
    return Videos(clock=clock)


def show_finished_task_of(ledger: Ledger, tracker: Tracker, video_id: str) -> None:
    """VOD lists a finished task of the video."""
    tracker.name_all()
    ledger.name(f"video {video_id}", ["t"], source="videos")
    ask_task(ledger, done("t", "a"))


def test_every_source_names_its_tasks_and_videos(ledger: Ledger, videos: Videos) -> None:
    Tracker(ledger, videos, [Static(tasks=["t"], videos=["v"]), Changing()]).name_all()

    assert ledger.tasks() == [("t", "tasks", None)]
    assert due(videos) == ("v",)


def test_tasks_of_a_video_stay_while_any_source_names_the_video(ledger: Ledger, videos: Videos, clock: Clock) -> None:
    changing = Changing()
    tracker = Tracker(ledger, videos, [Static(videos=["v"]), changing])
    show_finished_task_of(ledger, tracker, "v")
    changing.videos = ()
    tracker.name_all()
    pass_retention(ledger, clock)

    assert tracked_ids(ledger) == ["t"]


def test_tasks_of_a_video_leave_when_no_source_names_the_video(ledger: Ledger, videos: Videos, clock: Clock) -> None:
    changing = Changing()
    tracker = Tracker(ledger, videos, [changing])
    show_finished_task_of(ledger, tracker, "v")
    changing.videos = ("w",)
    tracker.name_all()
    pass_retention(ledger, clock)

    assert tracked_ids(ledger) == []


def test_tasks_of_a_video_that_does_not_exist_leave(ledger: Ledger, videos: Videos, clock: Clock) -> None:
    tracker = Tracker(ledger, videos, [Changing()])
    show_finished_task_of(ledger, tracker, "v")
    tracker.unname_tasks_of("v")
    pass_retention(ledger, clock)

    assert tracked_ids(ledger) == []


def test_an_unfinished_task_of_a_video_that_left_is_still_tracked(ledger: Ledger, videos: Videos, clock: Clock) -> None:
    tracker = Tracker(ledger, videos, [Changing()])
    tracker.name_all()
    ledger.name("video v", ["t"], source="videos")
    ask_task(ledger, Task("t", "v", "Processing"))
    tracker.unname_tasks_of("v")
    pass_retention(ledger, clock)

    assert tracked_ids(ledger) == ["t"]
