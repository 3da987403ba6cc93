"""The order in which VOD is asked about tasks or jobs."""

from __future__ import annotations

from exporter.tracking.order import Order


class Turns:
    """Ids in the order of the last call about them. Those of the present refresh wait for the next refresh.

    Calls are numbered; `due` has the ids whose last call was before the refresh. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self.due = Order()
        self._asked = Order()
        self._calls_before = 0

    def __contains__(self, id_: str) -> bool:
        return id_ in self.due or id_ in self._asked

    def put(self, id_: str, asked: int) -> None:
        """The last call about the id has the number `asked`, or 0 before the first call."""
        now, other = (self.due, self._asked) if asked <= self._calls_before else (self._asked, self.due)
        other.drop(id_)
        now.put(id_, asked)

    def drop(self, id_: str) -> None:
        """VOD is not asked about the id any more."""
        self.due.drop(id_)
        self._asked.drop(id_)

    def refresh(self, calls_before: int) -> None:
        """The present refresh began after the call with this number."""
        if calls_before > self._calls_before:
            self._calls_before = calls_before
            for id_ in self._asked.first(lambda asked: asked <= calls_before):
                self.due.put(id_, self._asked.drop(id_) or 0)
