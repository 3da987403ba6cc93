"""Shelves: the videos of each status, sorted by creation time, so that GetVideoList needs no scan of all videos."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection

# The reported creation time in Unix seconds, and the id of the video.
Key = tuple[int, str]


class Shelves:
    """Not safe for several threads; the lock of the world protects it."""

    def __init__(self) -> None:
        self._shelves: dict[str, list[Key]] = {}
        self._status: dict[str, str] = {}

    def put(self, key: Key, status: str) -> None:
        """Put a video on the shelf of its status, and remove it from its former shelf."""
        was = self._status.get(key[1])
        if was == status:
            return
        if was is not None:
            shelf = self._shelves[was]
            del shelf[bisect_left(shelf, key)]
        insort(self._shelves.setdefault(status, []), key)
        self._status[key[1]] = status

    def status(self, video_id: str) -> str:
        """The status of a video. Raises `KeyError` if it is unknown."""
        return self._status[video_id]

    def counts(self) -> dict[str, int]:
        """How many videos have each status."""
        return {status: len(shelf) for status, shelf in self._shelves.items()}

    def select(self, statuses: Collection[str], *, start: int | None, end: int | None) -> list[Key]:
        """The videos of these statuses, oldest first. Empty `statuses` select all. `start` and `end` are inclusive."""
        found: list[Key] = []
        for status in statuses or self._shelves:
            shelf = self._shelves.get(status, [])
            first = 0 if start is None else bisect_left(shelf, (start, ""))
            last = len(shelf) if end is None else bisect_right(shelf, (end + 1, ""))
            found += shelf[first:last]
        found.sort()
        return found
