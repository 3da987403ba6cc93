"""Ids of records that changed since the store took the last changes."""

from __future__ import annotations


class Marks:
    """Changed and dropped ids of one kind of record, in the order in which they were marked.

    An id that is added and dropped before the next `clear` leaves no mark: the store never had it.
    """

    __slots__ = ("_new", "changed", "dropped")

    def __init__(self) -> None:
        self.changed: dict[str, None] = {}  # dicts, because sets have no order
        self.dropped: dict[str, None] = {}
        self._new: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.changed or self.dropped)

    def add(self, record_id: str) -> None:
        """Mark a record that was not there before."""
        if record_id in self.dropped:  # the store still has its old record, so this one is not new to the store
            del self.dropped[record_id]
        else:
            self._new.add(record_id)
        self.changed[record_id] = None

    def change(self, record_id: str) -> None:
        """Mark a record whose stored fields changed."""
        self.changed[record_id] = None

    def drop(self, record_id: str) -> None:
        """Mark a record that is no longer there."""
        self.changed.pop(record_id, None)
        if record_id in self._new:
            self._new.discard(record_id)
        else:
            self.dropped[record_id] = None

    def clear(self) -> None:
        """Forget all marks: the store has taken the changes."""
        self.changed.clear()
        self.dropped.clear()
        self._new.clear()
