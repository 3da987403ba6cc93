"""How reading one account goes, from call to call and from refresh to refresh."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.errors import VodError

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
        self.state = State()

    def success(self) -> None:
        """A call was answered. Before the first refresh is over, that is all there is to judge by."""
        with self._lock:
            up = True if self.state.up is None else self.state.up
            self.state = replace(self.state, last_success=self._clock(), up=up)

    def failure(self, error: VodError) -> None:
        """A call failed."""
        with self._lock:
            self.state = replace(self.state, last_error=str(error), last_error_at=self._clock())

    def judge(self, *, up: bool) -> None:
        """A refresh that made calls is over: whether the account can be read."""
        with self._lock:
            before, self.state = self.state, replace(self.state, up=up)
        if not up and before.up is not False:
            _log.warning("account down", extra={"account": self._account, "error": before.last_error})
        elif up and before.up is False:
            _log.info("account up again", extra={"account": self._account})
