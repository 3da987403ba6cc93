"""Where tracked tasks come from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from exporter.model import Task

LIST_INTERVAL_SECONDS = 30.0
LOOKBACK_SECONDS = 24 * 3600.0


class NamedVideos:
    """The videos that the configuration names: their tasks are listed again and again, for new ones may be submitted.

    Of the year of tasks that the service remembers of a video, those count that are unfinished or not older than a day,
    and the newest. `clock` gives Unix seconds.
    """

    def __init__(self, video_ids: Iterable[str], *, clock: Callable[[], float] = time.time) -> None:
        self._listed = dict.fromkeys(video_ids, 0.0)
        self._clock = clock

    def due(self) -> tuple[str, ...]:
        """The videos whose tasks were not listed within `LIST_INTERVAL_SECONDS`, those listed longest ago first."""
        now = self._clock()
        waiting = [video for video, at in self._listed.items() if not 0 <= now - at < LIST_INTERVAL_SECONDS]
        return tuple(sorted(waiting, key=self._listed.__getitem__))

    def listed(self, video_id: str) -> None:
        """All pages of the video's tasks have been read just now."""
        self._listed[video_id] = self._clock()

    def selected(self, tasks: Iterable[Task]) -> list[str]:
        """The ids of those tasks of one video that are to be tracked."""
        by_age = sorted(tasks, key=lambda task: task.created or 0.0)
        since = self._clock() - LOOKBACK_SECONDS
        recent = [task.id for task in by_age if not task.finished or (task.created or 0.0) >= since]
        newest = [task.id for task in by_age[-1:] if task.id not in recent]
        return recent + newest
