"""The videos whose tasks are tracked: when VOD is asked about each of them, and which of its tasks are tracked.

ListTranscodeTask lists the tasks of one video. GetTranscodeSummary has only the newest task of a video, without its
id, but it takes ten videos to a call. So the tasks of a video are listed once, and again when its newest task is not in
that list, or has ended since. In between only its newest task is asked for.

A video that is transcoding or that a source names is asked about once per `interval`. Any other video is asked about
again after a quarter of its age. So new tasks are found soon if the video is new, and late if it is old.

VOD may list a task later than it reports its video as transcoding. So if a video was transcoding and no unfinished task
of it is known, the exporter asks about it in each interval, until two answers after the transcoding confirm that.

An event may name any video. So the videos that only events name are bounded until a task of them is found, and they
take turns with the others.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.config import Discovery
from exporter.model import EVENTS, VIDEO_IDS_PER_CALL, Task
from exporter.tracking.video import CONFIRMATIONS, Video

TRANSCODING = "Transcoding"
_DEFAULTS = Discovery()  # only the configuration defines the defaults
_AGE_SHARE = 0.25
# VOD transcodes a video again only after its transcoding has ended ("only in the Uploaded, Normal, or Reviewing
# state"). So a video that is transcoding and has a known unfinished task is asked about less often:
# https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-submittranscodejobs
_RUNNING_INTERVALS = 2
MAX_HINTS = 1000
"""How many videos without a known task are asked about because only an event named them."""


@dataclass(frozen=True, slots=True)
class Due:
    """The videos whose tasks to list now, and those whose newest task to ask for, each in the order of the calls.

    The tasks of `hints` are listed too, by turns with `lists`: only events named these videos.
    """

    lists: tuple[str, ...] = ()
    summaries: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


class Videos:
    """Safe to use from several threads. `interval` and `lookback` are in seconds, `clock` gives Unix seconds.

    `dropped` is called for each event about an unknown video that is not asked about, because there are too many.
    """

    def __init__(
        self,
        *,
        interval: float = _DEFAULTS.interval,
        lookback: float = _DEFAULTS.lookback,
        clock: Callable[[], float] = time.time,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        self._interval = interval
        self._lookback = lookback
        self._clock = clock
        self._dropped = dropped
        self._lock = threading.Lock()
        self._named: dict[str, frozenset[str]] = {}
        self._videos: dict[str, Video] = {}
        self._left: set[str] = set()
        self._hints: dict[str, None] = {}  # the videos that only events named, in this order; none has a known task

    def name(self, key: str, video_ids: Iterable[str], *, source: str) -> None:
        """List the tasks of these videos as long as `key` names them."""
        with self._lock:
            before, self._named[key] = self._named.get(key, frozenset()), frozenset(video_ids)
            for video_id in self._named[key]:
                self._hints.pop(video_id, None)
                self._videos.setdefault(video_id, Video(source, self._clock()))
            self._left = (self._left | before) - frozenset().union(*self._named.values())

    def left(self) -> frozenset[str]:
        """The videos that lost their last key since the previous call of this method."""
        with self._lock:
            left, self._left = frozenset(self._left), set()
            return left

    def prioritize(self, video_id: str, *, source: str) -> None:
        """An event is about the video: list its tasks next. If it is unknown and there are too many, it is dropped."""
        with self._lock:
            if video_id not in self._videos:
                if not self._has_room():
                    self._dropped()
                    return
                self._hints[video_id] = None
            video = self._videos.setdefault(video_id, Video(source, self._clock()))
            video.prioritized = video.outdated = not video.forbidden

    def _has_room(self) -> bool:
        """Whether there is room for another hint. Makes room, if possible: forgets the oldest hint with an answer."""
        if len(self._hints) < MAX_HINTS:
            return True
        answered = next((video_id for video_id in self._hints if not self._videos[video_id].prioritized), None)
        if answered is not None:
            del self._hints[answered], self._videos[answered]
        return answered is not None

    def found(self, video_id: str, *, created: float | None, transcoding: bool, source: str) -> None:
        """Discovery has found the video. If its transcoding started or ended since the last time, it is prioritized."""
        with self._lock:
            self._hints.pop(video_id, None)
            video = self._videos.setdefault(video_id, Video(source, created or self._clock(), transcoding))
            video.prioritized |= video.transcoding != transcoding
            video.transcoding = transcoding
            if transcoding:
                video.transcoded = self._clock()
                video.doubts = 0 if any(video.tasks.values()) else CONFIRMATIONS

    def ended(self, transcoding: Iterable[str]) -> None:
        """`transcoding` has all videos that are transcoding now. Videos that are not in it any more are prioritized."""
        with self._lock:
            for video_id, video in self._videos.items():
                if video.transcoding and video_id not in transcoding:
                    video.transcoding, video.prioritized = False, True

    def due(self, *, by_summaries: bool) -> Due:
        """The videos to ask about now: the prioritized ones first, then those asked about longest ago.

        The last call for summaries is filled with videos whose time comes next, because ten cost no more than one.

        Without `by_summaries` (VOD refuses GetTranscodeSummary) the tasks of all these videos are listed. After a start
        no video was asked about before. Then the newest videos come first: most running tasks are theirs.
        """
        with self._lock:
            now = self._clock()
            named = frozenset().union(*self._named.values())
            self._forget(now, named)
            lists, summaries, early = [], [], []
            for video_id, video in self._videos.items():
                if video.forbidden:
                    continue
                wait = self._wait(video, now, named=video_id in named, by_summaries=by_summaries)
                order = (not video.prioritized, video.asked, -video.since, video_id)
                if video.outdated or not by_summaries:
                    lists += [order] if not wait else []
                elif not wait:
                    summaries.append(order)
                elif now - video.checked >= self._interval:
                    early.append((wait, video_id))
            filling = heapq.nsmallest(-len(summaries) % VIDEO_IDS_PER_CALL, early)
            listed = [video_id for *_, video_id in sorted(lists)]
            return Due(
                lists=tuple(video_id for video_id in listed if video_id not in self._hints),
                summaries=(*(video_id for *_, video_id in sorted(summaries)), *(video_id for _, video_id in filling)),
                hints=tuple(video_id for video_id in listed if video_id in self._hints),
            )

    def asked(self, video_ids: Iterable[str]) -> None:
        """A call about these videos has ended, with or without an answer. The other videos come before them now."""
        with self._lock:
            for video_id in video_ids:
                if video := self._videos.get(video_id):
                    video.asked, video.prioritized = self._clock(), False

    def summarized(self, video_ids: Iterable[str], tasks: Iterable[Task]) -> None:
        """VOD was asked for the newest task of these videos, and answered with `tasks`.

        If the answer has no task of a video, although the last list has, the tasks of the video are listed too.
        """
        newest = {task.video_id: task for task in sorted(tasks, key=lambda task: task.created or 0.0)}
        with self._lock:
            now = self._clock()
            for video_id in video_ids:
                if video := self._videos.get(video_id):
                    video.summarized(newest.get(video_id), now)

    def listed(self, video_id: str, tasks: Iterable[Task]) -> None:
        """All pages of the video's tasks have just been read: these are its tasks."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.listed(tasks, self._clock())
                if video.tasks:
                    self._hints.pop(video_id, None)

    def not_found(self, video_id: str) -> bool:
        """VOD does not know the video. Returns True once, when a second answer in a row says so."""
        with self._lock:
            video = self._videos.get(video_id)
            if video is None:
                return False
            return video.not_found(self._clock())

    def forbid(self, video_id: str) -> None:
        """VOD forbids to list the tasks of the video. It is not asked about again."""
        with self._lock:
            if video := self._videos.get(video_id):
                video.forbidden, video.prioritized = True, False

    def list_another(self, video_id: str) -> None:
        """List the tasks of another video again. If VOD answers that, only `video_id` is forbidden."""
        with self._lock:
            listed = [
                video
                for other, video in self._videos.items()
                if other != video_id and not (video.outdated or video.forbidden)
            ]
            if listed:
                latest = max(listed, key=lambda video: video.checked)
                latest.outdated = latest.prioritized = True

    def source(self, video_id: str) -> str:
        """The source that found the video first. A video that was forgotten during a call was named by an event."""
        with self._lock:
            video = self._videos.get(video_id)
            return video.source if video is not None else EVENTS

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

    def _wait(self, video: Video, now: float, *, named: bool, by_summaries: bool) -> float:
        """In how many seconds the exporter has to ask about the video; 0 if now."""
        since = now - video.checked
        pause = self._pause(video, now, named=named, by_summaries=by_summaries)
        return 0.0 if video.prioritized or not 0 <= since < pause else pause - since

    def _pause(self, video: Video, now: float, *, named: bool, by_summaries: bool) -> float:
        if video.transcoding and by_summaries and any(video.tasks.values()):
            return self._interval * _RUNNING_INTERVALS
        if video.transcoding or video.doubts or named:
            return self._interval
        return max(self._interval, _AGE_SHARE * (now - video.since))

    def _forget(self, now: float, named: Iterable[str]) -> None:
        over = [
            video_id
            for video_id, video in self._videos.items()
            if not (video_id in named or video.transcoding or video.prioritized)
            and now - (video.transcoded if video.doubts else video.since) > self._lookback
        ]
        for video_id in over:
            del self._videos[video_id]
            self._hints.pop(video_id, None)
