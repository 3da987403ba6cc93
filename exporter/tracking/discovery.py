"""Finds videos that transcode: VOD has no list of tasks, but lists of videos by status and by creation.

What it cannot find: a task of a video created before the lookback that begins and ends between two looks, and one of
a video in asynchronous transcode mode, which stays `Normal`, as late as that video is listed again (`videos.py`).
Registration and events know them at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from exporter.tracking.videos import TRANSCODING, Videos

SOURCE = "discovery"
_WINDOW_SECONDS = 3600.0  # at most, in one query: GetVideoList tells the first 5,000 rows of each
_OVERLAP_SECONDS = 600.0  # a list may show a video later than it was created
_AHEAD_SECONDS = 60.0  # for a clock that is behind VOD's


@dataclass(frozen=True, slots=True)
class VideoQuery:
    """One GetVideoList: all videos that are transcoding, or those created between two Unix times."""

    created: tuple[float, float] | None = None

    @property
    def statuses(self) -> tuple[str, ...]:
        return (TRANSCODING,) if self.created is None else ()


class Discovery:
    """Asks each question at most once in `interval`, and looks back `lookback`, both in seconds.

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
        self._asked = {self._transcoding: -math.inf}  # each question to ask, and when it was asked last
        self._pages: dict[VideoQuery, int] = {}  # of those begun, the page to go on with
        self._framed = -math.inf  # when windows were made last
        self._framed_until = -math.inf

    def due(self) -> tuple[VideoQuery, ...]:
        """What to ask now. The first look covers the lookback, an hour to a query; later ones what is new since."""
        with self._lock:
            now = self._clock()
            if self._is_over(self._framed, now):
                self._framed = now
                self._frame_windows(now)
            return tuple(query for query, at in self._asked.items() if self._is_over(at, now))

    def next_page(self, query: VideoQuery) -> int:
        """The page to go on with: what the budget or an error cut off is not asked from its beginning again."""
        with self._lock:
            return self._pages.get(query, 1)

    def read(self, query: VideoQuery) -> None:
        """One more page was read."""
        with self._lock:
            if query != self._transcoding:  # it is to tell what has ended, so that it counts only in one piece
                self._pages[query] = self._pages.get(query, 1) + 1

    def asked(self, query: VideoQuery) -> None:
        """A call was made for the query, whatever came of it: not again within the interval."""
        with self._lock:
            if query in self._asked:
                self._asked[query] = self._clock()

    def found(self, video_id: str, *, status: str, created: float | None) -> None:
        """A page told of the video."""
        self._videos.found(video_id, created=created, transcoding=status == TRANSCODING, source=SOURCE)

    def done(self, query: VideoQuery, video_ids: Collection[str]) -> None:
        """All pages of the query were read, and told of these videos."""
        if query == self._transcoding:
            self._videos.ended(video_ids)
        else:
            with self._lock:
                self._asked.pop(query, None)
                self._pages.pop(query, None)

    def _frame_windows(self, now: float) -> None:
        """Add what is new since the last time. Windows not read yet stay, but for those past the lookback."""
        over = [query for query in self._asked if query.created is not None and query.created[1] < now - self._lookback]
        start = max(now - self._lookback, self._framed_until - _OVERLAP_SECONDS)
        # The newest window, where it was not read, grows: an account that is down for long gets no more of them.
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
