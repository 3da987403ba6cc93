"""How a request leaves this machine: through which proxy, and trusting which CAs. The environment decides both.

docs/network.md describes the variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined] # untyped

from exporter import reading
from exporter.errors import ConnectionFailed

METADATA_HOST = "100.100.100.200"
"""The metadata service of ECS. Only the machine itself can ask it, so no request to it takes a proxy."""

OPENSSL = "openssl"
"""As `Route.verify`: OpenSSL finds the CA certificates, with SSL_CERT_FILE and SSL_CERT_DIR."""

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # OpenSSL finds certificates in a folder by names like this


@dataclass(frozen=True, slots=True)
class Route:
    """The way to `host`. `proxy` is the host and port of the proxy, `variable` the variable that names it.

    `proxies` is the argument of `requests`. It may contain the password of the proxy.
    `verify` is the file or folder with the CA certificates to trust, `OPENSSL`, or True for those of `requests`.
    """

    host: str
    proxy: str = ""
    variable: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: str | bool = True

    def __str__(self) -> str:
        return f"{self.host} through the proxy {self.proxy}" if self.proxy else self.host


def find(url: str) -> Route:
    """The route to `url`. Raises `ConnectionFailed` if a variable of the environment has no usable value."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")  # `requests` refuses the URL
    verify = _verify() if parts.scheme == "https" else True
    variable, value = _variable(parts) if host else ("", "")
    if not value:
        return Route(host, verify=verify)
    return Route(host, _host_and_port(variable, value, host), variable, {parts.scheme: value}, verify)


def _variable(parts: SplitResult) -> tuple[str, str]:
    """The variable with the proxy for this URL, and its value as a URL; both are empty without a proxy."""
    environment = getproxies_environment()
    scheme = parts.scheme if environment.get(parts.scheme) else "all"
    value = environment.get(scheme, "")
    if not value or _direct(parts, environment.get("no", "")):
        return "", ""
    return f"{scheme.upper()}_PROXY", value if "://" in value else f"http://{value}"


def _host_and_port(variable: str, value: str, host: str) -> str:
    """Host and port of the proxy. Raises `ConnectionFailed`, which does not show the value, if it cannot be used."""
    try:
        proxy = urlsplit(value)
        shown = f"{proxy.hostname}:{proxy.port}" if proxy.port else f"{proxy.hostname}"
    except ValueError:
        shown, proxy = "", urlsplit("")
    if proxy.scheme.startswith("socks"):
        raise ConnectionFailed(
            f"{variable} names a SOCKS proxy, which is not supported; use an HTTP proxy, or add {host} to NO_PROXY",
            code="proxy",
        )
    # An `@` after the host: the password contains a `/`, `?` or `#` that is not percent-encoded.
    stray = "@" in proxy.path + proxy.query + proxy.fragment
    if proxy.scheme not in ("http", "https") or not proxy.hostname or stray:
        raise ConnectionFailed(
            f"{variable} is not the URL of an HTTP proxy; write http://HOST:PORT, and percent-encode a password",
            code="proxy",
        )
    return shown


def _direct(parts: SplitResult, no_proxy: str) -> bool:
    """Whether `NO_PROXY` has the host: `name`, `.name` and `*.name` with or without a port, an address, a network, `*`.

    These are the rules of Go: https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config
    """
    host = str(parts.hostname)
    if host == METADATA_HOST:
        return True
    entries = [entry.strip() for entry in no_proxy.split(",")]
    if "*" in entries or any(_contains(entry, host) for entry in entries):
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    # The standard library understands `.name`, but not `*.name`.
    names = ",".join(entry.removeprefix("*") for entry in entries)
    return bool(proxy_bypass_environment(f"{host}:{port}", {"no": names}))


def _contains(network: str, host: str) -> bool:
    try:
        return ip_address(host) in ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False


def _verify() -> str | bool:
    """See `Route.verify`. OpenSSL ignores a variable that leads to no certificate; here it is an error."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # the names that `requests` has for it
        if value := os.environ.get(variable, ""):
            _check(variable, value)
            return value
    file, folders = os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", "")
    if file:
        _check("SSL_CERT_FILE", file, folders_too=False)
    if folders:
        _check_folders("SSL_CERT_DIR", folders)
    return OPENSSL if file or folders else True


def _check(variable: str, file: str, *, folders_too: bool = True) -> None:
    try:
        reading.read(Path(file), 1)
    except OSError as error:
        if folders_too and isinstance(error, IsADirectoryError):
            _check_folders(variable, file)
        else:
            raise _unreadable(variable, file, error) from None


def _check_folders(variable: str, folders: str) -> None:
    paths = [Path(folder) for folder in folders.split(os.pathsep)]
    try:
        names = reading.in_time(folders, lambda: [file.name for path in paths for file in path.glob("*")])
    except OSError as error:
        raise _unreadable(variable, folders, error) from None
    if not any(map(_HASHED.fullmatch, names)):
        reason = f"{variable} names {folders}, where no file has a name that OpenSSL finds"
        raise ConnectionFailed(f"no CA certificates: {reason}; run `openssl rehash` for the folder", code="tls")


def _unreadable(variable: str, file: str, error: OSError) -> ConnectionFailed:
    reason = f"{variable} names {Path(file).absolute()} ({error.strerror})"
    return ConnectionFailed(f"no CA certificates: {reason}; correct it", code="tls")
