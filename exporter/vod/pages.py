"""Reads lists page by page, as far as VOD shows them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from exporter.model import GET_VIDEO_LIST, LIST_TRANSCODE_TASK
from exporter.vod.replies import TaskListReply, VideoListReply

TASKS_PER_PAGE = 50
VIDEOS_PER_PAGE = 100
# GetVideoList "retrieves up to 5000 media files based on filter conditions [...]. To retrieve data in batches, specify
# the StartTime and EndTime parameters": https://www.alibabacloud.com/help/en/vod/api-getvideolist
PAGE_CAP = 50
BATCH_CAP = 20  # of one list: 100,000 videos
_EARLIEST = 946_684_800.0  # the year 2000: before VOD had videos

Created = tuple[float, float] | None
"""The first and last creation time of the videos to list, in Unix seconds; None for all videos."""

_Page = TypeVar("_Page", TaskListReply, VideoListReply)
_log = logging.getLogger(__name__)


def task_pages(read: Callable[[int], TaskListReply]) -> Iterator[TaskListReply]:
    """All pages of the tasks of a video; `read` returns the page with this number.

    VOD returns no total and defines no order. The last page is short. If there is none, the last reply is empty, and
    reports the list as malformed.
    """
    page = TaskListReply(())
    for page in _pages(read, size=TASKS_PER_PAGE, ids=lambda page: {task.id for task in page.tasks}):
        yield page
    if page.rows >= TASKS_PER_PAGE:
        _warn(LIST_TRANSCODE_TASK)
        yield TaskListReply((), malformed=("TranscodeTaskList",))


def video_pages(read: Callable[[Created, int], VideoListReply], created: Created) -> Iterator[VideoListReply]:
    """All pages of a list of videos, the newest videos first; `read` returns a page by creation times and number.

    VOD shows only the first rows of a list. The rest is read in batches: each continues with the creation time at which
    the batch before ended. So a video may be in two pages. If a second has more videos than VOD shows, the last reply
    is empty, and reports the list as malformed.
    """
    for _ in range(BATCH_CAP):
        rows, oldest, page = 0, math.inf, VideoListReply(())
        for page in _pages(partial(read, created), size=VIDEOS_PER_PAGE, ids=lambda page: {v.id for v in page.videos}):
            yield page
            rows += page.rows
            oldest = min(oldest, *(video.created for video in page.videos if video.created is not None), math.inf)
        if page.rows < VIDEOS_PER_PAGE and (page.total is None or rows >= page.total):
            return
        end = oldest + 1  # a video of the same second may be on the next page
        if (created is not None and end >= created[1]) or math.isinf(end):
            break
        created = (created[0] if created is not None else _EARLIEST, end)
    _warn(GET_VIDEO_LIST)
    yield VideoListReply((), malformed=("VideoList",))


def _pages(read: Callable[[int], _Page], *, size: int, ids: Callable[[_Page], set[str]]) -> Iterator[_Page]:
    """The pages up to a short one, one without a new row, or `PAGE_CAP`."""
    seen: set[str] = set()
    for number in range(1, PAGE_CAP + 1):
        page = read(number)
        yield page
        if page.rows < size or ids(page) <= seen:
            return
        seen |= ids(page)


def _warn(action: str) -> None:
    _log.warning("%s: the list goes on, but its other rows cannot be read", action)
