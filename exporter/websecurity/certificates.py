"""The TLS context of the server: its certificate and key, the CA of the clients, versions, suites and curves."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exporter import reading
from exporter.keys import SecretText
from exporter.websecurity.ciphers import CURVES, SUITES
from exporter.websecurity.settings import TlsServer, WebFile

MAX_BYTES = 1 << 20

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and its private key, in PEM format. They belong together."""

    certificate: bytes
    key: bytes = field(repr=False)


class _Encrypted(Exception):
    """The key needs a passphrase."""


def pair(web: WebFile, tls: TlsServer) -> Pair:
    """Read the certificate and the key. Raises `ConfigError` if one cannot be read or they do not belong together."""
    cert, key = ("cert" if tls.cert else "cert_file"), ("key" if tls.key else "key_file")
    found = Pair(_read(web, cert, tls.cert, tls.cert_file), _read(web, key, tls.key, tls.key_file))
    if b"-----BEGIN CERTIFICATE-----" not in found.certificate:
        raise web.fault(cert, "has no certificate in PEM format; write it from -----BEGIN CERTIFICATE----- on")
    if b"PRIVATE KEY-----" not in found.key:
        raise web.fault(key, "has no private key in PEM format; write it from -----BEGIN PRIVATE KEY----- on")
    try:
        _use(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), found)
    except _Encrypted:
        raise web.fault(key, "is encrypted; write it without a passphrase, for example with openssl pkey") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise web.fault(key, "does not belong to the certificate; use the key that it was made with") from None
        raise web.fault(cert, f"is damaged, or its key is ({_reason(error)}); copy both again") from None
    return found


def authority(web: WebFile, tls: TlsServer) -> str | None:
    """Read the CA of the clients. Raises `ConfigError` if it cannot be read or has no certificate; None without one."""
    if not (tls.client_ca or tls.client_ca_file):
        return None
    key = "client_ca" if tls.client_ca else "client_ca_file"
    text = _read(web, key, tls.client_ca, tls.client_ca_file).decode("ascii", "replace")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise web.fault(key, f"has no usable certificate in PEM format ({_reason(error)}); write the CA") from None
    return text


def context(web: WebFile, tls: TlsServer, pair: Pair, authority: str | None) -> ssl.SSLContext:
    """The context for connections of clients. Raises `ConfigError` for what this OpenSSL does not have."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _use(made, pair)
    made.set_alpn_protocols(["http/1.1"])
    made.minimum_version, made.maximum_version = _VERSIONS[tls.min_version], _VERSIONS[tls.max_version]
    _negotiate(made, web, tls)
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if authority is not None:
        made.load_verify_locations(cadata=authority)
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as in Go, the CA of the file need not be a root
    made.verify_mode = _CLIENTS[tls.client_auth_type]
    return made


def _negotiate(made: ssl.SSLContext, web: WebFile, tls: TlsServer) -> None:
    try:
        if suites := [SUITES[name] for name in tls.cipher_suites if name in SUITES]:
            made.set_ciphers(":".join(suites))
        elif tls.cipher_suites:
            made.minimum_version = ssl.TLSVersion.TLSv1_3  # the file has no suite for TLS 1.2
    except ssl.SSLError:
        raise web.fault("cipher_suites", "has no suite that OpenSSL has here; remove the key") from None
    try:
        for name in tls.curve_preferences:
            made.set_ecdh_curve(CURVES[name])
    except (ssl.SSLError, ValueError):
        raise web.fault("curve_preferences", "has a curve that OpenSSL does not have here; remove the key") from None


def _read(web: WebFile, key: str, text: SecretText | None, path: Path | None) -> bytes:
    if text is not None:
        return text.get_secret_value().encode()
    assert path is not None  # noqa: S101 - the settings have one of the two
    try:
        raw = reading.read(path, MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise web.fault(key, f"names a file that cannot be read ({reason}); name a file in PEM format") from None
    if len(raw) > MAX_BYTES:
        raise web.fault(key, f"names a file larger than {MAX_BYTES >> 20} MiB; name a file in PEM format")
    return raw


def _use(made: ssl.SSLContext, pair: Pair) -> None:
    # `ssl` reads these two only from named files. Files in memory have the bytes that were checked, and reach no disk.
    with _in_memory(pair.certificate) as certificate, _in_memory(pair.key) as key:
        made.load_cert_chain(certificate, key, password=_no_passphrase)


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """The name of a file that is on no disk: https://man7.org/linux/man-pages/man2/memfd_create.2.html"""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _no_passphrase() -> str:
    raise _Encrypted  # otherwise OpenSSL would ask for the passphrase on the terminal


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or "no valid PEM"
    return str(reason).replace("_", " ")
