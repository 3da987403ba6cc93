"""Which proxy a request takes, and which CAs it trusts, by the variables of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import ConnectionFailed
from exporter.vod import route

pytestmark = pytest.mark.usefixtures("bare_environment")

URL = "https://vod-vpc.cn-shanghai.aliyuncs.test"
PROXY = "http://user:hush-proxy@proxy.test:3128"
WORDS = st.lists(
    st.sampled_from([*"~.:/@?#[],*%", "http", "socks5", "10.0.0.0", "8", "aliyuncs.test"]), max_size=12
).map("".join)


def refused(url: str = URL) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as caught:
        route.find(url)
    return caught.value


def test_without_variables_the_route_is_direct_and_trusts_the_cas_of_requests() -> None:
    assert route.find(URL) == route.Route("vod-vpc.cn-shanghai.aliyuncs.test")


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        *(("HTTPS_PROXY", URL), ("https_proxy", URL), ("ALL_PROXY", URL)),
        *(("HTTP_PROXY", "http://vod.test"), ("http_proxy", "http://vod.test"), ("all_proxy", "http://vod.test")),
    ],
)
def test_each_variable_of_a_proxy_is_read(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, PROXY)
    found = route.find(url)
    assert found.proxies == {url.partition(":")[0]: PROXY}
    assert str(found) == f"{found.host} through the proxy proxy.test:3128"
    assert "hush-proxy" not in f"{found!r} {found}"


def test_http_and_https_have_proxies_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert not route.find(URL).proxies


@pytest.mark.parametrize("value", ["HTTP://user:a%2Fb@proxy.test:3128", "https://user:a@b@proxy.test:3128/"])
def test_a_proxy_may_have_a_password(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert route.find(URL).proxy == "proxy.test:3128"


def test_a_proxy_without_a_scheme_is_an_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.test:3128")
    assert route.find(URL).proxies == {"https": "http://proxy.test:3128"}


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("entries", "url"),
    [
        *(("*.aliyuncs.test", URL), (".aliyuncs.test", URL), ("aliyuncs.test", URL), ("*", URL)),
        *(("10.0.0.0/8, *.aliyuncs.test", URL), ("VOD-VPC.CN-SHANGHAI.ALIYUNCS.TEST", URL)),
        *(("vod-vpc.cn-shanghai.aliyuncs.test:443", URL), ("a.test,*", URL)),
        *(("10.0.0.0/8", "http://10.1.2.3:8080"), ("10.1.2.3", "http://10.1.2.3"), ("fd00::/8", "http://[fd00::1]")),
        *(("::1", "http://[::1]:8080"), ("[::1]", "http://[::1]:8080"), ("a.test:80", "http://a.test")),
    ],
)
def test_an_entry_of_no_proxy_that_has_the_host_keeps_it_direct(
    variable: str, entries: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv(variable, entries)
    assert route.find(url).proxies == {}


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        *(("", URL), ("*.aliyuncs.example", URL), ("iyuncs.test", URL), ("*.iyuncs.test", URL)),
        *(("vod-vpc.cn-shanghai.aliyuncs.test:80", URL), ("10.0.0.0/8", "http://11.1.2.3"), ("10.0.0.0/8", URL)),
    ],
)
def test_any_other_entry_of_no_proxy_does_not(entries: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", entries)
    assert route.find(url).proxies


def test_the_metadata_service_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy would answer with the role of its own machine, or not at all."""
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert not route.find(f"http://{route.METADATA_HOST}/latest/meta-data/").proxies


@pytest.mark.parametrize("value", ["socks5://proxy.test:1080", "SOCKS5H://proxy.test", "socks4://u:hush-proxy@p:1"])
def test_socks_is_refused_by_name(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    assert refused().code == "proxy"
    assert str(refused()) == (
        "ALL_PROXY names a SOCKS proxy, which is not supported; use an HTTP proxy, or add "
        "vod-vpc.cn-shanghai.aliyuncs.test to NO_PROXY"
    )


@pytest.mark.parametrize(
    "value", ["gopher://hush-proxy", "http://", "http://[hush-proxy", "http://:x:", "http://p:99999"]
)
def test_a_proxy_that_is_no_url_is_refused_and_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert (refused().code, str(refused())[:18]) == ("proxy", "HTTPS_PROXY is not")
    assert "hush-proxy" not in str(refused())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(proxy=WORDS, no_proxy=WORDS, url=st.sampled_from([URL, "http://10.1.2.3:8080", "http://[::1]"]))
def test_any_value_gives_a_route_or_an_error_without_the_value(proxy: str, no_proxy: str, url: str) -> None:
    """No other exception ends a call, and no part of a value with a password is in a message."""
    said = ""
    with patch.dict(os.environ, {"ALL_PROXY": proxy.replace("~", "hush"), "NO_PROXY": no_proxy}):
        try:
            route.find(url)
        except ConnectionFailed as error:
            said = f"{error.code} {error}"
    assert "hush" not in said
    assert said.startswith("proxy ") or not said


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "private-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize(
    ("variable", "verify"),
    [("REQUESTS_CA_BUNDLE", None), ("CURL_CA_BUNDLE", None), ("SSL_CERT_FILE", route.OPENSSL)],
)
def test_each_variable_of_a_ca_file_is_read(
    variable: str, verify: str | None, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(bundle))
    assert route.find(URL).verify == (verify or str(bundle))
    assert route.find("http://vod.test").verify is True


def test_the_bundle_of_requests_takes_precedence(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    assert route.find(URL).verify == str(bundle)


def test_certificates_that_hang_are_an_error(
    bundle: Path, hanging_files: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, path in (("SSL_CERT_DIR", bundle.parent), ("REQUESTS_CA_BUNDLE", bundle)):
        monkeypatch.setenv(variable, str(path))
        hanging_files.add(str(path))
        reason = f"{variable} names {path} (its disk or pipe does not answer)"
        assert str(refused()) == f"no CA certificates: {reason}; correct it"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_missing_ca_file_is_named_with_its_variable(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path starts at the working folder, so the whole path is shown. OpenSSL would ignore a missing file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "ca.pem")
    assert refused().code == "tls"
    reason = f"{variable} names {tmp_path}/ca.pem (No such file or directory)"
    assert str(refused()) == f"no CA certificates: {reason}; correct it"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"])
def test_a_ca_folder_needs_the_names_that_openssl_looks_for(
    variable: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(bundle.parent))
    assert refused().code == "tls"
    assert f"{variable} names {bundle.parent}" in str(refused())
    assert "openssl rehash" in str(refused())
    (bundle.parent / "0a1b2c3d.0").symlink_to(bundle)
    assert route.find(URL).verify == (str(bundle.parent) if variable == "REQUESTS_CA_BUNDLE" else route.OPENSSL)


def test_one_good_folder_among_several_is_enough(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bundle.parent / "0a1b2c3d.0").symlink_to(bundle)
    monkeypatch.setenv("SSL_CERT_DIR", f"/missing{os.pathsep}{bundle.parent}")
    assert route.find(URL).verify == route.OPENSSL


@pytest.mark.parametrize("url", ["http://[::1", "http://h:port", "nonsense"])
def test_an_invalid_url_is_left_to_requests(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert route.find(url).proxies == {}
