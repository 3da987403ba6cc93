"""How reading one account goes, from call to call and from refresh to refresh."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.errors import CredentialsError, DeadlineError, NotFoundError, VodError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """`up` is None as long as nothing was asked; times are Unix seconds, `last_error` is one line of text."""

    up: bool | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None


class Health:
    """Safe to use from several threads; `clock` gives Unix seconds. Logs when the account goes down and comes back."""

    def __init__(self, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self._failed: set[str] = set()
        self._denied = False
        self.state = State()

    def begin(self) -> None:
        """From now on what is told counts for a new refresh."""
        with self._lock:
            self._answered, self._failed, self._denied = set(), set(), False

    def called(self, *, action: str, error: VodError | None) -> None:
        """A request of this operation has ended. That an id is gone is an answer too."""
        with self._lock:
            if error is None or isinstance(error, NotFoundError):
                self._answered.add(action)
                # Before the first refresh is over, that is all there is to judge by.
                up = True if self.state.up is None else self.state.up
                self.state = replace(self.state, last_success=self._clock(), up=up)
            else:
                self._failed.add(action)
                self._denied |= isinstance(error, CredentialsError)
                self._note(error)

    def judge(self, *, hanging: bool = False) -> None:
        """Whether the account can be read, by the refresh so far: all that was asked was answered once, none denied.

        `hanging` tells that requests wait for their answers, and have done so for long.
        """
        with self._lock:
            if hanging and not self._answered:
                self._note(DeadlineError("no answer before the deadline of the scrape", code="timeout"))
                self._judge(up=False)
            elif self._answered or self._failed:
                self._judge(up=not (self._denied or self._failed - self._answered))

    def _note(self, error: VodError) -> None:
        self.state = replace(self.state, last_error=str(error), last_error_at=self._clock())

    def _judge(self, *, up: bool) -> None:
        before, self.state = self.state, replace(self.state, up=up)
        if not up and before.up is not False:
            _log.warning("account down", extra={"account": self._account, "error": before.last_error})
        elif up and before.up is False:
            _log.info("account up again", extra={"account": self._account})
