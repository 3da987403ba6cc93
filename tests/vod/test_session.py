"""TLS with private CAs, against real servers: each variable of docs/network.md is honoured."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.vod.transport import Http
from tests.vod.behaviours import failure, post

Start = Callable[..., Any]
Make = Callable[..., bytes]


@pytest.fixture
def bundle(authority: trustme.CA, bare_environment: Path) -> Path:
    """A file with the certificate of `authority`."""
    path = bare_environment / "private-ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_file_with_a_private_ca_is_trusted(
    variable: str, bundle: Path, http_: Http, wire: Start, tls: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire(answer(), tls())
    error = failure(http_, server.url)
    assert error.code == "tls"
    assert "TLS with 127.0.0.1 failed: unable to get local issuer certificate; check the endpoint and the CA" in str(
        error
    )
    monkeypatch.setenv(variable, str(bundle))
    assert post(http_, server.url).content == b"{}"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_folder_with_a_private_ca_is_trusted(
    variable: str,
    bundle: Path,
    http_: Http,
    wire: Start,
    tls: Start,
    answer: Make,
    monkeypatch: pytest.MonkeyPatch,
    tool: Callable[[str], str],
) -> None:
    subprocess.run([tool("openssl"), "rehash", str(bundle.parent)], check=True)
    server = wire(answer(), tls())
    monkeypatch.setenv(variable, str(bundle.parent))
    assert post(http_, server.url).content == b"{}"


def test_file_and_folder_of_openssl_are_both_trusted(
    bundle: Path,
    http_: Http,
    wire: Start,
    tls: Start,
    answer: Make,
    monkeypatch: pytest.MonkeyPatch,
    tool: Callable[[str], str],
) -> None:
    other = bundle.parent / "other" / "ca.pem"
    other.parent.mkdir()
    trustme.CA().cert_pem.write_to_path(str(other))
    subprocess.run([tool("openssl"), "rehash", str(bundle.parent)], check=True)
    server = wire(answer(), tls())
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert failure(http_, server.url).code == "tls"
    monkeypatch.setenv("SSL_CERT_DIR", str(bundle.parent))
    assert post(http_, server.url).content == b"{}"


@pytest.mark.parametrize("name", ["vod.example", "127.0.0.2"])
def test_the_host_name_of_the_certificate_is_checked(
    name: str, bundle: Path, http_: Http, wire: Start, tls: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    server = wire(answer(), tls(name))
    error = failure(http_, server.url)
    assert error.code == "tls"
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in str(error)
    assert server.heads == []


def test_a_server_without_tls_is_an_error_that_says_so(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(b"", greeting=answer(b"", status="400 Bad Request"))
    error = failure(http_, server.url.replace("http://", "https://"))
    assert error.code == "tls"
    assert "TLS with 127.0.0.1 failed: " in str(error)
