"""Videos sorted by creation time, one shelf per status, so that a page of GetVideoList costs what it shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection

# Creation time as told, in Unix seconds, and the video's id.
Key = tuple[int, str]


class Shelves:
    def __init__(self) -> None:
        self._shelves: dict[str, list[Key]] = {}
        self._status: dict[str, str] = {}

    def put(self, key: Key, status: str) -> None:
        """Puts a video on the shelf of its status, taking it off where it was."""
        was = self._status.get(key[1])
        if was == status:
            return
        if was is not None:
            shelf = self._shelves[was]
            del shelf[bisect_left(shelf, key)]
        insort(self._shelves.setdefault(status, []), key)
        self._status[key[1]] = status

    def status(self, video_id: str) -> str:
        return self._status[video_id]

    def select(self, statuses: Collection[str], *, start: int | None, end: int | None) -> list[Key]:
        """Oldest first; no statuses means all; both ends of the window belong to it."""
        found: list[Key] = []
        for status in statuses or self._shelves:
            shelf = self._shelves.get(status, [])
            first = 0 if start is None else bisect_left(shelf, (start, ""))
            last = len(shelf) if end is None else bisect_right(shelf, (end + 1, ""))
            found += shelf[first:last]
        found.sort()
        return found
