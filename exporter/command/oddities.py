"""Likely mistakes in a valid configuration. `check-config` warns about them."""

from __future__ import annotations

import glob
import stat
from collections.abc import Iterator
from pathlib import Path

from exporter import reading
from exporter.config import Account, Settings
from exporter.keys import Key
from exporter.websecurity.current import WebConfig

VOD_RATE = 15
"""Calls per second that VOD allows an account for most operations:
https://www.alibabacloud.com/help/en/vod/developer-reference/qps-limits-on-api-operations
"""

_ID_STARTS = ("LTAI", "STS.")  # of AccessKey ids: permanent and temporary ones


def oddities(settings: Settings, web: WebConfig | None = None) -> Iterator[str]:
    """A warning for each likely mistake, with account and remedy, but without keys. Reads files; calls no service."""
    for account in settings.accounts:
        for text in (*_keys(account), *_rate(account), *_files(account)):
            yield f"account {account.name}: {text}"
    for path in exposed(settings, web):
        yield f"{path} has secrets, and every user of this machine may read it; run chmod 600 on it"
    folder = settings.state.path.parent if settings.state.path is not None else None
    if folder is not None and not folder.is_dir():
        yield f"state.path: the folder {folder} does not exist here; create it, or the exporter does not start"


def exposed(settings: Settings, web: WebConfig | None = None) -> list[Path]:
    """The files with secrets that every user may read: configuration, key files, state, and those of `web`.

    The state has the URLs of input files, which may be signed.
    """
    keys = [
        key
        for account in settings.accounts
        for key in (*_secrets(account), account.callback.signing_key if account.callback is not None else None)
    ]
    keys.append(settings.api.bearer_token if settings.api is not None else None)
    keys.append(settings.state.postgres.key if settings.state.postgres is not None else None)
    paths = [*(key.written_in for key in keys if key is not None), settings.state.path]
    paths += web.secret_files if web is not None else ()
    return [path for path in dict.fromkeys(paths) if path is not None and _is_readable_by_others(path)]


def _secrets(account: Account) -> tuple[Key | None, ...]:
    return account.credentials.keys[1:] if account.credentials is not None else ()  # without the AccessKey id


def _is_readable_by_others(path: Path) -> bool:
    try:
        return bool(reading.status(path).st_mode & stat.S_IROTH)
    except OSError:  # there is no state yet, or the configuration comes from a pipe
        return False


def _keys(account: Account) -> Iterator[str]:
    if account.credentials is None:
        return
    identity, secret, token = account.credentials.keys
    try:
        text, hidden = identity.read().get_secret_value(), secret.read().get_secret_value()
    except ValueError:
        return  # a file has gone since the configuration was loaded
    if hidden.startswith(_ID_STARTS):
        yield "access_key_secret starts like an AccessKey id (LTAI or STS.); exchange it and access_key_id, if swapped"
    elif text.startswith("STS.") and token is None:
        yield "access_key_id is a temporary one (STS.), and security_token is missing; add it"
    elif text.startswith("LTAI") and token is not None:
        yield "security_token is set, but access_key_id is a permanent one (LTAI); remove security_token"


def _rate(account: Account) -> Iterator[str]:
    if account.requests_per_second > VOD_RATE:
        yield (
            f"requests_per_second is {account.requests_per_second:g}, and VOD allows {VOD_RATE} to all applications of "
            "the account; lower it, unless VOD has raised your quota"
        )


def _files(account: Account) -> Iterator[str]:
    for pattern in account.track.files:
        if not _matches(pattern):
            yield f"track.files: no file matches {pattern}; correct the pattern, if files should be there now"


def _matches(pattern: str) -> bool:
    try:
        return reading.in_time(pattern, lambda: any(glob.iglob(pattern, recursive=True)))  # noqa: PTH207 - the same search as in `tracking/files.py`
    except OSError:
        return False
