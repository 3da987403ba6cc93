"""A video whose tasks are tracked: what VOD last said about it and its tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from exporter.model import Task

CONFIRMATIONS = 2
"""Answers that a video does not exist, or that it has no further task, before they are believed."""


@dataclass(slots=True)
class Video:
    """`since` is when the video was created; if that is unknown, when it was first found. Times are Unix seconds.

    `transcoded` is when VOD last reported the video as transcoding. `doubts` is how many answers without a new task
    must follow until the exporter believes that there is none. `tasks` has the creation time of each task of the last
    list, and whether a task of that time was unfinished. `newest` is the creation time of the newest task and whether
    it was unfinished, in the last summary that has one.
    """

    source: str
    since: float
    transcoding: bool = False
    transcoded: float = -math.inf
    doubts: int = 0
    prioritized: bool = True  # VOD is asked about it next
    outdated: bool = True  # its tasks have to be listed, because VOD knows a task that the last list did not have
    checked: float = -math.inf  # when its tasks were listed, or the last list was confirmed
    asked: float = -math.inf
    unknown: int = 0  # consecutive answers that VOD does not know it
    forbidden: bool = False  # VOD is not asked about it again
    tasks: Mapping[float | None, bool] = field(default_factory=dict)
    newest: tuple[float | None, bool] | None = None

    def listed(self, tasks: Iterable[Task], now: float) -> None:
        """All pages of the video's tasks have just been read: these are its tasks. `now` is Unix seconds."""
        unfinished: dict[float | None, bool] = {}
        for task in tasks:
            unfinished[task.created] = unfinished.get(task.created, False) or not task.finished
        self.tasks, self.unknown = unfinished, 0
        self._note_list(now)
        if any(unfinished.values()):
            self.doubts = 0

    def not_found(self, now: float) -> bool:
        """VOD does not know the video. Returns True once, when a second answer in a row says so."""
        self.tasks, self.unknown = {}, self.unknown + 1
        self._note_list(now)
        self.outdated = self.unknown < CONFIRMATIONS
        return self.unknown == CONFIRMATIONS

    def summarized(self, newest: Task | None, now: float) -> None:
        """A summary has `newest` as the newest task of the video. If it is not in the last list, list the tasks again.

        `newest` is None if the summary has no task of the video.
        """
        self.outdated |= not self._has_listed(newest)
        self.asked, self.prioritized = now, self.outdated
        self.checked = -math.inf if self.outdated else now
        if not self.outdated:
            self._confirm()

    def _note_list(self, now: float) -> None:
        self.checked, self.prioritized, self.outdated = now, False, False
        self._confirm()

    def _has_listed(self, newest: Task | None) -> bool:
        """Whether the last list has the newest task of a summary, in the same state.

        VOD reports whole seconds, so several tasks may have the same creation time. If the states differ although the
        tasks were listed after the same summary, the summary is about another one of these tasks.
        """
        if newest is None:
            return not self.tasks
        before, self.newest = self.newest, (newest.created, not newest.finished)
        if newest.created is None or newest.created not in self.tasks:
            return False
        return self.tasks[newest.created] != newest.finished or before == self.newest

    def _confirm(self) -> None:
        """An answer has no new task of the video."""
        if not self.transcoding:
            self.doubts = max(0, self.doubts - 1)
