"""What the exporter does when VOD refuses a cheap way to ask: it takes the other way for an hour, then tries again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from exporter.errors import AccountRefused, PermissionDenied, RequestRejected, VodError

_log = logging.getLogger(__name__)

_REFUSED_SECONDS = 3600.0
_NO_OPERATION = ("invalidaction", "unsupportedoperation")


class Fallback:
    """Whether one way to ask can be used. `message` says what happens instead, and is logged at the first refusal.

    Safe to use from several threads. `clock` is monotonic, in seconds.
    """

    def __init__(self, account: str, message: str, *, clock: Callable[[], float]) -> None:
        self._account = account
        self._message = message
        self._clock = clock
        self._lock = threading.Lock()
        self._refused_at: float | None = None
        self._logged = False

    @property
    def usable(self) -> bool:
        """False for an hour after a refusal."""
        refused_at = self._refused_at
        return refused_at is None or self._clock() - refused_at > _REFUSED_SECONDS

    def refused(self, error: VodError) -> None:
        """VOD refused this way. It is logged once, until VOD accepts it again."""
        with self._lock:
            logged, self._logged, self._refused_at = self._logged, True, self._clock()
        if not logged:
            _log.warning(self._message, extra={"account": self._account, "error": str(error)})

    def accepted(self) -> None:
        """VOD accepted this way."""
        with self._lock:
            self._refused_at, self._logged = None, False

    def forget(self) -> None:
        """Try this way again: something else may have caused the refusal. A further refusal is not logged."""
        self._refused_at = None


def refuses_operation(error: VodError) -> bool:
    """Whether VOD does not have the operation, or the RAM user has no permission for it.

    Other refusals, such as those of a suspended account, concern every operation. When the account can be read again,
    this operation can be called too.
    """
    if isinstance(error, AccountRefused):
        return error.code.lower().startswith(_NO_OPERATION)
    return isinstance(error, PermissionDenied | RequestRejected)
