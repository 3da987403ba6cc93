"""How reading one account goes, from call to call and from refresh to refresh."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from exporter.errors import CredentialsError, VodError

_log = logging.getLogger(__name__)


class Health:
    """Safe to use from several threads; `clock` gives Unix seconds. Logs when the account goes down and comes back."""

    def __init__(self, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._succeeded = 0
        self.failed_in_a_row = 0
        self._denied = False
        self.up: bool | None = None
        self.last_success: float | None = None
        self.last_error = ""
        self.last_error_at: float | None = None

    def begin(self) -> None:
        """A refresh begins: what went wrong in the last one counts no more."""
        with self._lock:
            self._succeeded = 0
            self.failed_in_a_row = 0
            self._denied = False

    def success(self) -> None:
        """A call was answered. The account is up, unless another call of this refresh was denied."""
        with self._lock:
            self._succeeded += 1
            self.failed_in_a_row = 0
            self.last_success = self._clock()
            self._turn(up=not self._denied)

    def failure(self, error: VodError) -> None:
        """A call failed. The account is down where none was answered in this refresh, or where it is denied."""
        with self._lock:
            self.failed_in_a_row += 1
            self._denied = self._denied or isinstance(error, CredentialsError)
            self.last_error, self.last_error_at = str(error), self._clock()
            self._turn(up=self._succeeded > 0 and not self._denied)

    def _turn(self, *, up: bool) -> None:
        if up is not self.up:
            if not up:
                _log.warning("account down", extra={"account": self._account, "error": self.last_error})
            elif self.up is False:
                _log.info("account up again", extra={"account": self._account})
        self.up = up
