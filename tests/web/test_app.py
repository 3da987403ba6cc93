"""The HTTP interface on real sockets: routes, methods and refusals."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import requests

from exporter.command import logs
from exporter.web import sharing
from exporter.web.app import MAX_HEADERS
from tests.web.conftest import FakeScraper, Gate, Served, ServeInterface, up

SCRAPED = ("/metrics", "/probe?account=prod")
ROUTES = (*SCRAPED, "/", "/sd", "/-/healthy", "/-/ready", "/api/v1/openapi.json")
NOWHERE = (
    *("/-/reload/", "/probe/", "/probe/prod", "/sd/"),
    *("/debug", "/metrics/", "//metrics", "/callback", "/callback/", "/callback/a/b"),
)


@pytest.fixture
def scraper() -> FakeScraper:
    return FakeScraper(up("prod"))


@pytest.fixture
def exporter(serve_interface: ServeInterface, scraper: FakeScraper) -> Served:
    return serve_interface(scraper)


def rejected(exporter: Served, **labels: str) -> float:
    """The value of the counter of refused requests with these labels."""
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    prefix = f"vod_exporter_rejected_requests_total{{{wanted}}} "
    text = requests.get(f"{exporter.url}/metrics", timeout=10).text
    return next((float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix)), 0.0)


@pytest.mark.parametrize("path", ROUTES)
def test_head_answers_as_get_without_a_body(exporter: Served, path: str) -> None:
    got = requests.get(exporter.url + path, timeout=10)
    head = exporter.talk(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    first, _, body = head.partition("\r\n\r\n")
    assert got.status_code == 200
    assert got.content
    assert first.startswith("HTTP/1.1 200 OK\r\n")
    assert f"content-type: {got.headers['Content-Type']}" in first
    assert body == ""


def test_other_methods_get_405_with_allow(exporter: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        for path in ROUTES:
            answer = requests.request(method, exporter.url + path, timeout=10)
            assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
            assert "GET, HEAD" in answer.text


def test_unknown_paths_get_404_with_the_paths_to_use(exporter: Served) -> None:
    """No other spelling of a path leads anywhere."""
    for method in ("GET", "POST"):
        for path in NOWHERE:
            # On a raw socket, because some versions of requests send `//metrics` as `/metrics`.
            answer = exporter.talk(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.startswith("HTTP/1.1 404 "), (method, path)
            assert "/metrics has the metrics" in answer


def test_api_and_callbacks_are_off_without_keys(exporter: Served) -> None:
    """Their clients are programs, so the refusals are JSON."""
    got = requests.get(f"{exporter.url}/api/v1/tasks", headers={"Authorization": "Bearer "}, timeout=10)
    assert (got.status_code, list(got.json())) == (403, ["error"])
    got = requests.post(f"{exporter.url}/callback/prod", json={}, timeout=10)
    assert (got.status_code, list(got.json())) == (403, ["error"])
    got = requests.post(f"{exporter.url}/callback/nobody", json={}, timeout=10)
    assert (got.status_code, got.json()) == (404, {"error": "no account has this name"})


def test_refusals_are_counted_by_route_and_reason(exporter: Served) -> None:
    """Paths that clients invent make no series."""
    for number in range(3):
        requests.get(f"{exporter.url}/invented/{number}", timeout=10)
    requests.post(f"{exporter.url}/metrics", timeout=10)
    assert rejected(exporter, path="other", reason="404") == 3
    assert rejected(exporter, path="/metrics", reason="405") == 1


def test_refusals_are_logged_with_client_and_reason(exporter: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        requests.get(f"{exporter.url}/probe?account=nobody&token=s3cret", timeout=10)
    (line,) = (vars(record) for record in caplog.records if record.name == "exporter.web.refusals")
    assert (line["client"], line["path"], line["status"]) == ("127.0.0.1", "/probe", 404)
    assert line["reason"] == "no account has this name; /sd lists the accounts"


def test_too_many_headers_are_refused_and_counted(exporter: Served) -> None:
    headers = {f"X-{number}": "1" for number in range(MAX_HEADERS)}
    answer = requests.get(f"{exporter.url}/metrics", headers=headers, timeout=10)
    assert answer.status_code == 431
    assert str(MAX_HEADERS) in answer.text
    assert rejected(exporter, path="/metrics", reason="431") == 1


@pytest.mark.parametrize("path", ["/metrics", "/probe?account=prod", "/-/healthy", "/"])
def test_a_forward_proxy_gets_the_same_answer(exporter: Served, path: str) -> None:
    """It passes the whole URL on, as `curl -x` sends it."""
    answer = exporter.talk(f"GET http://user@exporter:10870{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 ")


def test_a_client_of_http2_is_told_to_send_http1(exporter: Served, caplog: pytest.LogCaptureFixture) -> None:
    """Its preface has bytes after a request that are no HTTP/1.1. They make no log line."""
    answer = exporter.talk("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    assert answer.startswith("HTTP/1.1 505 ")
    assert answer.endswith("\r\n\r\nsend HTTP/1.1; the exporter has no HTTP/2\n")
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(exporter: Served) -> None:
    """A proxy that takes the other length would take the second request for a part of the first, or the reverse."""
    lengths = "Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    second = "GET /-/healthy HTTP/1.1\r\nHost: y\r\n\r\n"
    for path, method in product(("/api/v1/tasks", "/metrics", "/nowhere"), ("POST", "GET")):
        answer = exporter.talk(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lengths}{second}")
        assert answer.startswith("HTTP/1.1 400 ")
        assert answer.count("HTTP/1.1") == 1
        assert "both Content-Length and Transfer-Encoding" in answer
    assert rejected(exporter, path="/metrics", reason="400") == 2


def test_a_status_page_over_the_limit_gets_503_while_scrapes_are_answered(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "PAGES_AT_ONCE", 0)
    exporter = serve_interface(FakeScraper(up("prod")))
    answer = requests.get(exporter.url, timeout=10)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "status page" in answer.text
    assert rejected(exporter, path="/", reason="503") == 1


def test_a_status_page_waits_for_the_scrape_in_progress(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs the processor, and so does the scrape."""
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 60.0)
    gate = Gate()
    scraper = FakeScraper(up("prod"), during=gate.hold)
    exporter = serve_interface(scraper)
    with ThreadPoolExecutor(2) as pool:
        scrape = pool.submit(requests.get, f"{exporter.url}/metrics", timeout=30)
        gate.until(1)
        page = pool.submit(requests.get, exporter.url, timeout=30)
        for _ in range(10):
            assert requests.get(f"{exporter.url}/-/healthy", timeout=10).status_code == 200
        assert (page.done(), scraper.snapshots) == (False, 0)
        gate.open()
        assert (scrape.result().status_code, page.result().status_code) == (200, 200)


