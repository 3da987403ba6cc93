"""The TLS context that a file makes: what clients may negotiate, and which of them are let in."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from exporter.websecurity.current import WebConfig
from exporter.websecurity.sans import allowed
from tests.certificates import client_context
from tests.websecurity.conftest import DATA, TLS, handshake, write


def context(folder: Path, name: str) -> ssl.SSLContext:
    """The context of a file of `tests/data/websecurity`."""
    made = WebConfig(Path(shutil.copy(DATA / f"{name}.good.yml", folder))).check().context
    assert made is not None
    return made


def old_client(folder: Path, *suites: str, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    client = client_context(folder)
    client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    client.maximum_version = newest
    client.set_ciphers(":".join(suites or ("ALL",)) + ":@SECLEVEL=0")
    return client


SUITE_128, SUITE_256 = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_a_client_of_tls_13_and_of_tls_12_is_let_in(folder: Path) -> None:
    ours, _ = handshake(context(folder, "tls"), client_context(folder))
    assert ours.version() == "TLSv1.3"
    ours, _ = handshake(context(folder, "tls"), old_client(folder))
    assert ours.version() == "TLSv1.2"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_client_of_tls_11_is_refused(folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match=r"UNSUPPORTED_PROTOCOL|VERSION|NO_PROTOCOLS"):
        handshake(context(folder, "tls"), old_client(folder, newest=ssl.TLSVersion.TLSv1_1))


def test_http_11_is_agreed_on_also_with_a_client_that_prefers_http_2(folder: Path) -> None:
    client = client_context(folder)
    client.set_alpn_protocols(["h2", "http/1.1"])
    ours, theirs = handshake(context(folder, "tls"), client)
    assert (ours.selected_alpn_protocol(), theirs.selected_alpn_protocol()) == ("http/1.1", "http/1.1")


@pytest.mark.parametrize("name", ["ciphers_all", "ciphers_some", "ciphers_without_http2"])
def test_a_suite_that_both_have_is_used(folder: Path, name: str) -> None:
    ours, _ = handshake(context(folder, name), old_client(folder, SUITE_256))
    assert (ours.cipher() or ("",))[0] == SUITE_256


def test_without_a_common_suite_there_is_no_connection(folder: Path) -> None:
    with pytest.raises(ssl.SSLError, match=r"NO_SHARED_CIPHER|HANDSHAKE_FAILURE"):
        handshake(context(folder, "ciphers_some"), old_client(folder, "ECDHE-ECDSA-AES256-SHA"))


@pytest.mark.parametrize(
    ("name", "first", "chosen"),
    [
        ("ciphers_some", (SUITE_256, SUITE_128), SUITE_128),
        ("ciphers_some_client_chooses", (SUITE_128, SUITE_256), SUITE_128),
    ],
)
def test_the_server_chooses_the_suite_unless_the_file_leaves_it_to_the_client(
    folder: Path, name: str, first: tuple[str, str], chosen: str
) -> None:
    ours, _ = handshake(context(folder, name), old_client(folder, *first))
    assert (ours.cipher() or ("",))[0] == chosen


def test_suites_of_tls_13_alone_turn_tls_12_off(folder: Path) -> None:
    server = context(folder, "ciphers_tls13_only")
    assert handshake(server, client_context(folder))[0].version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(server, old_client(folder))


def test_only_the_curve_of_the_file_is_used(folder: Path) -> None:
    client = client_context(folder)
    client.set_ecdh_curve("secp521r1")
    handshake(context(folder, "curve"), client)
    client.set_ecdh_curve("secp384r1")
    with pytest.raises(ssl.SSLError):
        handshake(context(folder, "curve"), client)


def test_a_certificate_and_key_inside_the_file_are_used_and_reach_no_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inline(name: str) -> str:
        return "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    text = f"tls_server_config:\n  cert: |\n{inline('server.crt')}  key: |\n{inline('server.key')}"
    path = write(folder, text + f"  client_auth_type: RequireAndVerifyClientCert\n  client_ca: |\n{inline('ca.crt')}")
    names: list[str] = []
    load = ssl.SSLContext.load_cert_chain

    def noted(made: ssl.SSLContext, certificate: str, key: str, **options: object) -> None:
        names.extend((certificate, key))
        load(made, certificate, key, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(ssl.SSLContext, "load_cert_chain", noted)
        security = WebConfig(path).check()
    assert names
    assert all(name.startswith("/proc/self/fd/") for name in names)
    assert security.context is not None
    handshake(security.context, client_context(folder, "client"))


def test_a_client_needs_a_certificate_of_the_ca(folder: Path) -> None:
    server = context(folder, "clients")
    ours, _ = handshake(server, client_context(folder, "client"))
    assert allowed(ours.getpeercert(), ["prometheus.example"])
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        handshake(server, client_context(folder))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(server, client_context(folder, "self-signed"))


def test_a_certificate_that_signs_itself_can_be_the_ca(folder: Path) -> None:
    handshake(context(folder, "clients_self_signed"), client_context(folder, "self-signed"))


def test_if_given_admits_no_certificate_and_refuses_a_wrong_one(folder: Path) -> None:
    server = context(folder, "tls_verify_if_given")
    assert handshake(server, client_context(folder))[0].getpeercert() is None
    handshake(server, client_context(folder, "client"))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(server, client_context(folder, "self-signed"))


def test_an_address_in_a_real_certificate_is_an_allowed_name(folder: Path) -> None:
    ours, _ = handshake(context(folder, "clients_of_names"), client_context(folder, "client"))
    assert allowed(ours.getpeercert(), ["2001:db8::1"])
    assert not allowed(ours.getpeercert(), ["2001:db8::2"])


def test_a_file_without_ca_asks_for_no_certificate(folder: Path) -> None:
    made = WebConfig(write(folder, TLS)).check().context
    assert made is not None
    assert made.verify_mode is ssl.CERT_NONE
