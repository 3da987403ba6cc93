"""The videos whose tasks are listed, when each of them is listed, and which of its tasks are tracked.

ListTranscodeTask lists the tasks of one video, so a hundred thousand videos cannot all be listed each minute. A video
that is transcoding or that a source names is listed once per `interval`. Any other video is listed again after a
quarter of its age. So new tasks are found soon if the video is new, and late if it is old.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.config import Discovery
from exporter.model import Task

TRANSCODING = "Transcoding"
_DEFAULTS = Discovery()  # only the configuration defines the defaults
_AGE_SHARE = 0.25
_CONFIRMATIONS = 2  # consecutive answers that a video does not exist, before it is reported


@dataclass(slots=True)
class _Video:
    """`since` is when the video was created; if that is unknown, when it was first found. Times are Unix seconds."""

    source: str
    since: float
    transcoding: bool = False
    prioritized: bool = True  # its tasks are listed next
    listed: float = -math.inf
    asked: float = -math.inf
    not_found: int = 0


class Videos:
    """Safe to use from several threads. `interval` and `lookback` are in seconds, `clock` gives Unix seconds."""

    def __init__(
        self,
        *,
        interval: float = _DEFAULTS.interval,
        lookback: float = _DEFAULTS.lookback,
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
        """List the tasks of these videos as long as `key` names them."""
        with self._lock:
            before, self._named[key] = self._named.get(key, frozenset()), frozenset(video_ids)
            for video_id in self._named[key]:
                self._videos.setdefault(video_id, _Video(source, self._clock()))
            self._left = (self._left | before) - frozenset().union(*self._named.values())

    def left(self) -> frozenset[str]:
        """The videos that lost their last key since the previous call of this method."""
        with self._lock:
            left, self._left = frozenset(self._left), set()
            return left

    def prioritize(self, video_id: str, *, source: str) -> None:
        """List the tasks of the video next, for example after an event about it."""
        with self._lock:
            self._videos.setdefault(video_id, _Video(source, self._clock())).prioritized = True

    def found(self, video_id: str, *, created: float | None, transcoding: bool, source: str) -> None:
        """Discovery has found the video. If its transcoding started or ended since the last time, it is prioritized."""
        with self._lock:
            video = self._videos.setdefault(video_id, _Video(source, created or self._clock(), transcoding))
            video.prioritized |= video.transcoding != transcoding
            video.transcoding = transcoding

    def ended(self, transcoding: Iterable[str]) -> None:
        """`transcoding` has all videos that are transcoding now. Videos that are not in it any more are prioritized."""
        with self._lock:
            for video_id, video in self._videos.items():
                if video.transcoding and video_id not in transcoding:
                    video.transcoding, video.prioritized = False, True

    def due(self) -> tuple[str, ...]:
        """The videos whose tasks to list now: the prioritized ones first, then those listed longest ago.

        After a start no video was listed before. Then the newest videos come first: most running tasks are theirs.
        """
        with self._lock:
            now = self._clock()
            named = frozenset().union(*self._named.values())
            self._forget(now, named)
            waiting = [
                (not video.prioritized, video.asked, -video.since, video_id)
                for video_id, video in self._videos.items()
                if video.prioritized or not 0 <= now - video.listed < self._pause(video, now, video_id in named)
            ]
            return tuple(video_id for *_, video_id in sorted(waiting))

    def asked(self, video_id: str) -> None:
        """A call about the video has ended, with or without an answer. The other videos come before it now."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.asked, video.prioritized = self._clock(), False

    def listed(self, video_id: str) -> None:
        """All pages of the video's tasks have just been read."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.listed, video.not_found, video.prioritized = self._clock(), 0, False

    def not_found(self, video_id: str) -> bool:
        """VOD does not know the video. Returns True once, when a second answer in a row says so."""
        with self._lock:
            video = self._videos.get(video_id)
            if video is None:
                return False
            video.listed, video.prioritized = self._clock(), False
            video.not_found += 1
            return video.not_found == _CONFIRMATIONS

    def source(self, video_id: str) -> str:
        """The source that found the video first."""
        with self._lock:
            return self._videos[video_id].source

    def is_named(self, video_id: str) -> bool:
        """Whether a key names the video."""
        with self._lock:
            return any(video_id in named for named in self._named.values())

    def selected(self, tasks: Iterable[Task], *, newest: bool) -> list[str]:
        """The ids of the tasks of one video to track: unfinished tasks, and tasks created within the lookback.

        `newest` adds the newest task even if it is older, because a user who names a video wants to see its state.
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
            if not (video_id in named or video.transcoding or video.prioritized) and now - video.since > self._lookback
        ]
        for video_id in over:
            del self._videos[video_id]
