"""What the web configuration file says now. It is parsed again only when it or a file that it names has changed."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from anyio import CapacityLimiter, to_thread

from exporter import reading
from exporter.errors import ConfigError
from exporter.fingerprint import fingerprint
from exporter.websecurity import certificates
from exporter.websecurity.certificates import Pair
from exporter.websecurity.settings import WebFile, WebSettings, load

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Security:
    """The settings, and the TLS context that they make; None for plain HTTP.

    If `refuses` is true, the file or the CA of the clients cannot be used now, and these are the last good ones. They
    are enough for a handshake, but no request may be answered with them.
    """

    settings: WebSettings
    context: ssl.SSLContext | None
    refuses: bool = False


class WebConfig:
    """The web configuration file at `path`. The constructor raises `ConfigError` if it cannot be used.

    After that, a file or CA that cannot be used leads to `Security.refuses`. If only the certificate of the server
    cannot be used, the last good one stays: somebody is copying its two files. Both are logged once.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pair: Pair | None = None  # the last good one
        self._security: Security | None = None
        self._fault: str | None = None
        self._checking: asyncio.Future[Security] | None = None
        self._thread = CapacityLimiter(1)
        self._marks: Sequence[object] = ()
        self._file = self._load()
        self._security, _ = self._made()

    @property
    def secret_files(self) -> list[Path]:
        """The files with the private key or with hashes of passwords, as of the last check."""
        settings = self._file.settings
        tls = settings.tls_server_config
        inside = bool(settings.basic_auth_users) or (tls is not None and tls.key is not None)
        return [*([self._path] if inside else ()), *([tls.key_file] if tls is not None and tls.key_file else ())]

    async def now(self) -> Security:
        """What the files say now. Calls at the same time share a check, which is made in a thread of its own."""
        if self._checking is None:
            self._checking = asyncio.ensure_future(to_thread.run_sync(self.check, limiter=self._thread))
            self._checking.add_done_callback(self._checked)
        return await asyncio.shield(self._checking)

    def _checked(self, _: object) -> None:
        self._checking = None

    def check(self) -> Security:
        """What the files say now. They are read if they have changed, or could not be used at the last check.

        A file that could not be used may be good now without a change, because its disk was away. For one thread at a
        time.
        """
        assert self._security is not None  # noqa: S101 - the constructor sets it
        if self._fault is None and _marks([self._path, *_named(self._file)]) == self._marks:
            return self._security
        try:
            self._file = self._load()
            self._security, fault = self._made()
            self._report(fault, "the certificate cannot be used, so the last good one stays in use")
        except ConfigError as error:
            self._security = replace(self._security, refuses=True)
            self._report(" | ".join(error.faults), "the web configuration cannot be used, so requests are refused")
        return self._security

    def _load(self) -> WebFile:
        before = _marks([self._path])
        file = load(self._path)
        self._marks = [*before, *_marks(_named(file))]
        return file

    def _made(self) -> tuple[Security, str | None]:
        """The security of the loaded file, and an error text if the last good certificate stays in use."""
        file, settings, fault = self._file, self._file.settings, None
        if self._security is not None:
            for gone in _protections(self._security.settings) - _protections(settings):
                # A file of which only a part is written must not open the exporter.
                raise ConfigError([f"{self._path}: {gone} is gone; add it, or restart the exporter"])
        tls = settings.tls_server_config
        if tls is None:
            return Security(settings, None), None
        authority = certificates.authority(file, tls)
        try:
            self._pair = certificates.pair(file, tls)
        except ConfigError as error:
            if self._pair is None:
                raise
            fault = str(error)
        return Security(settings, certificates.context(file, tls, self._pair, authority)), fault

    def _report(self, fault: str | None, what: str) -> None:
        if fault is not None and fault != self._fault:
            _log.error(what, extra={"error": fault})
        elif fault is None and self._fault is not None:
            _log.info("the web configuration is in use again")
        self._fault = fault


def _protections(settings: WebSettings) -> Set[str]:
    """The keys of the file that restrict access."""
    tls = settings.tls_server_config
    keys = {
        "tls_server_config": tls is not None,
        "basic_auth_users": bool(settings.basic_auth_users),
        "client_auth_type": tls is not None and tls.client_auth_type != "NoClientCert",
        "client_allowed_sans": tls is not None and bool(tls.client_allowed_sans),
    }
    return {key for key, is_set in keys.items() if is_set}


def _named(file: WebFile) -> Sequence[Path]:
    tls = file.settings.tls_server_config
    return tls.files if tls is not None else ()


def _marks(paths: Sequence[Path]) -> list[object]:
    """Changes whenever one of the files does."""
    return [_mark(path) for path in paths]


def _mark(path: Path) -> object:
    try:
        return fingerprint(reading.status(path))
    except (OSError, ValueError):
        return None  # `_load` reads the file next, and its error says why
