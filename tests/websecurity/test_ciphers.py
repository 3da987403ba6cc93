"""Go's names of cipher suites and curves mean the same in OpenSSL."""

from __future__ import annotations

import ssl

import pytest

from exporter.websecurity.ciphers import CURVES, SUITES, SUITES_13


def test_openssl_has_each_suite_under_the_name_of_the_table() -> None:
    for name in SUITES:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers(SUITES[name])
        (suite,) = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
        assert suite["name"] == SUITES[name]
        exchange, authentication, encryption = _parts(name)
        assert suite["description"].split()[2:4] == [f"Kx={exchange}", f"Au={authentication}"], name
        assert encryption in suite["description"].replace("/POLY1305", "").replace("(", "").replace(")", ""), name


def _parts(name: str) -> tuple[str, str, str]:
    """The parts of Go's name in the words of OpenSSL's description."""
    _, exchange, authentication, _, cipher, *rest = name.split("_")
    size = "256" if cipher == "CHACHA20" else rest[0]
    return exchange.replace("ECDHE", "ECDH"), authentication, f"{cipher}{'GCM' if 'GCM' in rest else ''}{size}"


def test_the_suites_of_tls_13_are_always_on() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    assert set(SUITES_13) <= {cipher["name"] for cipher in context.get_ciphers()}


@pytest.mark.parametrize("name", CURVES.values())
def test_python_takes_each_curve(name: str) -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).set_ecdh_curve(name)
