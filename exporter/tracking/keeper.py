"""Saves the changes of one account to the store, and asks the store what it remembers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from exporter.errors import LeaseEnded, StateError
from exporter.tracking.roster import Roster
from exporter.tracking.store import Changes, Store
from exporter.tracking.totals import Totals

_log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0  # a store that takes longer for one call hangs
_RECORD_SECONDS = 0.2e-3  # ... unless it has that many records to save, on a busy machine


class Keeper:
    """The only user of the store for one account. Safe to use from several threads.

    `lock` guards the roster and the totals. A call of the store may take long or hang, so no thread holds `lock`
    meanwhile. The order is: `turn`, then `lock`.
    """

    def __init__(self, account: str, store: Store, roster: Roster, totals: Totals, lock: threading.RLock) -> None:
        self._account = account
        self._store = store
        self._roster = roster
        self._totals = totals
        self._lock = lock
        self._closed = False
        self._messages: list[int] = []  # what they led to is not saved yet
        self._fault = ""  # why the store does not take the changes
        self._readable = True
        self._turn = threading.RLock()
        self._depth = 0  # how often the holder of the turn has taken it
        self._until = 0.0  # when the store hangs if the holder still has it, on the monotonic clock

    # Turns

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Use the store alone, to save and recall without changes in between. The same thread may nest turns.

        Raises `StateError` if the thread that has the turn has waited for the store for five seconds, and longer if it
        saves very many records.
        """
        while not self._turn.acquire(timeout=self._patience()):
            self._check_answering()
        if self._depth == 0:
            self._until = time.monotonic() + PATIENCE_SECONDS
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._turn.release()

    def _patience(self) -> float:
        if self._depth == 0:
            return PATIENCE_SECONDS
        return max(0.0, self._until - time.monotonic())

    def _check_answering(self) -> None:
        if self._depth and self._patience() == 0.0:
            error = StateError(
                "the disk of state.path, or the database of state.postgres, has not answered for"
                f" {PATIENCE_SECONDS:.0f} seconds; check it"
            )
            self._note(error)
            raise error

    @property
    def durable(self) -> bool:
        """False while the store does not take the changes, or hangs."""
        try:
            self._check_answering()
        except StateError:
            return False
        return not self._fault

    # Saving

    def led_to_changes(self, message: int) -> None:
        """The next save also takes this message from the inbox. Call it in the `turn` of its changes."""
        self._messages.append(message)

    def take(self, now: float) -> Changes | None:
        """The unsaved changes, for `write` in the same turn. None if there are none. The caller holds `lock`."""
        if self._closed:
            return None
        changes = self._roster.take(self._totals.take(), now=now)
        return replace(changes or Changes(now=now), messages=tuple(self._messages)) if self._messages else changes

    def write(self, changes: Changes | None) -> None:
        """Save the changes in one transaction.

        Raises `StateError` if they cannot be saved; the next `take` has them again. After `close` it always raises.
        """
        self.check_open()
        self._write(changes)

    def _write(self, changes: Changes | None) -> None:
        if changes is not None:
            started = time.monotonic()
            self._until += _RECORD_SECONDS * (len(changes.tasks) + len(changes.jobs))
            try:
                self._store.save(self._account, changes)
            except BaseException:
                with self._lock:
                    self._roster.restore()
                    self._totals.restore(changes.totals)
                raise
            self._messages = [number for number in self._messages if number not in changes.messages]
            self._log_saved(changes, time.monotonic() - started)
        if self._fault:
            self._fault = ""
            _log.warning("state is saved again", extra={"account": self._account})

    def try_to_write(self, changes: Changes | None) -> None:
        """As `write`, but a failure is logged once, and `durable` is False. Does nothing after `close`."""
        if self._closed:
            return
        try:
            self.write(changes)
        except StateError as error:
            self._note(error)

    def save(self, now: float) -> None:
        """Save all changes; `now` is Unix seconds. Raises `StateError` as `turn` and `write` do."""
        with self.turn():
            with self._lock:
                changes = self.take(now)
            self.write(changes)

    def try_to_save(self, now: float) -> None:
        """As `save`, but a failure is logged once, and `durable` is False. Does nothing after `close`."""
        if self._closed:
            return
        try:
            self.save(now)
        except StateError as error:
            self._note(error)

    def _note(self, error: StateError) -> None:
        if not self._fault and not isinstance(error, LeaseEnded):  # the replica has logged why, once for all accounts
            _log.error("state cannot be saved", extra={"account": self._account, "error": str(error)})
        self._fault = str(error)

    def _log_saved(self, changes: Changes, seconds: float) -> None:
        dropped = len(changes.dropped_tasks) + len(changes.dropped_jobs)
        counts = {"tasks": len(changes.tasks), "jobs": len(changes.jobs), "dropped": dropped}
        totals = len(changes.totals.counters) + len(changes.totals.histograms)
        extra = {"account": self._account, **counts, "totals": totals, "seconds": round(seconds, 3)}
        _log.debug("state saved", extra=extra)

    def check_open(self) -> None:
        """Raises `StateError` after `close`, because a change would then be lost."""
        if self._closed:
            # A new ledger of this account may have loaded the state: a late change would overwrite its work.
            raise StateError("the configuration of the account has changed, or the exporter is stopping; try again")

    def close(self, now: float) -> None:
        """Save the changes and the progress of unfinished jobs. After that, nothing more is saved."""
        try:
            with self.turn():
                with self._lock:  # whoever holds it later finds the keeper closed, so that no change is lost silently
                    self._roster.note_progress()
                    changes = self.take(now)
                    self._closed = True
                self._write(changes)
        except StateError as error:
            self._closed = True  # the store hangs, so nobody had the turn
            self._note(error)

    # Remembering

    def recall(self, task_ids: Collection[str]) -> Mapping[str, bool | None]:
        """Whether each task was finished (True) or given up (False) before; None if it is not remembered.

        Call it in a `turn`, and track the tasks in the same turn. Raises `StateError` if the store cannot be read; then
        track none of them, because they may have been counted.
        """
        if not task_ids:
            return {}
        stored = self._store.remembered(self._account, task_ids)
        self._readable = True
        with self._lock:
            unsaved = {task_id: memory for task_id in task_ids if (memory := self._roster.memory(task_id)) is not None}
        return {
            task_id: unsaved[task_id].finished if task_id in unsaved else stored.get(task_id) for task_id in task_ids
        }

    def not_recalled(self, error: StateError) -> None:
        """Log that the store could not be read: once, until it can be read again."""
        if self._readable:
            _log.error("state cannot be read", extra={"account": self._account, "error": str(error)})
        self._readable = False
