"""Saves the changes of one account to the store, and asks the store what it remembers."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping

from exporter.errors import StateError
from exporter.tracking.roster import Roster
from exporter.tracking.store import Changes, Store
from exporter.tracking.totals import Totals

_log = logging.getLogger(__name__)


class Keeper:
    """`durable` is False while the store does not take the changes. Not safe to use from several threads."""

    def __init__(self, account: str, store: Store, roster: Roster, totals: Totals) -> None:
        self.durable = True
        self._account = account
        self._store = store
        self._roster = roster
        self._totals = totals
        self._closed = False

    def save(self, now: float) -> None:
        """Save all changes in one transaction; `now` is Unix seconds.

        Raises `StateError` if they cannot be saved; the next `save` tries again. After `close` it always raises.
        """
        self.check_open()
        changes = self._roster.changes(self._totals.changes(), now=now)
        if changes is not None:
            started = time.monotonic()
            self._store.save(self._account, changes)
            self._log_saved(changes, time.monotonic() - started)
            self._roster.saved()
            self._totals.saved()
        if not self.durable:
            _log.warning("state is saved again", extra={"account": self._account})
        self.durable = True

    def _log_saved(self, changes: Changes, seconds: float) -> None:
        dropped = len(changes.dropped_tasks) + len(changes.dropped_jobs)
        counts = {"tasks": len(changes.tasks), "jobs": len(changes.jobs), "dropped": dropped}
        totals = len(changes.totals.counters) + len(changes.totals.histograms)
        extra = {"account": self._account, **counts, "totals": totals, "seconds": round(seconds, 3)}
        _log.debug("state saved", extra=extra)

    def try_to_save(self, now: float) -> None:
        """As `save`, but a failure is logged once, and sets `durable` to False. Does nothing after `close`."""
        if self._closed:
            return
        try:
            self.save(now)
        except StateError as error:
            if self.durable:
                _log.error("state cannot be saved", extra={"account": self._account, "error": str(error)})
            self.durable = False

    def check_open(self) -> None:
        """Raises `StateError` after `close`, because a change would then be lost."""
        if self._closed:
            # A new ledger of this account may have loaded the state: a late change would overwrite its work.
            raise StateError("the configuration of the account has changed, or the exporter is stopping; try again")

    def close(self, now: float) -> None:
        """Save the changes and the progress of unfinished jobs. After that, nothing more is saved."""
        try:
            self._roster.note_progress()
            self.try_to_save(now)
        finally:
            self._closed = True

    def recall(self, task_ids: Collection[str]) -> Mapping[str, bool | None]:
        """Whether each task was finished (True) or given up (False) before; None if it is not remembered.

        Raises `StateError` if the store cannot be read.
        """
        if not task_ids:
            return {}
        stored = self._store.remembered(self._account, task_ids)
        unsaved = {task_id: memory for task_id in task_ids if (memory := self._roster.memory(task_id)) is not None}
        return {
            task_id: unsaved[task_id].finished if task_id in unsaved else stored.get(task_id) for task_id in task_ids
        }

    def try_to_recall(self, task_ids: Collection[str]) -> Mapping[str, bool | None]:
        """As `recall`, but logs an error and returns nothing if the store cannot be read.

        Then the caller tracks none of the tasks, because they may have been counted already.
        """
        try:
            return self.recall(task_ids)
        except StateError as error:
            _log.error("state cannot be read", extra={"account": self._account, "error": str(error)})
            return {}
