"""Scrapes on real sockets: their time, their format and their number at a time."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from exporter import deadline
from exporter.metrics.telemetry import Telemetry
from exporter.web import scrapes, targets
from exporter.web.scrapes import PROBES_AT_ONCE, SCRAPES_AT_ONCE, THREADS
from exporter.web.site import Site
from exporter.web.targets import Target
from tests.conftest import wait_until
from tests.web.conftest import FakeScraper, Gate, Served, ServeInterface, up

SCRAPED = ("/metrics", "/probe?account=prod")
OTHERS = ("/", "/-/healthy", "/-/ready")


@pytest.fixture
def scraper() -> FakeScraper:
    return FakeScraper(up("prod"))


@pytest.fixture
def exporter(serve_interface: ServeInterface, scraper: FakeScraper) -> Served:
    return serve_interface(scraper)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A session without default headers."""
    with requests.Session() as session:
        session.headers.clear()
        yield session


def status(exporter: Served, path: str) -> int:
    return requests.get(exporter.url + path, timeout=10).status_code


@pytest.mark.parametrize("path", SCRAPED)
def test_a_scrape_gets_prometheus_timeout_minus_the_offset(
    exporter: Served, scraper: FakeScraper, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most `scrape.timeout`. A malformed header counts as absent."""
    for module in (deadline, targets):  # else some time passes
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    malformed = ("nan", "inf", "-inf", "-1", "0", "1e400", "abc", "", "3s", "1,5", "\xb2")
    cases = [("3", 2.5), ("0.4", 0.2), ("60", 10.0), *((value, 10.0) for value in malformed), (None, 10.0)]
    for header, seconds in cases:
        line = "" if header is None else f"X-Prometheus-Scrape-Timeout-Seconds: {header}\r\n"
        answer = exporter.talk(f"GET {path} HTTP/1.1\r\nHost: x\r\n{line}Connection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 200 ")
        assert scraper.times.pop() == pytest.approx(seconds), header


@pytest.mark.parametrize("path", SCRAPED)
def test_format_and_compression_are_negotiated(exporter: Served, session: requests.Session, path: str) -> None:
    url = exporter.url + path
    plain = session.get(url, timeout=10, headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in plain.headers
    accepted = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    packed = session.get(url, timeout=10, headers=accepted, stream=True)
    body = gzip.decompress(packed.raw.read(decode_content=False))
    assert packed.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert packed.headers["Vary"] == "Accept, Accept-Encoding"
    assert body.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", SCRAPED)
def test_several_lines_of_an_accept_header_are_one_list(exporter: Served, path: str) -> None:
    lines = (
        "Accept: text/plain;q=0.5\r\nAccept: application/openmetrics-text;version=1.0.0\r\n"
        "Accept-Encoding: deflate\r\nAccept-Encoding: gzip\r\n"
    )
    answer = exporter.talk(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n")
    head = answer.partition("\r\n\r\n")[0].lower()
    assert "content-type: application/openmetrics-text;" in head
    assert "content-encoding: gzip" in head


def test_the_metrics_path_can_be_chosen(serve_interface: ServeInterface, scraper: FakeScraper) -> None:
    served = serve_interface(scraper, site=Site(telemetry_path="/vod/metrics"))
    assert "vod_up" in requests.get(f"{served.url}/vod/metrics", timeout=10).text
    answer = requests.get(f"{served.url}/metrics", timeout=10)
    assert (answer.status_code, "/vod/metrics" in answer.text) == (404, True)
    assert 'href="vod/metrics"' in requests.get(served.url, timeout=10).text


@pytest.mark.parametrize(("path", "limit"), [(SCRAPED[0], SCRAPES_AT_ONCE), (SCRAPED[1], PROBES_AT_ONCE)])
def test_a_scrape_over_the_limit_gets_503_until_others_end(
    serve_interface: ServeInterface, path: str, limit: int
) -> None:
    """Other pages are served meanwhile, and the refusal is counted."""
    gate = Gate()
    exporter = serve_interface(FakeScraper(up("prod"), during=gate.hold))
    with ThreadPoolExecutor(limit) as pool:
        admitted = [pool.submit(requests.get, exporter.url + path, timeout=30) for _ in range(limit)]
        gate.until(limit)
        refused = requests.get(exporter.url + path, timeout=10)
        others = [status(exporter, other) for other in OTHERS]
        gate.open()
        assert [scrape.result().status_code for scrape in admitted] == [200] * limit
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert f"{limit} scrapes" in refused.text
    assert others == [200, 200, 200]
    metrics = requests.get(f"{exporter.url}/metrics", timeout=10).text
    route = path.partition("?")[0]
    assert f'vod_exporter_rejected_requests_total{{path="{route}",reason="503"}} 1.0' in metrics


@pytest.mark.no_cover
def test_slow_probes_of_many_accounts_do_not_delay_each_other(serve_interface: ServeInterface) -> None:
    """During an outage of VOD each probe waits for its deadline, and all of them are answered."""
    names = [f"account-{number}" for number in range(60)]
    gate = Gate()
    exporter = serve_interface(FakeScraper(up(*names), during=gate.hold))
    paths = ["/metrics", *(f"/probe?account={name}" for name in names)]
    with ThreadPoolExecutor(len(paths)) as pool:
        asked = [pool.submit(requests.get, exporter.url + path, timeout=60) for path in paths]
        gate.until(len(paths))
        others = [status(exporter, other) for other in OTHERS]
        gate.open()
        assert {scrape.result().status_code for scrape in asked} == {200}
    assert others == [200, 200, 200]


def test_probes_leave_threads_for_scrapes_of_all_accounts(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert THREADS > 2 * SCRAPES_AT_ONCE
    monkeypatch.setattr(scrapes, "THREADS", SCRAPES_AT_ONCE + 3)
    names = [f"account-{number}" for number in range(4)]
    gate = Gate()
    exporter = serve_interface(FakeScraper(up(*names), during=gate.hold))
    probes = [f"{exporter.url}/probe?account={name}" for name in names]
    with ThreadPoolExecutor(SCRAPES_AT_ONCE + 3) as pool:
        asked = [pool.submit(requests.get, url, timeout=30) for url in probes[:3]]
        gate.until(3)
        refused = requests.get(probes[3], timeout=10)
        asked += [pool.submit(requests.get, f"{exporter.url}/metrics", timeout=30) for _ in range(SCRAPES_AT_ONCE)]
        gate.until(SCRAPES_AT_ONCE)
        gate.open()
        assert {scrape.result().status_code for scrape in asked} == {200}
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(("removed", "status"), [(True, 404), (False, 500)])
def test_a_probe_of_an_account_that_is_just_removed_is_404_and_a_bug_is_500(
    serve_interface: ServeInterface, removed: bool, status: int
) -> None:
    def during() -> None:
        if removed:
            leaving.shown.clear()  # as a reload does
        raise KeyError("prod")

    leaving = FakeScraper(up("prod"), during=during)
    assert requests.get(f"{serve_interface(leaving).url}/probe?account=prod", timeout=10).status_code == status


class Reloaded(FakeScraper):
    """Its accounts are the same object until a reload, as those of a real scraper."""

    names: dict[str, Any]

    @property
    def accounts(self) -> dict[str, Any]:
        return self.names


def test_targets_are_made_once_and_again_only_after_a_reload(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were arranged anew for each probe, which took time for each account."""
    made: list[str | None] = []
    init = Target.__init__

    def noted(target: Target, *arguments: Any, account: str | None = None, **options: Any) -> None:
        made.append(account)
        init(target, *arguments, account=account, **options)

    monkeypatch.setattr(Target, "__init__", noted)
    scraper = Reloaded(up("a", "b", "c", "d"))
    scraper.names = dict.fromkeys("abc")
    exporter = serve_interface(scraper)

    def probed(*names: str) -> list[int]:
        return [status(exporter, f"/probe?account={name}") for name in names]

    assert probed("a", "b", "a", "x") == [200, 200, 200, 404]
    assert made == [None, "a", "b", "c"]
    scraper.names = dict.fromkeys("ad")
    assert probed("a", "d", "b") == [200, 200, 404]
    assert made == [None, "a", "b", "c", "d"]


def test_what_happens_between_scrapes_waits_for_all_of_them(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrapes, "_BETWEEN_SECONDS", 0.0)
    gate, scraped = Gate(), list[int]()
    scraper = FakeScraper(up("prod"), during=gate.hold)
    exporter = serve_interface(scraper, between_scrapes=lambda: scraped.append(len(scraper.asked)))
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(status, exporter, path) for path in SCRAPED]
        gate.until(2)
        gate.open()
        assert [answer.result() for answer in answers] == [200, 200]

    wait_until(lambda: bool(scraped))
    assert scraped == [2]


def test_a_scrape_that_has_begun_meanwhile_is_not_disturbed() -> None:
    made = scrapes.Scrapes(FakeScraper(up("prod")), Telemetry(), Site())
    called: list[str] = []
    made.between = lambda: called.append("now")
    made.in_progress = 1
    made._use_the_quiet()
    during = [*called]
    made.in_progress = 0
    made._use_the_quiet()

    assert (during, called) == ([], ["now"])
