"""Finds the videos whose tasks to track. VOD has no list of all tasks, but lists of videos by status and creation time.

Discovery misses a task that starts and ends between two lists, if its video was created before the lookback. It finds a
task late if its video is in asynchronous transcode mode. Such a video stays `Normal`, so its task is found when the
tasks of the video are listed again (`videos.py`). The registration API and events report such tasks at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from exporter.tracking.videos import TRANSCODING, Videos

SOURCE = "discovery"
_WINDOW_SECONDS = 3600.0  # of one query, at most: several queries are read at the same time, each page by page
_OVERLAP_SECONDS = 600.0  # VOD may list a video some time after its creation
_AHEAD_SECONDS = 60.0  # in case the clock of this machine is behind the clock of VOD
_TOTAL_SECONDS = 300.0  # a total that is older than this and the interval is not shown


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
        self._unread: dict[VideoQuery, tuple[float, float]] = {}  # what is left of queries that were read in part
        self._total: int | None = None  # of the videos that are transcoding
        self._counted = -math.inf  # when VOD reported that total
        self._framed = -math.inf  # when the last windows were added
        self._framed_until = -math.inf

    def due(self) -> tuple[VideoQuery, ...]:
        """The queries to make now. The first cover the lookback, one hour each. Later queries cover the time since."""
        with self._lock:
            now = self._clock()
            if self._is_over(self._framed, now):
                self._framed = now
                self._frame_windows(now)
            return tuple(query for query, at in self._asked.items() if self._is_over(at, now))

    def unread(self, query: VideoQuery) -> tuple[float, float] | None:
        """The creation times to ask for: all of the query, or what is left where an error ended the last attempt."""
        with self._lock:
            return self._unread.get(query, query.created)

    def read(self, query: VideoQuery, *, oldest: float) -> None:
        """One more page was read, newest videos first. `oldest` is its earliest creation time, in Unix seconds."""
        with self._lock:
            # The list of transcoding videos is read from the start each time, because pages from different times are
            # not a complete list. Only if a complete list lacks a video, its transcoding has ended.
            if query.created is not None:
                start, end = self._unread.get(query, query.created)
                # One second more: the next page may have videos of the same second.
                self._unread[query] = (start, min(end, max(oldest, start) + 1))

    def counted(self, query: VideoQuery, total: int) -> None:
        """VOD reports that `total` videos match the query."""
        if query == self._transcoding:
            with self._lock:
                self._total, self._counted = total, self._clock()

    @property
    def totals(self) -> dict[str, int]:
        """The number of videos by status, as far as discovery asks for it. Empty if VOD did not report it lately."""
        with self._lock:
            lately = 0 <= self._clock() - self._counted <= self._interval + _TOTAL_SECONDS
            return {TRANSCODING: self._total} if self._total is not None and lately else {}

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
                self._unread.pop(query, None)

    def _frame_windows(self, now: float) -> None:
        """Add windows for the time since the last call. Drop the unread windows that are older than the lookback."""
        over = [query for query in self._asked if query.created is not None and query.created[1] < now - self._lookback]
        start = max(now - self._lookback, self._framed_until - _OVERLAP_SECONDS)
        # If no page of the newest window was read yet, it grows. So an account that is down collects no small windows.
        newest = max((query.created for query in self._asked if query.created is not None), default=None)
        if newest is not None and now + _AHEAD_SECONDS - newest[0] <= _WINDOW_SECONDS:
            start = newest[0]
            over.append(VideoQuery(newest))
        for query in over:
            self._asked.pop(query, None)
            self._unread.pop(query, None)
        self._framed_until = now
        while start < now + _AHEAD_SECONDS:
            end = min(start + _WINDOW_SECONDS, now + _AHEAD_SECONDS)
            self._asked[VideoQuery((start, end))] = -math.inf
            start = end

    def _is_over(self, since: float, now: float) -> bool:
        return not 0 <= now - since < self._interval
