"""The HTTP interface on real sockets."""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
import requests

from exporter.command import logs
from exporter.deadline import Deadline
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.snapshot import AccountSnapshot, Snapshot
from exporter.web import scrapes
from exporter.web.app import MAX_HEADERS, Interface
from exporter.web.scrapes import PROBES_AT_ONCE, SCRAPES_AT_ONCE, THREADS

SCRAPED = ("/metrics", "/probe?account=prod")
ROUTES = (*SCRAPED, "/", "/sd", "/-/healthy", "/-/ready", "/api/v1/openapi.json")
NOWHERE = (
    *("/-/reload/", "/probe/", "/probe/prod", "/sd/"),
    *("/debug", "/metrics/", "//metrics", "/callback", "/callback/", "/callback/a/b"),
)


class FakeScraper(Scraper):
    """Answers with one account, whichever is asked, and remembers how much time each scrape was given."""

    def __init__(self, answer: Callable[[], None] = lambda: None, names: Sequence[str] = ("prod",)) -> None:
        super().__init__([], min_interval=0)
        self._names = names
        self._answer = answer
        self.times: list[float] = []
        self.gone = False

    @property
    def accounts(self) -> dict[str, Any]:
        return {} if self.gone else dict.fromkeys(self._names, object())  # nothing here looks into it

    def scrape(self, deadline: Deadline, *, account: str | None = None) -> Snapshot:
        assert account in (None, *self._names)
        self.times.append(deadline.remaining())
        self._answer()
        return self.snapshot()

    def snapshot(self) -> Snapshot:
        return Snapshot((AccountSnapshot("prod", "cn-shanghai", "https://vod.example", up=True),))


@pytest.fixture
def scraper() -> FakeScraper:
    return FakeScraper()


@pytest.fixture
def exporter(serve_interface: Callable[..., Any], scraper: FakeScraper) -> Any:
    return serve_interface(scraper)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.clear()
        yield session


def rejected(exporter: Any, **labels: str) -> float:
    """The value of the counter of refused requests with these labels."""
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    line = f"vod_exporter_rejected_requests_total{{{wanted}}} "
    text = requests.get(f"{exporter.url}/metrics", timeout=10).text
    return next((float(one.removeprefix(line)) for one in text.splitlines() if one.startswith(line)), 0.0)


