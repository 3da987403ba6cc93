"""Certificates and keys for tests, and clients of TLS that use them."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


def write_pair(folder: Path, name: str, pair: trustme.LeafCert) -> None:
    (folder / f"{name}.crt").write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
    (folder / f"{name}.key").write_bytes(pair.private_key_pem.bytes())


def make(folder: Path) -> None:
    """Write a CA, pairs for the server and for clients, and files that nothing can use."""
    ca, alone = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.crt")
    trustme.CA().cert_pem.write_to_path(folder / "other-ca.crt")
    for name, identities in {
        "server": ["localhost", "127.0.0.1"],
        "other": ["localhost", "127.0.0.1", "::1"],
        "client": ["prometheus.example", "2001:db8::1"],
    }.items():
        write_pair(folder, name, ca.issue_cert(*identities))
    alone.cert_pem.write_to_path(folder / "self-signed.crt")
    alone.private_key_pem.write_to_path(folder / "self-signed.key")
    key = load_pem_private_key((folder / "server.key").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (folder / "encrypted.key").write_bytes(encrypted)
    (folder / "damaged.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def client_context(folder: Path, certificate: str | None = None) -> ssl.SSLContext:
    """A client that trusts the CA, with this certificate of its own."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if certificate is not None:
        context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
    return context
