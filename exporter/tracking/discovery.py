"""Finds the videos whose tasks to track. VOD has no list of all tasks, but lists of videos by status and creation time.

Discovery misses a task that starts and ends between two lists, if its video was created before the lookback. It finds a
task late if its video is in asynchronous transcode mode: such a video stays `Normal`, so its task is found when the
tasks of that video are listed again (`videos.py`). The registration API and events report such tasks at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from exporter.tracking.videos import TRANSCODING, Videos

SOURCE = "discovery"
_WINDOW_SECONDS = 3600.0  # of one query, at most: GetVideoList returns only the first 5,000 rows of a query
_OVERLAP_SECONDS = 600.0  # VOD may list a video some time after its creation
_AHEAD_SECONDS = 60.0  # in case the clock of this machine is behind the clock of VOD


@dataclass(frozen=True, slots=True)
class VideoQuery:
    """One query of GetVideoList: all transcoding videos, or all videos created between two Unix times."""

    created: tuple[float, float] | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses of videos to ask for; empty for all."""
        return (TRANSCODING,) if self.created is None else ()


class Discovery:
    """Makes each query at most once per `interval`, for videos created within `lookback`. Both are in seconds.

    `clock` gives Unix seconds. Safe to use from several threads.
    """

    def __init__(
        self, videos: Videos, *, interval: float, lookback: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._videos = videos
        self._interval = interval
        self._lookback = lookback
        self._clock = clock
        self._lock = threading.Lock()
        self._transcoding = VideoQuery()
        self._asked = {self._transcoding: -math.inf}  # each query, and when it was made last
        self._pages: dict[VideoQuery, int] = {}  # the next page of each query that was read in part
        self._framed = -math.inf  # when windows were added last
        self._framed_until = -math.inf

    def due(self) -> tuple[VideoQuery, ...]:
        """The queries to make now. The first cover the lookback, one hour each. Later queries cover the time since."""
        with self._lock:
            now = self._clock()
            if self._is_over(self._framed, now):
                self._framed = now
                self._frame_windows(now)
            return tuple(query for query, at in self._asked.items() if self._is_over(at, now))

    def next_page(self, query: VideoQuery) -> int:
        """The page to continue with, where the budget or an error ended the last attempt."""
        with self._lock:
            return self._pages.get(query, 1)

    def read(self, query: VideoQuery) -> None:
        """One more page of the query was read."""
        with self._lock:
            # The transcoding videos are read from the first page each time: a video that is missing from a complete
            # list has ended, and pages from different times are not a complete list.
            if query != self._transcoding:
                self._pages[query] = self._pages.get(query, 1) + 1

    def asked(self, query: VideoQuery) -> None:
        """A call for the query has ended, with or without an answer. The query is due again after the interval."""
        with self._lock:
            if query in self._asked:
                self._asked[query] = self._clock()

    def found(self, video_id: str, *, status: str, created: float | None) -> None:
        """A page has the video. `created` is Unix seconds, None if VOD does not report it."""
        self._videos.found(video_id, created=created, transcoding=status == TRANSCODING, source=SOURCE)

    def done(self, query: VideoQuery, video_ids: Collection[str]) -> None:
        """All pages of the query were read; together they have these videos."""
        if query == self._transcoding:
            self._videos.ended(video_ids)
        else:
            with self._lock:
                self._asked.pop(query, None)
                self._pages.pop(query, None)

    def _frame_windows(self, now: float) -> None:
        """Add windows for the time since the last call. Drop the unread windows that are older than the lookback."""
        over = [query for query in self._asked if query.created is not None and query.created[1] < now - self._lookback]
        start = max(now - self._lookback, self._framed_until - _OVERLAP_SECONDS)
        # An unread newest window grows instead: otherwise an account that is down would collect many small windows.
        newest = max((query.created for query in self._asked if query.created is not None), default=None)
        if newest is not None and now + _AHEAD_SECONDS - newest[0] <= _WINDOW_SECONDS:
            start = newest[0]
            over.append(VideoQuery(newest))
        for query in over:
            self._asked.pop(query, None)
            self._pages.pop(query, None)
        self._framed_until = now
        while start < now + _AHEAD_SECONDS:
            end = min(start + _WINDOW_SECONDS, now + _AHEAD_SECONDS)
            self._asked[VideoQuery((start, end))] = -math.inf
            start = end

    def _is_over(self, since: float, now: float) -> bool:
        return not 0 <= now - since < self._interval