@pytest.mark.parametrize("path", ROUTES)
def test_head_answers_as_get_without_a_body(exporter: Any, path: str) -> None:
    got = requests.get(exporter.url + path, timeout=10)
    head = exporter.talk(f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    first, _, body = head.partition("\r\n\r\n")
    assert got.status_code == 200
    assert got.content
    assert first.startswith("HTTP/1.1 200 OK\r\n")
    assert f"content-type: {got.headers['Content-Type']}" in first
    assert body == ""


def test_another_method_gets_405_with_allow(exporter: Any) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        for path in ROUTES:
            answer = requests.request(method, exporter.url + path, timeout=10)
            assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
            assert "GET, HEAD" in answer.text


def test_elsewhere_is_404_that_says_where_to_look(exporter: Any) -> None:
    """What later versions serve is not there yet, and no other spelling of a path leads anywhere."""
    for method in ("GET", "POST"):
        for path in NOWHERE:
            answer = requests.request(method, exporter.url + path, timeout=10, allow_redirects=False)
            assert answer.status_code == 404, (method, path)
            assert "/metrics has the metrics" in answer.text


def test_without_keys_the_api_and_the_callbacks_are_closed(exporter: Any) -> None:
    """As they are where the configuration says nothing of them; programs that ask get JSON."""
    got = requests.get(f"{exporter.url}/api/v1/tasks", headers={"Authorization": "Bearer "}, timeout=10)
    assert (got.status_code, list(got.json())) == (403, ["error"])
    got = requests.post(f"{exporter.url}/callback/prod", json={}, timeout=10)
    assert (got.status_code, list(got.json())) == (403, ["error"])
    got = requests.post(f"{exporter.url}/callback/nobody", json={}, timeout=10)
    assert (got.status_code, got.json()) == (404, {"error": "no account has this name"})


def test_refusals_are_counted_by_route_and_reason(exporter: Any) -> None:
    """Paths that clients invent make no series of their own."""
    for number in range(3):
        requests.get(f"{exporter.url}/invented/{number}", timeout=10)
    requests.post(f"{exporter.url}/metrics", timeout=10)
    assert rejected(exporter, path="other", reason="404") == 3
    assert rejected(exporter, path="/metrics", reason="405") == 1


def test_too_many_headers_are_refused_and_counted(exporter: Any) -> None:
    headers = {f"X-{number}": "1" for number in range(MAX_HEADERS)}
    answer = requests.get(f"{exporter.url}/metrics", headers=headers, timeout=10)
    assert answer.status_code == 431
    assert str(MAX_HEADERS) in answer.text
    assert rejected(exporter, path="/metrics", reason="431") == 1


def test_an_odd_host_header_harms_nothing(exporter: Any) -> None:
    """Starlette makes an address of it, which Python may refuse to read."""
    for host, path in product(("[", "a b", "", "x\xff", "evil.example/@"), ("/metrics", "/nowhere", "/metrics/")):
        answer = exporter.talk(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        assert answer[9:12] in ("200", "400", "404")
        assert "evil.example" not in answer


def test_the_metrics_path_can_be_chosen(serve_interface: Callable[..., Any], scraper: FakeScraper) -> None:
    served = serve_interface(scraper, telemetry_path="/vod/metrics")
    assert "vod_up" in requests.get(f"{served.url}/vod/metrics", timeout=10).text
    answer = requests.get(f"{served.url}/metrics", timeout=10)
    assert (answer.status_code, "/vod/metrics" in answer.text) == (404, True)
    assert 'href="/vod/metrics"' in requests.get(served.url, timeout=10).text


@pytest.mark.parametrize("path", SCRAPED)
def test_a_scrape_has_the_time_that_prometheus_tells(exporter: Any, scraper: FakeScraper, path: str) -> None:
    """Less the offset, at most `scrape.timeout`; a header without sense is as none."""
    senseless = ("nan", "inf", "-inf", "-1", "0", "1e400", "abc", "", "3s", "1,5", "\xb2")
    for header, seconds in (("3", 2.5), ("0.4", 0.2), ("60", 10.0), *((odd, 10.0) for odd in senseless), (None, 10.0)):
        line = "" if header is None else f"X-Prometheus-Scrape-Timeout-Seconds: {header}\r\n"
        answer = exporter.talk(f"GET {path} HTTP/1.1\r\nHost: x\r\n{line}Connection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 200 ")
        assert scraper.times.pop() == pytest.approx(seconds, abs=0.15), header


@pytest.mark.parametrize("path", SCRAPED)
def test_format_and_compression_are_negotiated(exporter: Any, session: requests.Session, path: str) -> None:
    url = exporter.url + path
    plain = session.get(url, timeout=10, headers={"Accept-Encoding": "identity"})
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in plain.headers
    wishes = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    packed = session.get(url, timeout=10, headers=wishes, stream=True)
    body = gzip.decompress(packed.raw.read(decode_content=False))
    assert packed.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert packed.headers["Vary"] == "Accept, Accept-Encoding"
    assert body.endswith(b"# EOF\n")


def held() -> tuple[Callable[[], None], Callable[[int], None], threading.Event]:
    """What a scrape waits in; how to wait until so many do; how to let them go."""
    waiting, go = threading.Semaphore(0), threading.Event()

    def answer() -> None:
        waiting.release()
        go.wait(30)

    def until(count: int) -> None:
        for _ in range(count):
            assert waiting.acquire(timeout=20)

    return answer, until, go


@pytest.mark.parametrize(("path", "bound"), [(SCRAPED[0], SCRAPES_AT_ONCE), (SCRAPED[1], PROBES_AT_ONCE)])
def test_a_scrape_too_many_gets_503_while_the_rest_is_served(
    serve_interface: Callable[..., Any], path: str, bound: int
) -> None:
    """And when those under way have ended, scrapes are answered again."""
    answer, until, go = held()
    exporter = serve_interface(FakeScraper(answer))
    url = exporter.url + path
    with ThreadPoolExecutor(bound) as pool:
        first = [pool.submit(requests.get, url, timeout=30) for _ in range(bound)]
        until(bound)
        refused = requests.get(url, timeout=10)
        others = [requests.get(exporter.url + path, timeout=10).status_code for path in ("/", "/-/healthy", "/-/ready")]
        go.set()
        assert [one.result().status_code for one in first] == [200] * bound
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert f"{bound} scrapes" in refused.text
    assert others == [200, 200, 200]
    assert rejected(exporter, path=path.partition("?")[0], reason="503") == 1


def test_an_outage_of_many_accounts_keeps_no_scrape_waiting_for_another(serve_interface: Callable[..., Any]) -> None:
    """Each waits for its deadline, and all are answered: that VOD is away must not look like an exporter that is."""
    names = [f"account-{number}" for number in range(100)]
    answer, until, go = held()
    exporter = serve_interface(FakeScraper(answer, names))
    paths = ["/metrics", *(f"/probe?account={name}" for name in names)]
    with ThreadPoolExecutor(len(paths)) as pool:
        asked = [pool.submit(requests.get, exporter.url + path, timeout=60) for path in paths]
        until(len(paths))
        others = [requests.get(exporter.url + path, timeout=10).status_code for path in ("/", "/-/healthy", "/-/ready")]
        go.set()
        assert {one.result().status_code for one in asked} == {200}
    assert others == [200, 200, 200]


def test_of_scrapes_together_there_are_as_many_as_threads_and_probes_leave_some_for_all_accounts(
    serve_interface: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert THREADS > 2 * SCRAPES_AT_ONCE
    monkeypatch.setattr(scrapes, "THREADS", SCRAPES_AT_ONCE + 3)
    names = [f"account-{number}" for number in range(4)]
    answer, until, go = held()
    exporter = serve_interface(FakeScraper(answer, names))
    probes = [f"{exporter.url}/probe?account={name}" for name in names]
    with ThreadPoolExecutor(SCRAPES_AT_ONCE + 3) as pool:
        asked = [pool.submit(requests.get, url, timeout=30) for url in probes[:3]]
        until(3)
        refused = requests.get(probes[3], timeout=10)
        asked += [pool.submit(requests.get, f"{exporter.url}/metrics", timeout=30) for _ in range(SCRAPES_AT_ONCE)]
        until(SCRAPES_AT_ONCE)
        go.set()
        assert {one.result().status_code for one in asked} == {200}
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")


def test_a_bug_is_logged_once_and_told_without_details(
    serve_interface: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    def answer() -> None:
        raise RuntimeError("the detail")

    exporter = serve_interface(FakeScraper(answer))
    got = requests.get(f"{exporter.url}/metrics", timeout=10)
    assert (got.status_code, got.text) == (500, "Internal Server Error")
    assert requests.get(f"{exporter.url}/-/healthy", timeout=10).status_code == 200
    exporter.stop()
    bugs = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(bugs) == 1
    line = logs._LogfmtFormatter().format(bugs[0])
    assert "the detail" in line
    assert "\n" not in line


def test_only_a_scrape_asks_vod(exporter: Any, scraper: FakeScraper) -> None:
    others = [path for path in ROUTES if path not in SCRAPED]
    for path in (*others, "/nowhere", "/api/v1/tasks", "/callback/prod", "/probe"):
        requests.get(exporter.url + path, timeout=10)
    assert scraper.times == []
    for path in SCRAPED:
        requests.get(exporter.url + path, timeout=10)
    assert len(scraper.times) == len(SCRAPED)


def test_without_a_reload_the_route_is_closed_and_says_how_to_open_it(exporter: Any) -> None:
    answer = requests.post(f"{exporter.url}/-/reload", timeout=10)
    assert (answer.status_code, "--web.enable-lifecycle" in answer.text) == (403, True)
    answer = requests.get(f"{exporter.url}/-/reload", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert rejected(exporter, path="/-/reload", reason="403") == 1


@pytest.mark.parametrize("leaves", [True, False])
def test_an_account_that_leaves_while_it_is_probed_is_404_and_a_bug_stays_one(
    serve_interface: Callable[..., Any], leaves: bool
) -> None:
    def answer() -> None:
        leaving.gone = leaves
        raise KeyError("prod")

    leaving = FakeScraper(answer)
    got = requests.get(f"{serve_interface(leaving).url}/probe?account=prod", timeout=10)
    assert got.status_code == (404 if leaves else 500)


def test_faults_of_a_reload_are_told_without_what_could_harm_a_terminal(serve: Callable[..., Any]) -> None:
    interface = Interface(FakeScraper(), Telemetry(), timeout=10.0, offset=0.5)
    exporter = serve(interface.app(reload=lambda: ["exporter.yml:1: \x1b[31m\ud800: is no key\nforged", "second"]))
    answer = requests.post(f"{exporter.url}/-/reload", timeout=10)
    assert answer.status_code == 500
    assert answer.text.splitlines()[1:] == ["exporter.yml:1: \ufffd[31m\ufffd: is no key\ufffdforged", "second"]


def test_of_requests_to_reload_one_is_at_work_at_a_time(serve: Callable[..., Any]) -> None:
    """The others take no thread from scrapes."""
    under_way, most = 0, 0
    go = threading.Event()

    def reload() -> list[str]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        go.wait(20)
        under_way -= 1
        return []

    interface = Interface(FakeScraper(), Telemetry(), timeout=10.0, offset=0.5)
    exporter = serve(interface.app(reload=reload))
    with ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(requests.post, f"{exporter.url}/-/reload", timeout=30) for _ in range(60)]
        while not under_way:
            time.sleep(0.01)
        good = requests.get(f"{exporter.url}/metrics", timeout=10)
        go.set()
        assert {one.result().status_code for one in asked} == {200}
    assert (good.status_code, most) == (200, 1)
