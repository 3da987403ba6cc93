"""The tasks that sources name now, and which of them must not be tracked, because they were deleted or do not exist."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Names:
    """The task ids that sources name, by key. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._by_key: dict[str, frozenset[str]] = {}
        self._dropped: set[str] = set()  # named tasks that were deleted or do not exist
        self._current: frozenset[str] | None = frozenset()  # None if a key names others since the last time

    def name(self, key: str, task_ids: Collection[str]) -> None:
        """From now on `key` names these tasks and no others. A dropped task that it did not name before is allowed."""
        before, named = self._by_key.get(key, frozenset()), frozenset(task_ids)
        if named != before:
            self._by_key[key], self._current = named, None
            self._dropped -= named - before

    def drop(self, task_id: str) -> None:
        """Do not track the task again. Only a source that does not name it now can name it again later."""
        self._dropped.add(task_id)

    def allow(self, task_ids: Iterable[str]) -> None:
        """Allow these tasks again."""
        self._dropped.difference_update(task_ids)

    def allowed(self, task_id: str) -> bool:
        """Whether the task may be tracked."""
        return task_id not in self._dropped

    def current(self) -> frozenset[str]:
        """All tasks that at least one key names: the same object as before if nothing changed."""
        if self._current is None:
            self._current = frozenset().union(*self._by_key.values())
        if self._dropped:
            self._dropped &= self._current  # an id that nothing names needs no mark
        return self._current
