"""Where tracked tasks come from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from exporter.model import Task

LIST_INTERVAL_SECONDS = 30.0
LOOKBACK_SECONDS = 24 * 3600.0
_CONFIRMATIONS = 2  # answers in a row that a video does not exist, before it is believed


class NamedVideos:
    """The videos that the configuration names: their tasks are listed again and again, for new ones may be submitted.

    Of the year of tasks that the service remembers of a video, those count that are unfinished or not older than a day,
    and the newest. `clock` gives Unix seconds. Safe to use from several threads: no key comes or goes.
    """

    def __init__(self, video_ids: Iterable[str], *, clock: Callable[[], float] = time.time) -> None:
        self._listed = dict.fromkeys(video_ids, -math.inf)
        self._asked = dict.fromkeys(self._listed, -math.inf)
        self._not_found = dict.fromkeys(self._listed, 0)
        self._clock = clock

    def due(self) -> tuple[str, ...]:
        """The videos whose tasks were not listed within `LIST_INTERVAL_SECONDS`, those asked longest ago first."""
        now = self._clock()
        waiting = [video for video, at in self._listed.items() if not 0 <= now - at < LIST_INTERVAL_SECONDS]
        return tuple(sorted(waiting, key=self._asked.__getitem__))

    def asked(self, video_id: str) -> None:
        """A call about the video was made, whatever came of it: the others have their turn before it has another."""
        self._asked[video_id] = self._clock()

    def listed(self, video_id: str) -> None:
        """All pages of the video's tasks have been read just now."""
        self._listed[video_id] = self._clock()
        self._not_found[video_id] = 0

    def not_found(self, video_id: str) -> bool:
        """The service does not know the video. True when that is confirmed, once."""
        self._listed[video_id] = self._clock()
        self._not_found[video_id] += 1
        return self._not_found[video_id] == _CONFIRMATIONS

    def selected(self, tasks: Iterable[Task]) -> list[str]:
        """The ids of those tasks of one video that are to be tracked."""
        by_age = sorted(tasks, key=lambda task: task.created or 0.0)
        since = self._clock() - LOOKBACK_SECONDS
        recent = [task.id for task in by_age if not task.finished or (task.created or 0.0) >= since]
        newest = [task.id for task in by_age[-1:] if task.id not in recent]
        return recent + newest
