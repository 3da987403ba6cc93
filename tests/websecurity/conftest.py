"""Certificates, keys and web configuration files for tests."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

DATA = Path(__file__).parents[1] / "data" / "websecurity"
TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def write_pair(folder: Path, name: str, pair: trustme.LeafCert) -> None:
    (folder / f"{name}.crt").write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
    (folder / f"{name}.key").write_bytes(pair.private_key_pem.bytes())


@pytest.fixture(scope="session")
def made_certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA, pairs for the server and for clients, and files that nothing can use."""
    folder = tmp_path_factory.mktemp("certificates")
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
    return folder


@pytest.fixture
def folder(made_certificates: Path, tmp_path: Path) -> Path:
    """An own copy of the certificates, for web configuration files beside them."""
    shutil.copytree(made_certificates, tmp_path, dirs_exist_ok=True)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def client_context(folder: Path, certificate: str | None = None) -> ssl.SSLContext:
    """A client that trusts the CA, with this certificate of its own."""
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    if certificate is not None:
        context.load_cert_chain(folder / f"{certificate}.crt", folder / f"{certificate}.key")
    return context


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """The two ends after a handshake in memory. Raises `SSLError` of the end that refuses it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    done = {ours: False, theirs: False}
    while not all(done.values()):
        for end in (theirs, ours):
            try:
                end.do_handshake()
                done[end] = True
            except ssl.SSLWantReadError:
                done[end] = False
    return ours, theirs
