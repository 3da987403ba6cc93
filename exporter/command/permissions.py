"""The check of accounts against VOD: which operations are granted, by one call for each account and operation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from exporter import wiring
from exporter.config import Account, Settings
from exporter.deadline import Deadline
from exporter.errors import (
    AccountRefused,
    ConnectionFailed,
    CredentialsError,
    DeadlineError,
    TemporaryError,
    Throttled,
    VodError,
)
from exporter.model import (
    ACTIONS,
    DESCRIBE_VOD_TRANSCODE_DATA,
    GET_TRANSCODE_SUMMARY,
    GET_TRANSCODE_TASK,
    GET_VIDEO_LIST,
    LIST_TRANSCODE_TASK,
)
from exporter.vod.probes import granted

_CALL_SECONDS = 10.0
_ACCOUNTS_AT_A_TIME = 8
_ATTEMPTS = 2  # requests for one operation: the second comes after the time for which VOD asks

OPTIONAL = {GET_TRANSCODE_SUMMARY: "discovery then needs more calls"}
"""Operations that the exporter can do without, and what that costs."""


@dataclass(frozen=True, slots=True)
class Permission:
    """The result of a call of one operation, as `text`.

    If it is `broken`, the account lacks what it needs. If VOD throttled the call, it is not `known`.
    """

    action: str
    text: str
    broken: bool = False
    known: bool = True


def permissions(settings: Settings) -> Iterator[tuple[Account, list[Permission]]]:
    """Ask VOD for each account, several accounts at a time. Yields them in the order of the file.

    A call takes at most 10 s, or `scrape.timeout` if it is less. The first error that is not about one operation ends
    the check of its account, because each further call would meet it, too. If VOD throttles an operation twice, each
    further operation has one attempt.
    """
    with ThreadPoolExecutor(_ACCOUNTS_AT_A_TIME) as pool:
        futures = [pool.submit(_ask, account, settings) for account in settings.accounts]
        for account, future in zip(settings.accounts, futures, strict=True):
            yield account, future.result()


def _ask(account: Account, settings: Settings) -> list[Permission]:
    found: list[Permission] = []
    usage = (DESCRIBE_VOD_TRANSCODE_DATA,) if wiring.reports_usage(account, settings) else ()
    attempts = _ATTEMPTS
    with contextlib.closing(wiring.client(account, settings.scrape)) as client:
        for action in (*ACTIONS, *usage):
            try:
                deadline = Deadline.after(min(_CALL_SECONDS, settings.scrape.timeout))
                client.probe(action, deadline, attempts=attempts)
            except Throttled as error:
                said = str(error).removeprefix(f"{action}: ")
                found.append(Permission(action, f"throttled; not known: {said}", known=False))
                attempts = 1
            except VodError as error:
                found.append(_permission(account, action, error))
                if granted(action, error) is None:
                    break
            else:
                found.append(Permission(action, "granted"))
    return found


def _permission(account: Account, action: str, error: VodError) -> Permission:
    verdict = granted(action, error)
    if verdict:
        return Permission(action, "granted")
    said = str(error).removeprefix(f"{action}: ")
    if verdict is None:
        return Permission(action, f"{_outcome(error)}: {said}; nothing more was asked", broken=True)
    if action not in _needed(account):
        return Permission(action, f"not granted, and not needed: {said}")
    if action in OPTIONAL:
        return Permission(action, f"not granted ({OPTIONAL[action]}): {said}")
    return Permission(action, f"not granted: {said}", broken=True)


def _outcome(error: VodError) -> str:
    """Two words that say why a call did not show whether its operation is granted."""
    if isinstance(error, CredentialsError):
        return "keys refused" if error.code != "NoCredentials" else "no keys"
    if isinstance(error, (ConnectionFailed, DeadlineError, TemporaryError)):
        return "not reachable"
    return "account refused" if isinstance(error, AccountRefused) else "not known"


def _needed(account: Account) -> set[str]:
    """The operations that the exporter calls for an account with these settings."""
    track = account.track
    needed = {GET_TRANSCODE_TASK, DESCRIBE_VOD_TRANSCODE_DATA}  # the second is asked about only if it is needed
    if track.discovery.enabled:
        needed |= {GET_VIDEO_LIST, GET_TRANSCODE_SUMMARY}
    if track.discovery.enabled or track.videos or track.files or account.callback:
        needed |= {LIST_TRANSCODE_TASK, GET_TRANSCODE_SUMMARY}
    return needed
