"""Gives the store of one account what has changed, asks it what it remembers, and goes on where it fails."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from exporter.errors import StateError
from exporter.tracking.records import TrackedJob, TrackedTask
from exporter.tracking.store import Store
from exporter.tracking.totals import Totals
from exporter.tracking.unsaved import Unsaved

_log = logging.getLogger(__name__)


class Keeper:
    """`durable` is False while the store does not take what it is given. Not safe to use from several threads."""

    def __init__(self, account: str, store: Store, unsaved: Unsaved, totals: Totals) -> None:
        self.durable = True
        self.closed = False
        self._account = account
        self._store = store
        self._unsaved = unsaved
        self._totals = totals

    def save(self, tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob], *, now: float) -> None:
        """Raises `StateError` where the store does not take it; it is given again with the next changes."""
        changes = self._unsaved.changes(tasks, jobs, self._totals.changes(), now=now)
        if changes is not None:
            self._store.save(self._account, changes)
            self._unsaved.clear()
            self._totals.saved()
        if not self.durable:
            _log.warning("state is kept again", extra={"account": self._account})
        self.durable = True

    def try_to_save(self, tasks: Mapping[str, TrackedTask], jobs: Mapping[str, TrackedJob], *, now: float) -> None:
        """As `save`, or go on without. Once closed nothing is saved: another may have loaded what is kept."""
        if self.closed:
            return
        try:
            self.save(tasks, jobs, now=now)
        except StateError as error:
            if self.durable:
                _log.error("state not kept", extra={"account": self._account, "error": str(error)})
            self.durable = False

    def recall(self, task_ids: Collection[str]) -> Mapping[str, bool | None]:
        """For each whether it was finished before (True) or given up (False); None where it is not remembered.

        Raises `StateError` where the store cannot be read.
        """
        if not task_ids:
            return {}
        stored = self._store.remembered(self._account, task_ids)
        unsaved = {task_id: self._unsaved.remembered(task_id) for task_id in task_ids}
        return {one: stored.get(one) if (memory := unsaved[one]) is None else memory.finished for one in task_ids}

    def try_to_recall(self, task_ids: Collection[str]) -> Mapping[str, bool | None]:
        """As `recall`; nothing where the store cannot be read: what it might have counted waits until it can."""
        try:
            return self.recall(task_ids)
        except StateError as error:
            _log.error("state cannot be read", extra={"account": self._account, "error": str(error)})
            return {}
