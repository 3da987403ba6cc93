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

    def take(self) -> Marks:
        """Return all marks and forget them: the store is about to take the changes."""
        taken = Marks()
        taken.changed, taken.dropped, taken._new = self.changed, self.dropped, self._new
        self.changed, self.dropped, self._new = {}, {}, set()
        return taken

    def restore(self, taken: Marks) -> None:
        """Undo `take`, because the store did not save the changes. Marks made since then take precedence."""
        since = self.take()
        self.changed, self.dropped, self._new = taken.changed, taken.dropped, taken._new
        for record_id in since.dropped:
            self.drop(record_id)
        for record_id in since.changed:
            if record_id in since._new:
                self.add(record_id)
            else:
                self.change(record_id)
