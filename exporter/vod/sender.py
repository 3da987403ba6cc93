"""Sends one call of VOD: turns of the budget, keys, signatures, retries and the report to the observer."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from exporter import __version__
from exporter.deadline import Deadline
from exporter.errors import (
    BudgetSpent,
    ConnectionFailed,
    CredentialsError,
    RequestRejected,
    TemporaryError,
    Throttled,
    TokenExpired,
    VodError,
)
from exporter.masks import remember
from exporter.vod import answers, signing
from exporter.vod.body import TOO_LARGE
from exporter.vod.credentials import Credentials, Keys
from exporter.vod.limiter import Limiter
from exporter.vod.transport import Http

_log = logging.getLogger(__name__)

API_VERSION = "2017-03-21"
ATTEMPTS = 4  # requests for one call by default, the first included
_BACKOFF_SECONDS = 0.2  # doubled at each attempt, and randomized so that replicas do not retry at the same moment

_SAID_SECONDS = 600.0  # between two log lines about a busy processor
_LATEST = 0.2  # the share of the last answer in the mean latency

_IDS = ("TranscodeTaskId", "JobIds", "VideoId", "VideoIds")  # the parameters with ids, separated by commas

Reply = TypeVar("Reply")


class Observer(Protocol):
    """Called after each request, for the metrics of the exporter.

    `seconds` is the duration, or None if the request was not sent because there are no keys. `error` is None after a
    successful request.
    """

    def __call__(self, *, action: str, seconds: float | None, error: VodError | None) -> None: ...


def ignore(*, action: str, seconds: float | None, error: VodError | None) -> None:
    """An observer that does nothing."""


class Sender:
    """Sends the calls of one account to one endpoint. Safe to use from several threads.

    A call waits for its turn in the budget until its deadline, and then takes at most `timeout` seconds, all attempts
    together. Nothing is sent while `allowed` returns False. Level debug logs each request, with the name of the
    `account`.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: Credentials,
        limiter: Limiter,
        timeout: float,
        connections: int,
        observer: Observer,
        account: str = "",
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._account = account
        self._endpoint = endpoint
        self._host = urlsplit(endpoint).netloc
        self._credentials = credentials
        self._limiter = limiter
        self._timeout = timeout
        self._observer = observer
        self._allowed = allowed
        self._http = Http(connections)
        # When each thread sent its unanswered request. Every thread writes only its own entry, so no lock is needed.
        self._sent: dict[int, float] = {}
        self._latency = 0.0
        self._say_slow_after = 0.0  # monotonic clock
        self._closing = threading.Event()

    def close(self) -> None:
        """Close idle connections. Calls that wait for a turn raise `BudgetSpent`; requests already sent go on."""
        self._closing.set()
        self._http.close()

    @property
    def waiting_since(self) -> float | None:
        """When the oldest unanswered request was sent, in monotonic seconds; None without one."""
        return min(list(self._sent.values()), default=None)  # the list is a copy: other threads change the dict

    @property
    def latency(self) -> float:
        """The mean seconds from a request to its answer, mostly of the last ten."""
        return self._latency

    def call(
        self,
        action: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
        parse: Callable[[object], Reply],
        *,
        attempts: int = ATTEMPTS,
        urgent: bool = False,
    ) -> Reply:
        """Call the operation, and return the result of `parse` for the JSON of a 200 response.

        An urgent call goes before those that wait for their turn.

        Sends at most `attempts` requests, and one more if the security token has expired. Each attempt takes a turn of
        the budget and has a new signature, because VOD refuses a repeated nonce.
        """
        renewed = False
        failure: VodError | None = None
        for attempt in count(1):
            keys = self._keys(action)
            try:
                self._wait(action, deadline, urgent=urgent)
            except BudgetSpent:
                if failure is None:
                    raise
                raise failure from None  # its reason is more useful than `BudgetSpent`
            if attempt == 1:  # the time for the call starts here: waiting for the budget is not the fault of VOD
                deadline = min(deadline, Deadline.after(self._timeout))
            try:
                return self._attempt(action, parameters, keys, deadline, parse)
            except VodError as error:
                failure = error
            if isinstance(failure, TokenExpired) and not renewed:
                self._credentials.renew()
                renewed = True
                continue
            pause = _pause(failure, attempt)
            if pause is None or attempt >= attempts or pause >= deadline.remaining() or self._closing.wait(pause):
                raise failure
        raise AssertionError("unreachable: count() has no end")

    def _keys(self, action: str) -> Keys:
        try:
            return self._credentials.keys()
        except VodError as error:
            self._observer(action=action, seconds=None, error=error)
            raise

    def _wait(self, action: str, deadline: Deadline, *, urgent: bool) -> None:
        # During the wait, VOD may throttle another call, or an urgent call may take the turn. The call then needs a
        # later turn.
        void = True
        while void:
            turn = self._limiter.turn(action, deadline, urgent=urgent)
            if self._closing.wait(turn.seconds):
                raise BudgetSpent(f"{action}: the client was closed before its turn", code="stopped")
            if self._limiter.came(action, turn):
                self._say_slow(action)
            void = self._limiter.is_void(action, turn)
        if not self._allowed():
            raise BudgetSpent(f"{action}: this exporter does not hold the account any more", code="stopped")

    def _say_slow(self, action: str) -> None:
        now = time.monotonic()
        if now >= self._say_slow_after:
            self._say_slow_after = now + _SAID_SECONDS
            extra = {"account": self._account, "action": action, "rate": round(self._limiter.rate(action), 2)}
            _log.warning("calls slowed down, because the processor is too busy to send them in time", extra=extra)

    def _attempt(
        self,
        action: str,
        parameters: Mapping[str, str],
        keys: Keys,
        deadline: Deadline,
        parse: Callable[[object], Reply],
    ) -> Reply:
        thread, started = threading.get_ident(), time.monotonic()
        self._sent[thread] = started
        try:
            reply = parse(self._send(action, parameters, keys, deadline))
        except VodError as error:
            if isinstance(error, Throttled):
                self._limiter.throttled(action, retry_after=error.retry_after)
            elif error.code == TOO_LARGE:  # such an answer costs time, and the next one may be as large
                self._limiter.throttled(action)
            self._note(action, parameters, time.monotonic() - started, error)
            raise
        finally:
            del self._sent[thread]
        seconds = time.monotonic() - started
        self._latency += _LATEST * (seconds - self._latency)
        self._note(action, parameters, seconds, None)
        return reply

    def _note(self, action: str, parameters: Mapping[str, str], seconds: float, error: VodError | None) -> None:
        self._observer(action=action, seconds=seconds, error=error)
        if _log.isEnabledFor(logging.DEBUG):
            ids = sum(parameters[name].count(",") + 1 for name in _IDS if name in parameters)
            code = "ok" if error is None else error.code
            extra = {"account": self._account, "action": action, "ids": ids, "seconds": round(seconds, 3), "code": code}
            _log.debug("request", extra=extra)

    def _send(self, action: str, parameters: Mapping[str, str], keys: Keys, deadline: Deadline) -> object:
        try:
            query = signing.canonical_query(parameters)
        except UnicodeError:
            raise RequestRejected(f"{action}: an id has characters that cannot be sent", code="not_text") from None
        secrets = _secrets(keys)
        for secret in secrets:
            remember(secret)
        headers: dict[str, str] | None = None
        with suppress(UnicodeError):
            headers = self._signed_headers(action, query, keys)
        if headers is None:  # not raised inside `except`: the UnicodeError would be its context, and quotes the secret
            raise CredentialsError(f"{action}: access_key_secret is not valid text; check its encoding", code="keys")
        answer = self._http.post(f"{self._endpoint}/?{query}", headers=headers, deadline=deadline, name=action)
        return answers.body(action, answer, secrets=[headers["authorization"].rpartition("=")[2], *secrets])

    def _signed_headers(self, action: str, query: str, keys: Keys) -> dict[str, str]:
        headers = {
            "host": self._host,
            "accept": "application/json",
            "accept-encoding": "gzip",
            "user-agent": f"vod-transcode-exporter/{__version__}",
            "x-acs-action": action,
            "x-acs-content-sha256": signing.EMPTY_BODY_SHA256,
            "x-acs-date": signing.timestamp(time.time()),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-version": API_VERSION,
        }
        if keys.security_token is not None:
            headers["x-acs-accesskey-id"] = keys.access_key_id
            headers["x-acs-security-token"] = keys.security_token.get_secret_value()
        secret = keys.access_key_secret.get_secret_value()
        headers["authorization"] = signing.authorization(
            keys.access_key_id, secret, method="POST", query=query, headers=headers
        )
        return headers


def _pause(error: VodError, attempt: int) -> float | None:
    """The seconds to wait before the next attempt; None if another attempt cannot help."""
    asked = 0.0
    if isinstance(error, (Throttled, TemporaryError)):
        asked = error.retry_after or 0.0
    elif not (isinstance(error, ConnectionFailed) and error.code == "reset"):
        return None
    spread = random.uniform(0.5, 1.5)  # noqa: S311 - not for security
    return max(asked, _BACKOFF_SECONDS * 2.0 ** (attempt - 1) * spread)


def _secrets(keys: Keys) -> list[str]:
    return [key.get_secret_value() for key in (keys.access_key_secret, keys.security_token) if key is not None]
