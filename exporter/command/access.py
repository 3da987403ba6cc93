"""How a command reaches an exporter that has TLS or passwords."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth

from exporter import reading
from exporter.errors import ConfigError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MAX_BYTES = 1024
_TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Access:
    """What the flags say. `client_cert` is a file with a certificate and its key."""

    ca_file: Path | None = None
    client_cert: Path | None = None
    user: str | None = None
    password_file: Path | None = None

    def get(self, url: str) -> requests.Response:
        """Scrape `url`. Raises `requests.RequestException` and `OSError` as requests does.

        Raises `ConfigError` if the password cannot be read.
        """
        with requests.Session() as session:
            if urlsplit(url).hostname in _LOOPBACK:
                session.trust_env = False  # no proxy
            return session.get(
                url,
                headers={"Accept": "text/plain; version=0.0.4"},
                timeout=_TIMEOUT_SECONDS,
                verify=str(self.ca_file) if self.ca_file is not None else True,
                cert=str(self.client_cert) if self.client_cert is not None else None,
                auth=HTTPBasicAuth(self.user.encode(), self._password()) if self.user is not None else None,
                allow_redirects=self.user is None,
            )

    def _password(self) -> bytes:
        """The first line of the file. It is read for each request, because it may change."""
        if self.password_file is None:
            raise ConfigError(["--user needs --password-file; add a file that contains the password alone"])
        try:
            return reading.read(self.password_file, _MAX_BYTES).partition(b"\n")[0].rstrip(b"\r")
        except OSError as error:
            raise ConfigError([f"--password-file: {self.password_file} cannot be read ({error.strerror})"]) from None


OPEN = Access()
