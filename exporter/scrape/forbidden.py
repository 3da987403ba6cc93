"""Tells ids that the account may not read from an operation that it may not call: VOD answers `Forbidden` to both."""

from __future__ import annotations

import threading
from collections import Counter

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

    def answered(self, action: str, *ids: str) -> None:
        """VOD answered a call of the operation about these ids."""
        with self._lock:
            self._answers[action] += 1
            self._last_refused.discard(action)
            for id_ in ids:
                self._refused.pop((action, id_), None)
                self._witnesses[action] = id_

    def refused(self, action: str, id_: str) -> bool:
        """VOD refused a call of the operation about this id. Returns whether the id is forbidden."""
        with self._lock:
            self._last_refused.add(action)
            if self._witnesses.get(action) == id_:
                del self._witnesses[action]
            if len(self._refused) >= _MAX_IDS:
                self._refused.clear()
            return self._answers[action] > self._refused.setdefault((action, id_), self._answers[action])

    def witness(self, action: str) -> str | None:
        """The id that VOD answered about last, if it did not refuse it since.

        If VOD answers about it again, the operation is allowed, so other ids are forbidden.
        """
        with self._lock:
            return self._witnesses.get(action)

    def refused_batch(self, action: str) -> bool:
        """VOD refused a call of the operation about several ids. Returns whether to ask about each of them alone.

        That is so if VOD answered the last call of the operation.
        """
        with self._lock:
            before = action in self._last_refused
            self._last_refused.add(action)
            return not before
