"""HTTP proxies: tunnels, errors and deadlines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from exporter.errors import ConnectionFailed, DeadlineError
from exporter.vod.transport import Http
from tests.vod.behaviours import (
    SHORT,
    SOON,
    close,
    dripped_body,
    dripped_head,
    dripped_headers,
    failure,
    hang,
    post,
    slow_tunnel,
    tunnel,
)

pytestmark = pytest.mark.usefixtures("bare_environment")

Start = Callable[..., Any]
Make = Callable[..., bytes]


@pytest.mark.usefixtures("trusted")
def test_https_proxy_is_honoured(http_: Http, wire: Start, tls: Start, answer: Make, behind: Start) -> None:
    """TLS reaches the endpoint and is verified; the proxy sees only the host name and its own password."""
    server, proxy = wire(answer(), tls()), behind(tunnel)
    assert [post(http_, server.url).content for _ in range(2)] == [b"{}"] * 2
    assert (proxy.connections, server.connections) == (1, 1)
    assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())
    assert b"Proxy-Authorization: Basic" in proxy.heads[0]
    assert b"canary" not in proxy.heads[0]
    assert b"Proxy-Authorization" not in server.heads[0]


def test_tls_is_verified_through_a_proxy(http_: Http, wire: Start, tls: Start, answer: Make, behind: Start) -> None:
    server, proxy = wire(answer(), tls()), behind(tunnel)
    error = failure(http_, server.url)
    assert error.code == "tls"
    assert f"TLS with 127.0.0.1 through the proxy 127.0.0.1:{proxy.port} failed: unable to get local issuer" in str(
        error
    )
    assert server.heads == []


@pytest.mark.usefixtures("trusted")
def test_the_environment_is_read_once_and_again_after_a_failure(
    http_: Http, wire: Start, tls: Start, answer: Make, behind: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it took a tenth of the time of a call."""
    server, proxy = wire(answer(), tls()), behind(tunnel)
    post(http_, server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    post(http_, server.url)
    assert (proxy.connections, server.connections) == (1, 1)
    assert failure(http_, server.url, 0).code == "timeout"
    post(http_, server.url)
    assert (proxy.connections, server.connections) == (1, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("slowly", [dripped_body, dripped_head, hang])
def test_the_deadline_holds_through_a_proxy(http_: Http, wire: Start, tls: Start, behind: Start, slowly: Any) -> None:
    server, _ = wire(slowly, tls()), behind(tunnel)
    started = time.monotonic()
    assert failure(http_, server.url, SHORT).code == "timeout"
    assert time.monotonic() - started < SOON


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slowly", "seconds"), [(hang, SHORT), (dripped_head, SHORT), (dripped_headers, SHORT), (slow_tunnel, 4.0)]
)
def test_the_deadline_holds_against_a_slow_proxy(http_: Http, behind: Start, slowly: Any, seconds: float) -> None:
    """Connecting to the proxy, its answer and TLS share the same deadline."""
    behind(slowly)
    started = time.monotonic()
    error = failure(http_, "https://vod.example", seconds)
    assert time.monotonic() - started < seconds + 2.8  # with a deadline of its own, TLS ends 3.1 s after the other
    assert isinstance(error, (DeadlineError, ConnectionFailed))
    assert error.code in ("timeout", "proxy")


def test_a_proxy_that_refuses_to_connect_is_an_error(http_: Http, behind: Start, answer: Make) -> None:
    """The status of the proxy is not the status of VOD."""
    proxy = behind(answer(b"", status="407 Proxy Authentication Required"))
    error = failure(http_, "https://vod.example")
    assert (type(error), error.code) == (ConnectionFailed, "proxy")
    assert f"the proxy 127.0.0.1:{proxy.port} cannot be used: it answered 407; check HTTPS_PROXY" in str(error)
    assert len(proxy.heads) == 1


def test_a_proxy_that_closes_the_connection_is_an_error(http_: Http, behind: Start) -> None:
    proxy = behind(close)
    error = failure(http_, "https://vod.example")
    assert (type(error), error.code) == (ConnectionFailed, "proxy")
    assert len(proxy.heads) == 1


def test_a_proxy_that_does_not_listen_is_an_error(
    http_: Http, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    error = failure(http_, "https://vod.example")
    assert error.code == "proxy"
    assert "cannot be used: Connection refused" in str(error)


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "SOCKS5h://127.0.0.1:1", "gopher://127.0.0.1:1", "http://"])
def test_a_socks_proxy_is_refused_and_not_bypassed(
    http_: Http, wire: Start, tls: Start, answer: Make, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = wire(answer(), tls())
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert failure(http_, server.url).code == "proxy"
    assert server.connections == 0


@pytest.mark.parametrize("value", ["http://[", "http://a..b:1", "http://:x:"])
def test_a_proxy_url_that_is_invalid_is_an_error(http_: Http, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    error = failure(http_, "https://vod.example")
    assert error.code in ("url", "proxy")
    assert "HTTPS_PROXY" in str(error)


@pytest.mark.usefixtures("no_dns")
def test_a_proxy_that_does_not_resolve_is_an_error(http_: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    error = failure(http_, "https://vod.example")
    assert error.code == "proxy"
    assert "the proxy proxy.invalid:3128 cannot be used: its host name does not resolve" in str(error)


@pytest.mark.usefixtures("trusted", "no_dns")
@pytest.mark.parametrize("entries", ["*.example", "*", "vod.example"])
def test_a_host_in_no_proxy_is_not_asked_for_at_the_proxy(
    http_: Http, behind: Start, entries: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`*.domain` is how Go programs such as Prometheus write it. The name does not resolve, so the call fails."""
    proxy = behind(tunnel)
    monkeypatch.setenv("NO_PROXY", entries)
    assert failure(http_, "https://vod.example").code == "dns"
    assert proxy.connections == 0


def test_a_proxys_password_is_in_no_log_or_error(
    http_: Http, behind: Start, answer: Make, rendered: Callable[[BaseException], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    behind(answer(b"", status="403 Forbidden"))
    assert "hush-proxy" not in rendered(failure(http_, "https://vod.example")) + caplog.text
