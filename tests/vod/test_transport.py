"""HTTP against scripted servers: requests, broken answers, redirects, and that nothing sent is shown."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.errors import ConnectionFailed, CredentialsError, DeadlineError, MalformedResponse
from exporter.vod.transport import Http
from tests.vod.behaviours import (
    SHORT,
    close,
    dripped_body,
    endless,
    failure,
    hang,
    missing_last_chunk,
    post,
    reset,
    truncated,
    truncated_chunk,
)

pytestmark = pytest.mark.usefixtures("bare_environment")

Start = Callable[..., Any]
Make = Callable[..., bytes]


def test_the_request_is_a_post_without_a_body(http_: Http, wire: Start, answer: Make) -> None:
    """Some servers refuse a POST without `Content-Length: 0`. No signed header is changed before it is sent."""
    server = wire(answer(b"[]"))
    assert post(http_, server.url).content == b"[]"
    lines = server.heads[0].decode().lower().split("\r\n")
    assert lines[0] == "post /?a=1 http/1.1"
    assert "content-length: 0" in lines
    assert [line for line in lines if line.startswith("host:")] == ["host: vod.example"]
    assert "authorization: acs3-hmac-sha256 canary" in lines


def test_the_endpoint_is_prepared_once_for_all_calls(
    http_: Http, wire: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preparing each request anew took a fifth of the time of a call."""
    server, prepared = wire(answer()), list[str]()
    prepare_url = requests.PreparedRequest.prepare_url

    def noted(request: requests.PreparedRequest, url: str, parameters: Any) -> None:
        prepared.append(url)
        prepare_url(request, url, parameters)

    monkeypatch.setattr(requests.PreparedRequest, "prepare_url", noted)
    for number in range(3):
        post(http_, server.url, nonce=str(number))
    assert prepared == [f"{server.url}/"]
    assert [f"nonce: {number}".encode() in head for number, head in enumerate(server.heads)] == [True] * 3


def test_a_netrc_does_not_overwrite_the_signature(
    http_: Http, wire: Start, answer: Make, bare_environment: Path
) -> None:
    netrc = bare_environment / ".netrc"
    netrc.write_text("default login someone password hush\nmachine 127.0.0.1 login someone password hush\n")
    netrc.chmod(0o600)
    server = wire(answer())
    post(http_, server.url)
    assert b"\r\nauthorization: ACS3-HMAC-SHA256 canary\r\n" in server.heads[0]
    assert b"Basic" not in server.heads[0]


def test_no_cookie_is_kept(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"{}", "Set-Cookie: a=1; Path=/"))
    post(http_, server.url)
    post(http_, server.url)
    assert b"cookie" not in server.heads[1].lower()


def test_after_the_deadline_nothing_is_sent(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer())
    assert isinstance(failure(http_, server.url, 0), DeadlineError)
    assert server.heads == []


@pytest.mark.usefixtures("no_dns")
def test_a_host_name_that_does_not_resolve_is_an_error(http_: Http) -> None:
    error = failure(http_, "http://vod.nowhere.example")
    assert (type(error), error.code) == (ConnectionFailed, "dns")
    assert str(error) == (
        "GetTranscodeTask: the host name vod.nowhere.example does not resolve; check region, endpoint and DNS"
    )


def test_a_refused_connection_is_an_error(http_: Http, closed_port: int) -> None:
    error = failure(http_, f"http://127.0.0.1:{closed_port}")
    assert (type(error), error.code) == (ConnectionFailed, "connect")
    assert str(error).endswith("no connection to 127.0.0.1: Connection refused; check endpoint and firewall")


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 70 + ".b", "http://[::1", "ftp://vod.example"])
def test_an_invalid_endpoint_is_an_error(http_: Http, url: str) -> None:
    """The error must not name the keys as the cause."""
    error = failure(http_, url)
    assert (type(error), error.code) == (ConnectionFailed, "url")


@pytest.mark.parametrize("breaks", [close, reset, truncated, truncated_chunk, missing_last_chunk])
def test_a_broken_connection_is_an_error(http_: Http, wire: Start, breaks: Any) -> None:
    """An incomplete answer is never used, and neither `requests` nor `urllib3` retries by itself."""
    server = wire(breaks)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (ConnectionFailed, "reset")
    assert (server.connections, len(server.heads)) == (1, 1)


def test_urllib3_does_not_retry_after_a_503(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"", "Retry-After: 0", status="503 Busy"))
    assert post(http_, server.url).status == 503
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
    ],
    ids=["banner", "no status", "long header", "many headers", "two lengths"],
)
def test_an_answer_that_is_not_http_is_malformed(http_: Http, wire: Start, garbage: bytes) -> None:
    server = wire(garbage)
    error = failure(http_, server.url)
    assert (type(error), error.code) == (MalformedResponse, "not_http")


def test_an_answer_longer_than_its_content_length_is_cut(http_: Http, wire: Start, answer: Make) -> None:
    server = wire(answer(b"{}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong", length=2))
    assert [post(http_, server.url).content for _ in range(3)] == [b"{}"] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(http_: Http, wire: Start, answer: Make, status: int) -> None:
    """Otherwise a server in between could make the exporter call the metadata service of its machine."""
    metadata = wire(answer(b"role credentials"))
    server = wire(answer(b"", f"Location: {metadata.url}/latest/meta-data/", status=f"{status} Elsewhere"))
    assert post(http_, server.url).status == status
    assert (len(server.heads), metadata.connections) == (1, 0)


def test_the_body_of_a_redirect_is_not_read_without_a_bound(
    http_: Http, wire: Start, answer: Make, bomb: bytes
) -> None:
    """`requests` reads and unpacks the whole body even if redirects are not allowed."""
    server = wire(answer(bomb, "Content-Encoding: gzip", "Location: /", status="302 Found"))
    assert failure(http_, server.url).code == "too_large"


@pytest.mark.parametrize("location", ["http://[", "//", "http://\xe9/", ""])
def test_a_malformed_location_header_is_ignored(http_: Http, wire: Start, answer: Make, location: str) -> None:
    server = wire(answer(b"", f"Location: {location}", status="302 Found"))
    assert post(http_, server.url).status == 302


@pytest.mark.parametrize("value", ["canary\n", "canary\r\nx: y", " canary", "canary密", "canary\udcff"])
def test_a_header_that_cannot_be_sent_is_not_shown(
    http_: Http, wire: Start, answer: Make, rendered: Callable[[BaseException], str], value: str
) -> None:
    server = wire(answer())
    error = failure(http_, server.url, authorization=value)
    assert (type(error), error.code) == (CredentialsError, "keys")
    assert "canary" not in rendered(error)
    assert server.heads == []


@pytest.mark.parametrize("does", [close, reset, truncated, hang, endless, dripped_body])
def test_nothing_that_was_sent_is_in_a_log_or_error(
    http_: Http, wire: Start, rendered: Callable[[BaseException], str], caplog: pytest.LogCaptureFixture, does: Any
) -> None:
    """faults 34: this includes every log level, also of `urllib3`."""
    caplog.set_level(logging.DEBUG)
    server = wire(does)
    error = failure(http_, server.url, SHORT)
    shown = rendered(error) + caplog.text
    assert "urllib3" in caplog.text
    assert "canary" not in shown
    assert error.__context__ is None
