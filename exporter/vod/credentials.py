"""The keys that sign requests: given as text, read from files, or from the official provider chain."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from exporter.errors import CredentialsError
from exporter.fingerprint import fingerprint
from exporter.keyfile import read_key
from exporter.secret import SecretText

_log = logging.getLogger(__name__)

_READ_ATTEMPTS = 3
_RENEW_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of keys; the three belong together."""

    access_key_id: str = field(repr=False)
    access_key_secret: SecretText
    security_token: SecretText | None = None


class Credentials(Protocol):
    def keys(self) -> Keys:
        """The keys to sign the next request with; raises `CredentialsError` with the code `NoCredentials`."""

    def renew(self) -> None:
        """Forget what is cached: the service says that the token has expired."""


class StaticKeys:
    """Keys that never change."""

    def __init__(
        self, *, access_key_id: SecretText, access_key_secret: SecretText, security_token: SecretText | None = None
    ) -> None:
        self._keys = Keys(access_key_id.get_secret_value(), access_key_secret, security_token)

    def keys(self) -> Keys:
        return self._keys

    def renew(self) -> None:
        """Nothing is cached."""


class KeyFiles:
    """Keys of which some or all are in files, read again when a file has changed.

    A file that cannot be read, or is empty, in the middle of a rotation leaves the last good keys in use, and is
    logged once until it is read again.
    """

    def __init__(
        self,
        *,
        access_key_id: SecretText | Path,
        access_key_secret: SecretText | Path,
        security_token: SecretText | Path | None = None,
    ) -> None:
        self._sources = (access_key_id, access_key_secret, security_token)
        self._lock = threading.Lock()
        self._good: Keys | None = None
        self._seen: tuple[object, ...] | None = None
        self._complained = False

    def keys(self) -> Keys:
        with self._lock:
            seen = self._fingerprint()
            if self._good is None or seen != self._seen:
                self._read(seen)
            assert self._good is not None  # noqa: S101 - _read raises where there is none
            return self._good

    def renew(self) -> None:
        with self._lock:
            self._seen = None

    def _read(self, seen: tuple[object, ...]) -> None:
        try:
            # An id and a secret from two sides of a rotation would not fit together: read until nothing moved.
            for _ in range(_READ_ATTEMPTS):
                keys = self._read_all()
                before, seen = seen, self._fingerprint()
                if before == seen:
                    break
        except ValueError as error:
            if self._good is None:
                raise CredentialsError(
                    f"{error}; write the key to that file, readable by the exporter", code="NoCredentials"
                ) from None
            if not self._complained:
                _log.warning("%s; the keys read before stay in use", error)
                self._complained = True
            return
        self._good, self._seen, self._complained = keys, before, False

    def _read_all(self) -> Keys:
        identity, secret, token = (_read_one(source) for source in self._sources)
        assert identity is not None and secret is not None  # noqa: S101, PT018 - only the token may be absent
        return Keys(identity.get_secret_value(), secret, token)

    def _fingerprint(self) -> tuple[object, ...]:
        return tuple(_state(source) for source in self._sources if isinstance(source, Path))


def _read_one(source: SecretText | Path | None) -> SecretText | None:
    if not isinstance(source, Path):
        return source
    try:
        return read_key(source)
    except ValueError as error:
        raise ValueError(f"the key file {str(source)!r} {error}") from None


def _state(path: Path) -> object:
    """The fingerprint of the file; None while it is not there."""
    try:
        return fingerprint(path.stat())
    except OSError:
        return None


class ProviderChain:
    """The official provider chain: environment, OIDC role, profile files, ECS RAM role, credentials URI.

    `alibabacloud_credentials` is imported on first use: that takes 0.4 s, reads the environment and may start a
    thread. It renews its own tokens.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._client: Any = None
        self._made = 0.0

    def keys(self) -> Keys:
        try:
            with self._lock:
                if self._client is None:
                    self._client = _new_client()
                    self._made = self._clock()
                client = self._client
            found = client.get_credential()
            identity, secret, token = found.access_key_id, found.access_key_secret, found.security_token
        except Exception as error:  # noqa: BLE001 - each provider raises what it likes
            reason = type(error).__name__
        else:
            if identity and secret:
                return Keys(identity, SecretText(secret), SecretText(token) if token else None)
            reason = "it gave no key"
        # Raised out here, so that theirs is not its context.
        raise _no_credentials(reason)

    def renew(self) -> None:
        """Start the chain anew, at most once an hour: a client of ECS keeps its thread for as long as the process."""
        with self._lock:
            if self._clock() - self._made >= _RENEW_SECONDS:
                self._client = None


def _new_client() -> Any:
    from alibabacloud_credentials.client import Client

    # Its log lines quote the answers of token services, keys included.
    logging.getLogger("credentials").disabled = True
    return Client()


def _no_credentials(reason: str) -> CredentialsError:
    # The chain's own words may quote an answer that holds keys: only the kind of its error is told.
    return CredentialsError(
        f"the official provider chain has no keys ({reason}); give `credentials` in the configuration, set "
        "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or run with a RAM role",
        code="NoCredentials",
    )
