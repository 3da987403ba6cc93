"""The videos whose tasks are listed: which, when, and what of a list is tracked.

ListTranscodeTask asks about one video, so a hundred thousand videos cannot all be asked about each minute. A video in
transcoding and one that somebody names is asked about each `interval`; any other after a quarter of its age, so that
new tasks of a new video are found at once, and those of an old one late.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.model import Task

DEFAULT_INTERVAL_SECONDS = 30.0
DEFAULT_LOOKBACK_SECONDS = 24 * 3600.0
TRANSCODING = "Transcoding"
_AGE_SHARE = 0.25
_CONFIRMATIONS = 2  # answers in a row that a video does not exist, before it is believed


@dataclass(slots=True)
class _Video:
    """`since` is when it was created, or first heard of; all times are Unix seconds."""

    source: str
    since: float
    transcoding: bool = False
    hinted: bool = True  # something happened: it is asked about next
    listed: float = -math.inf
    asked: float = -math.inf
    not_found: int = 0


class Videos:
    """Safe to use from several threads. `interval` and `lookback` are in seconds, `clock` gives Unix seconds."""

    def __init__(
        self,
        *,
        interval: float = DEFAULT_INTERVAL_SECONDS,
        lookback: float = DEFAULT_LOOKBACK_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._interval = interval
        self._lookback = lookback
        self._clock = clock
        self._lock = threading.Lock()
        self._named: dict[str, frozenset[str]] = {}
        self._videos: dict[str, _Video] = {}
        self._left: set[str] = set()

    def name(self, key: str, video_ids: Iterable[str], *, source: str) -> None:
        """Ask about these videos for as long as they are named under `key`."""
        with self._lock:
            before, self._named[key] = self._named.get(key, frozenset()), frozenset(video_ids)
            for video_id in self._named[key]:
                self._videos.setdefault(video_id, _Video(source, self._clock()))
            self._left = (self._left | before) - frozenset().union(*self._named.values())

    def left(self) -> frozenset[str]:
        """The videos that have lost their last name since this was asked last."""
        with self._lock:
            left, self._left = frozenset(self._left), set()
            return left

    def hint(self, video_id: str, *, source: str) -> None:
        """Something happened to the video: it is asked about next."""
        with self._lock:
            self._videos.setdefault(video_id, _Video(source, self._clock())).hinted = True

    def found(self, video_id: str, *, created: float | None, transcoding: bool, source: str) -> None:
        """Discovery has found the video. One that has begun or ended to transcode since is asked about next."""
        with self._lock:
            video = self._videos.setdefault(video_id, _Video(source, created or self._clock(), transcoding))
            video.hinted |= video.transcoding != transcoding
            video.transcoding = transcoding

    def ended(self, transcoding: Iterable[str]) -> None:
        """Only these are transcoding now: any other that was is asked about next."""
        with self._lock:
            for video_id, video in self._videos.items():
                if video.transcoding and video_id not in transcoding:
                    video.transcoding, video.hinted = False, True

    def due(self) -> tuple[str, ...]:
        """The videos to ask about: those of which something was heard, then the others, those asked longest ago first.

        Of those never asked, as all are after a start, the newest come first: what runs now is mostly theirs.
        """
        with self._lock:
            now = self._clock()
            named = frozenset().union(*self._named.values())
            self._forget(now, named)
            waiting = [
                (not video.hinted, video.asked, -video.since, video_id)
                for video_id, video in self._videos.items()
                if video.hinted or not 0 <= now - video.listed < self._pause(video, now, video_id in named)
            ]
            return tuple(video_id for *_, video_id in sorted(waiting))

    def asked(self, video_id: str) -> None:
        """A call about the video was made, whatever came of it: the others have their turn before it has another."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.asked, video.hinted = self._clock(), False

    def listed(self, video_id: str) -> None:
        """All pages of the video's tasks have been read just now."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.listed, video.not_found, video.hinted = self._clock(), 0, False

    def not_found(self, video_id: str) -> bool:
        """The service does not know the video. True when that is confirmed, once."""
        with self._lock:
            video = self._videos.get(video_id)
            if video is None:
                return False
            video.listed, video.hinted = self._clock(), False
            video.not_found += 1
            return video.not_found == _CONFIRMATIONS

    def source(self, video_id: str) -> str:
        """Where the video was first heard of."""
        with self._lock:
            return self._videos[video_id].source

    def is_named(self, video_id: str) -> bool:
        with self._lock:
            return any(video_id in named for named in self._named.values())

    def selected(self, tasks: Iterable[Task], *, newest: bool) -> list[str]:
        """The ids of those tasks of one video that are to be tracked: the unfinished, and those within the lookback.

        With `newest` the newest too, however old: somebody who names a video wants to see it.
        """
        by_age = sorted(tasks, key=lambda task: task.created or 0.0)
        since = self._clock() - self._lookback
        chosen = [task.id for task in by_age if not task.finished or task.created is None or task.created >= since]
        return chosen + [task.id for task in by_age[-1:] if newest and task.id not in chosen]

    def _pause(self, video: _Video, now: float, named: bool) -> float:
        if video.transcoding or named:
            return self._interval
        return max(self._interval, _AGE_SHARE * (now - video.since))

    def _forget(self, now: float, named: Iterable[str]) -> None:
        over = [
            video_id
            for video_id, video in self._videos.items()
            if video_id not in named and not (video.transcoding or video.hinted) and now - video.since > self._lookback
        ]
        for video_id in over:
            del self._videos[video_id]
