"""Tells ids that the account may not read from an operation that it may not call: VOD answers `Forbidden` to both."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection

_MAX_IDS = 100_000  # refused ids that are remembered; beyond that the memory starts again


class Forbidden:
    """An id is forbidden if VOD refuses it twice, and answers the same operation for another id in between.

    Without that answer the whole operation is forbidden, or nothing else was asked. A RAM user may be allowed to read
    the media of some applications only, so an account with several applications may have such ids. Safe to use from
    several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: Counter[str] = Counter()  # by operation
        self._refused: dict[tuple[str, str], int] = {}  # the answers at the first refusal, by operation and id
        self._last_refused: set[str] = set()  # operations whose last call was refused
        self._witnesses: dict[str, str] = {}  # by operation: the id that VOD answered about last

    def answered(self, action: str, id_: str) -> None:
        """VOD answered a call of the operation about this id."""
        self.answered_batch(action, [id_])
        with self._lock:
            self._witnesses[action] = id_

    def answered_batch(self, action: str, ids: Collection[str]) -> None:
        """VOD answered a call of the operation about several ids."""
        with self._lock:
            self._answers[action] += 1
            self._last_refused.discard(action)
            self._forget(action, ids)

    def refused(self, action: str, id_: str) -> bool:
        """VOD refused a call of the operation about this id. Returns whether the id is forbidden."""
        with self._lock:
            self._last_refused.add(action)
            if self._witnesses.get(action) == id_:
                del self._witnesses[action]
            return self._was_answered_since(action, [id_])

    def witness(self, action: str) -> str | None:
        """The id that VOD answered about last, if it did not refuse it since.

        If VOD answers about it again, the operation is allowed, so other ids are forbidden.
        """
        with self._lock:
            return self._witnesses.get(action)

    def refused_batch(self, action: str, ids: Collection[str]) -> bool:
        """VOD refused a call of the operation about several ids. Returns whether to ask about each of them alone.

        That is so if VOD answered the last call of the operation, or any call since it first refused these ids.
        """
        with self._lock:
            split = action not in self._last_refused or self._was_answered_since(action, ids)
            self._last_refused.add(action)
            if split:
                self._forget(action, ids)
            return split

    def _was_answered_since(self, action: str, ids: Collection[str]) -> bool:
        """Whether VOD answered the operation since it first refused one of these ids; notes new refusals."""
        if len(self._refused) >= _MAX_IDS:
            self._refused.clear()
        now = self._answers[action]
        return now > min([self._refused.setdefault((action, id_), now) for id_ in ids], default=now)

    def _forget(self, action: str, ids: Collection[str]) -> None:
        for id_ in ids:
            self._refused.pop((action, id_), None)
