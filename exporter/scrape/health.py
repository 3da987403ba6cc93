"""Whether an account can be read, judged by the calls of each refresh."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from exporter.errors import (
    CredentialsError,
    DeadlineError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
    VodError,
)
from exporter.model import GET_TRANSCODE_SUMMARY, GET_VIDEO_LIST
from exporter.scrape.fallback import refuses_operation

_log = logging.getLogger(__name__)

_TOO_SLOW = 3.0  # a request fails after this multiple of the slowest answer of this refresh and the previous refresh
_FORGOTTEN_SECONDS = 600.0  # an account that was down is unknown after this time without a call


@dataclass(frozen=True, slots=True)
class State:
    """`up` is None before the first call has ended. Times are Unix seconds, `last_error` is one line of text."""

    up: bool | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None


class Health:
    """Logs when the account goes down and when it is up again. `clock` gives Unix seconds.

    Safe to use from several threads.
    """

    def __init__(self, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: set[str] = set()
        self._failed: set[str] = set()
        self._denied = False
        self._slowest = self._slowest_before = 0.0
        self._called_at = clock()
        self.state = State()

    def start_refresh(self) -> None:
        """Calls that end from now on belong to a new refresh."""
        with self._lock:
            self._answered, self._failed, self._denied = set(), set(), False
            self._slowest, self._slowest_before = 0.0, self._slowest

    def called(self, *, action: str, error: VodError | None, seconds: float = 0.0) -> None:
        """A request of the operation `action` has ended after `seconds`; `error` is None after an answer.

        If VOD refuses GetTranscodeSummary, the account can still be read: the exporter does without it.
        """
        if action == GET_TRANSCODE_SUMMARY and error is not None and refuses_operation(error):
            return
        with self._lock:
            now = self._called_at = self._clock()
            if error is not None and not isinstance(error, NotFoundError):
                self._note(error, now)
            if error is None or _is_of_one_id(action, error):
                self._answered.add(action)
                self._slowest = max(self._slowest, seconds)
                # In the first refresh, one answer makes the account up. Later, `judge` decides at the end.
                up = True if self.state.up is None else self.state.up
                self.state = replace(self.state, last_success=now, up=up)
            else:
                self._failed.add(action)
                self._denied |= isinstance(error, CredentialsError)

    def judge(self, *, waiting: float = 0.0) -> None:
        """Judge by the calls of this refresh so far whether the account can be read.

        It is up if every operation that was called was answered at least once, and no credentials were refused.
        `waiting` is how many seconds the oldest request has waited for its answer. Without an answer yet, a wait of
        more than three times the slowest recent answer is a failure. An account that was down is unknown after ten
        minutes without a call.
        """
        with self._lock:
            if waiting > _TOO_SLOW * max(self._slowest, self._slowest_before) and not self._answered:
                self._note(DeadlineError("no answer before the deadline of the scrape", code="timeout"), self._clock())
                self._judge(up=False)
            elif self._answered or self._failed:
                self._judge(up=not (self._denied or self._failed - self._answered))
            elif not waiting and self.state.up is False and self._clock() - self._called_at > _FORGOTTEN_SECONDS:
                self.state = replace(self.state, up=None)

    def _note(self, error: VodError, now: float) -> None:
        self.state = replace(self.state, last_error=str(error), last_error_at=now)

    def _judge(self, *, up: bool) -> None:
        before, self.state = self.state, replace(self.state, up=up)
        if not up and before.up is not False:
            _log.warning("account down", extra={"account": self._account, "error": before.last_error})
        elif up and before.up is False:
            _log.info("account up again", extra={"account": self._account})


def _is_of_one_id(action: str, error: VodError) -> bool:
    """Whether VOD answered, and the error concerns only one id, which does not exist, is malformed or is refused."""
    if isinstance(error, MalformedResponse):
        return error.code in ("no_task", "wrong_task")
    return isinstance(error, NotFoundError) or (isinstance(error, RequestRejected) and action != GET_VIDEO_LIST)
