"""Pages: where a list ends, and how more videos are read than VOD shows at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Task
from exporter.vod import pages
from exporter.vod.pages import TASKS_PER_PAGE, VIDEOS_PER_PAGE, Created, task_pages, video_pages
from exporter.vod.replies import TaskListReply, Video, VideoListReply

START = 1_700_000_000


class Videos:
    """A service with a video per creation time. It shows `cap` rows of a list, and counts its answers.

    Whether VOD lists a video that was created at the end of a window is not documented: `ends` says whether.
    """

    def __init__(self, created: Sequence[int], *, cap: int = 5000, counts: bool = True, ends: bool = True) -> None:
        self.videos = [Video(f"v{number}", "", float(at)) for number, at in enumerate(created)]
        self.cap, self.counts, self.ends = cap, counts, ends
        self.answers = 0

    def read(self, created: Created, number: int) -> VideoListReply:
        self.answers += 1
        start, end = created or (-math.inf, math.inf)
        end += 1 if self.ends else 0
        found = sorted((v for v in self.videos if start <= (v.created or 0) < end), key=lambda v: -(v.created or 0))
        page = found[: self.cap][(number - 1) * VIDEOS_PER_PAGE : number * VIDEOS_PER_PAGE]
        return VideoListReply(tuple(page), len(page), len(found) if self.counts else None)

    def listed(self, created: Created = None) -> tuple[set[str], list[str]]:
        """The ids of all pages, and the names of the malformed fields."""
        replies = list(video_pages(self.read, created))
        return {video.id for reply in replies for video in reply.videos}, [f for one in replies for f in one.malformed]


def ids(videos: Videos) -> set[str]:
    return {video.id for video in videos.videos}


def tasks(*sizes: int) -> Iterator[TaskListReply]:
    """Pages of this many new tasks."""
    numbers = count()
    for size in sizes:
        yield TaskListReply(tuple(Task(f"t{next(numbers)}") for _ in range(size)), size)


def test_a_short_page_of_tasks_is_the_last() -> None:
    replies = tasks(TASKS_PER_PAGE, TASKS_PER_PAGE, 1, TASKS_PER_PAGE)

    assert [page.rows for page in task_pages(lambda _: next(replies))] == [TASKS_PER_PAGE, TASKS_PER_PAGE, 1]


def test_endless_tasks_are_cut_off_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pages, "PAGE_CAP", 4)
    replies = tasks(*[TASKS_PER_PAGE] * 9)
    read = list(task_pages(lambda _: next(replies)))

    assert [len(page.tasks) for page in read] == [TASKS_PER_PAGE] * 4 + [0]
    assert [page.malformed for page in read] == [()] * 4 + [("TranscodeTaskList",)]
    assert [record.getMessage() for record in caplog.records] == [
        "ListTranscodeTask: the list goes on, but its other rows cannot be read"
    ]


def test_a_list_of_tasks_that_ends_at_the_cap_is_complete(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pages, "PAGE_CAP", 4)
    replies = tasks(*[TASKS_PER_PAGE] * 3, 1)

    assert [page.malformed for page in task_pages(lambda _: next(replies))] == [()] * 4
    assert caplog.records == []


def test_a_page_of_tasks_that_is_repeated_ends_the_list() -> None:
    page = next(tasks(TASKS_PER_PAGE))
    read = list(task_pages(lambda _: page))

    assert [len(one.tasks) for one in read] == [TASKS_PER_PAGE, TASKS_PER_PAGE, 0]
    assert read[-1].malformed == ("TranscodeTaskList",)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_a_short_list_of_videos_costs_a_call_for_each_page(count: int) -> None:
    videos = Videos(range(START, START + count))

    assert videos.listed() == (ids(videos), [])
    assert videos.answers == count // VIDEOS_PER_PAGE + 1


def test_more_videos_than_vod_shows_are_read_by_their_creation_times() -> None:
    videos = Videos(range(START, START + 6000))

    assert videos.listed() == (ids(videos), [])
    assert videos.answers <= 62


def test_a_service_that_shows_fewer_rows_than_documented_is_read_by_its_total() -> None:
    videos = Videos(range(START, START + 900), cap=250)

    assert videos.listed() == (ids(videos), [])


def test_a_service_whose_windows_exclude_their_end_is_read_too() -> None:
    videos = Videos([START + number // 3 for number in range(900)], cap=250, ends=False)

    assert videos.listed() == (ids(videos), [])


def test_a_service_without_a_total_is_read_to_a_short_page_of_the_last_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_CAP", 3)
    videos = Videos(range(START, START + 900), cap=300, counts=False)

    assert videos.listed() == (ids(videos), [])


def test_more_videos_of_one_second_than_vod_shows_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    videos = Videos([START] * 700 + [START + 9], cap=250)
    read, malformed = videos.listed()

    assert (len(read), malformed) == (251, ["VideoList"])
    assert videos.answers == 6  # the second batch ends where it began
    assert [record.getMessage() for record in caplog.records] == [
        "GetVideoList: the list goes on, but its other rows cannot be read"
    ]


def test_videos_without_creation_times_are_cut_off_where_vod_stops() -> None:
    page = VideoListReply(tuple(Video(f"v{n}") for n in range(VIDEOS_PER_PAGE)), VIDEOS_PER_PAGE)
    read = list(video_pages(lambda _, number: page if number == 1 else VideoListReply((), 0, 5000), None))

    assert [one.malformed for one in read] == [(), (), ("VideoList",)]


def test_a_service_with_endless_videos_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_CAP", 2)
    monkeypatch.setattr(pages, "BATCH_CAP", 3)
    numbers = count()

    def read(_: Created, __: int) -> VideoListReply:
        videos = tuple(Video(f"v{n}", "", float(START - n)) for n in (next(numbers) for _ in range(VIDEOS_PER_PAGE)))
        return VideoListReply(videos, VIDEOS_PER_PAGE)

    assert [one.malformed for one in video_pages(read, None)] == [()] * 6 + [("VideoList",)]


def test_the_same_page_for_each_number_is_read_in_batches() -> None:
    videos = Videos(range(START, START + 350))
    read = list(video_pages(lambda created, _: videos.read(created, 1), None))

    assert {video.id for one in read for video in one.videos} == ids(videos)
    assert [one.malformed for one in read if one.malformed] == []


@given(
    ages=st.lists(st.integers(0, 2000), max_size=600),
    cap=st.integers(100, 400),
    bounds=st.none() | st.tuples(st.integers(0, 1000), st.integers(1000, 2000)),
)
def test_every_video_of_a_window_is_read_whatever_its_age_and_the_cap(
    ages: list[int], cap: int, bounds: tuple[int, int] | None
) -> None:
    """As long as no two seconds together have more videos than VOD shows."""
    created = [START + age for age in ages]
    crowded = any(created.count(at) + created.count(at + 1) >= cap for at in set(created))
    window = None if bounds is None else (float(START + bounds[0]), float(START + bounds[1]))
    videos = Videos(created, cap=cap)
    read, malformed = videos.listed(window)
    low, high = window or (-math.inf, math.inf)

    assert crowded or (malformed == [] and read == {v.id for v in videos.videos if low <= (v.created or 0) <= high})