def test_many_clients_of_the_status_page_share_its_snapshot(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "SHARED_SECONDS", 60.0)
    scraper = FakeScraper(up("prod"))
    exporter = serve_interface(scraper)
    with ThreadPoolExecutor(12) as pool:
        pages = list(pool.map(lambda _: requests.get(exporter.url, timeout=30).text, range(48)))
    assert len(set(pages)) == 1
    assert scraper.snapshots == 1


def test_a_malformed_host_header_does_no_harm(exporter: Served) -> None:
    """Starlette makes a URL of it, which Python may refuse to parse."""
    for host, path in product(("[", "a b", "", "x\xff", "evil.example/@"), ("/metrics", "/nowhere", "/metrics/")):
        answer = exporter.talk(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert answer[9:12] in ("200", "400", "404")
        assert "evil.example" not in answer


def test_a_bug_is_logged_once_and_answered_without_details(
    serve_interface: ServeInterface, caplog: pytest.LogCaptureFixture
) -> None:
    def during() -> None:
        raise RuntimeError("the detail")

    exporter = serve_interface(FakeScraper(up("prod"), during=during))
    got = requests.get(f"{exporter.url}/metrics", timeout=10)
    assert (got.status_code, got.text) == (500, "Internal Server Error")
    assert requests.get(f"{exporter.url}/-/healthy", timeout=10).status_code == 200
    exporter.stop()
    bugs = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(bugs) == 1
    line = logs._LogfmtFormatter().format(bugs[0])
    assert "the detail" in line
    assert "\n" not in line


def test_only_scrapes_send_requests_to_vod(exporter: Served, scraper: FakeScraper) -> None:
    others = [path for path in ROUTES if path not in SCRAPED]
    for path in (*others, "/nowhere", "/api/v1/tasks", "/callback/prod", "/probe"):
        requests.get(exporter.url + path, timeout=10)
    assert scraper.asked == []
    for path in SCRAPED:
        requests.get(exporter.url + path, timeout=10)
    assert scraper.asked == [None, "prod"]
