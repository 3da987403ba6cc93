"""The keys that sign requests: what they are, and those of the configuration."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Protocol

from exporter.errors import CredentialsError
from exporter.keys import Key, SecretText

_log = logging.getLogger(__name__)

_READ_ATTEMPTS = 3  # a rotation replaces a few files within milliseconds


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of keys. They are only valid together."""

    access_key_id: str = field(repr=False)
    access_key_secret: SecretText
    security_token: SecretText | None = None


class Credentials(Protocol):
    """Where the client gets its keys. Safe to use from several threads."""

    def keys(self) -> Keys:
        """The keys for the next request. Raises `CredentialsError` with the code `NoCredentials` if there are none."""

    def renew(self) -> None:
        """Drop cached keys, because VOD reported that the security token has expired."""


class ConfiguredKeys:
    """The keys of the configuration. Files are read again after they have changed.

    While a file cannot be read or has no key, as in the middle of a rotation, the last good keys stay in use. This is
    logged once, until the file is good again.
    """

    def __init__(self, *, access_key_id: Key, access_key_secret: Key, security_token: Key | None = None) -> None:
        self._access_key_id = access_key_id
        self._access_key_secret = access_key_secret
        self._security_token = security_token
        self._lock = threading.Lock()
        self._good: Keys | None = None
        self._seen: tuple[object, ...] | None = None
        self._reported = False

    def keys(self) -> Keys:
        """See `Credentials.keys`. Reads files only if one of them has changed."""
        with self._lock:  # one thread reads the files, and the others then find its result
            seen = self._fingerprints()
            if self._good is None or seen != self._seen:
                self._read(seen)
            assert self._good is not None  # noqa: S101 - _read raises if there are none
            return self._good

    def renew(self) -> None:
        """See `Credentials.renew`. The next call of `keys` reads the files even if they look unchanged."""
        with self._lock:
            self._seen = None

    def _read(self, seen: tuple[object, ...]) -> None:
        try:
            # An old id and a new secret do not match, so the files must not change while they are read. The number of
            # attempts is limited, so that files that change all the time do not block the request.
            for _ in range(_READ_ATTEMPTS):
                keys = self._read_all()
                before, seen = seen, self._fingerprints()
                if before == seen:
                    break
        except ValueError as error:
            if self._good is None:
                raise CredentialsError(
                    f"{error}; write the key to this file, and make it readable by the exporter", code="NoCredentials"
                ) from None
            if not self._reported:
                _log.warning("%s; the keys read before stay in use", error)
                self._reported = True
            return
        self._good, self._seen, self._reported = keys, before, False

    def _read_all(self) -> Keys:
        token = self._security_token
        return Keys(
            _read(self._access_key_id).get_secret_value(),
            _read(self._access_key_secret),
            _read(token) if token is not None else None,
        )

    def _fingerprints(self) -> tuple[object, ...]:
        keys = (self._access_key_id, self._access_key_secret, self._security_token)
        return tuple(key.fingerprint() for key in keys if key is not None)


def _read(key: Key) -> SecretText:
    try:
        return key.read()
    except ValueError as error:
        raise ValueError(f"the key file {str(key.path)!r} {error}") from None
