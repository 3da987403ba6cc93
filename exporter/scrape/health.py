"""Whether an account can be read, judged by the calls of each refresh."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from exporter.errors import (
    CredentialsError,
    DeadlineError,
    MalformedResponse,
    NotFoundError,
    PermissionDenied,
    RequestRejected,
    VodError,
)
from exporter.model import GET_TRANSCODE_SUMMARY, GET_VIDEO_LIST
from exporter.scrape.fallback import refuses_operation

_log = logging.getLogger(__name__)

_TOO_SLOW = 3.0  # a request fails after this multiple of the slowest answer of this refresh and the previous refresh
_FORGOTTEN_SECONDS = 600.0  # a failure is forgotten after this time without a call
_REPEAT_SECONDS = 600.0  # a cause of an outage that comes and goes is logged once in this time


@dataclass(frozen=True, slots=True)
class State:
    """`up` is None before the first call has ended. Times are Unix seconds, `last_error` is one line of text.

    `refused` says whether it is about the credentials or permissions.
    """

    up: bool | None = None
    last_success: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    refused: bool = False
    down_since: float | None = None


@dataclass(slots=True)
class _Results:
    """The results of one operation in the present refresh. `errors` has the text of each error by its code."""

    answered: bool = False
    denied: bool = False
    errors: dict[str, str] = field(default_factory=dict)


class Health:
    """Logs when the account goes down and why, and when it is up again. `clock` gives Unix seconds.

    Safe to use from several threads.
    """

    def __init__(self, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._results: dict[str, _Results] = {}
        self._failing: dict[str, float] = {}  # the operations that failed when they were called last, and when
        self._causes: set[str] = set()  # the codes of the last refresh that failed
        self._logged: dict[str, float] = {}  # when each code of the present outage was logged
        self._slowest = self._slowest_before = 0.0
        self._called_at = clock()
        self.state = State()

    def start_refresh(self) -> None:
        """Calls that end from now on belong to a new refresh."""
        with self._lock:
            self._results = {}
            self._slowest, self._slowest_before = 0.0, self._slowest

    def called(self, *, action: str, error: VodError | None, seconds: float = 0.0) -> None:
        """A request of the operation `action` has ended after `seconds`; `error` is None after an answer.

        If VOD refuses GetTranscodeSummary, the account can still be read: the exporter does without it.
        """
        with self._lock:
            if action == GET_TRANSCODE_SUMMARY and error is not None and refuses_operation(error):
                self._results.pop(action, None)
                self._failing.pop(action, None)
                return
            now = self._called_at = self._clock()
            results = self._results.setdefault(action, _Results())
            if error is not None and not isinstance(error, NotFoundError):
                self._note(error, now)
            if error is None or _is_of_one_id(action, error):
                results.answered = True
                self._slowest = max(self._slowest, seconds)
                # In the first refresh, one answer makes the account up. Later, `judge` decides at the end.
                up = True if self.state.up is None else self.state.up
                self.state = replace(self.state, last_success=now, up=up)
            else:
                results.errors[error.code] = str(error)
                # A missing permission may concern one id only. Then VOD answers about the others.
                results.denied |= isinstance(error, CredentialsError) and not isinstance(error, PermissionDenied)

    def judge(self, *, waiting: float = 0.0) -> None:
        """Judge by the calls of this refresh so far whether the account can be read.

        An operation fails if none of its calls was answered, or if the credentials were refused. It counts as failed
        until a call of it succeeds, because not every refresh calls every operation. The account is up if no operation
        fails. A failure is forgotten after ten minutes without a call of the operation. `waiting` is how many
        seconds the oldest request has waited for its answer. Without an answer yet, a wait of more than three times the
        slowest recent answer is a failure too.
        """
        with self._lock:
            now = self._clock()
            answered = any(results.answered for results in self._results.values())
            causes = self._judge_operations(now)
            if waiting > _TOO_SLOW * max(self._slowest, self._slowest_before) and not answered:
                error = DeadlineError("no answer before the deadline of the scrape", code="timeout")
                self._note(error, now)
                self._judge(now, up=False, causes={error.code: str(error)})
            elif self._results:
                self._judge(now, up=not self._failing, causes=causes)
            elif not waiting and self.state.up is False and now - self._called_at > _FORGOTTEN_SECONDS:
                self.state = replace(self.state, up=None, down_since=None)

    def _judge_operations(self, now: float) -> dict[str, str]:
        """Note which operations fail. Returns the errors of this refresh that make them fail, by code."""
        causes: dict[str, str] = {}
        for action, results in self._results.items():
            self._failing.pop(action, None)
            if results.denied or not results.answered:
                self._failing[action] = now
                causes |= results.errors
        for action in [action for action, at in self._failing.items() if now - at > _FORGOTTEN_SECONDS]:
            del self._failing[action]
        return causes

    def _note(self, error: VodError, now: float) -> None:
        refused = isinstance(error, CredentialsError)
        self.state = replace(self.state, last_error=str(error), last_error_at=now, refused=refused)

    def _judge(self, now: float, *, up: bool, causes: Mapping[str, str]) -> None:
        before = self.state
        since = None if up else before.down_since if before.up is False else now
        self.state = replace(before, up=up, down_since=since)
        if up and before.up is False:
            _log.info("account up again", extra={"account": self._account})
        if up or before.up is not False:
            self._causes, self._logged = set(), {}
        if not up:
            self._log_causes(now, causes)

    def _log_causes(self, now: float, causes: Mapping[str, str]) -> None:
        """Log the causes that the last refresh did not have."""
        for code, error in causes.items():
            if code not in self._causes and now - self._logged.get(code, -math.inf) > _REPEAT_SECONDS:
                message = "account down for another reason" if self._logged else "account down"
                self._logged[code] = now
                _log.warning(message, extra={"account": self._account, "error": error})
        self._causes = set(causes) or self._causes


def _is_of_one_id(action: str, error: VodError) -> bool:
    """Whether VOD answered, and the error concerns only one id, which does not exist, is malformed or is refused."""
    if isinstance(error, MalformedResponse):
        return error.code in ("no_task", "wrong_task")
    return isinstance(error, NotFoundError) or (isinstance(error, RequestRejected) and action != GET_VIDEO_LIST)
