"""Health, readiness and reload over HTTP."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.web.conftest import FakeScraper, Served, ServeInterface


@pytest.mark.parametrize(("path", "word"), [("/-/healthy", "healthy"), ("/-/ready", "ready")])
def test_health_and_readiness_do_not_depend_on_accounts(serve_interface: ServeInterface, path: str, word: str) -> None:
    answer = requests.get(serve_interface(FakeScraper()).url + path, timeout=10)
    assert (answer.status_code, answer.text) == (200, f"vod-transcode-exporter is {word}.\n")


def test_reload_is_off_by_default_and_says_how_to_switch_it_on(serve_interface: ServeInterface) -> None:
    exporter = serve_interface(FakeScraper())
    answer = requests.post(f"{exporter.url}/-/reload", timeout=10)
    assert (answer.status_code, "--web.enable-lifecycle" in answer.text) == (403, True)
    answer = requests.get(f"{exporter.url}/-/reload", timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    metrics = requests.get(f"{exporter.url}/metrics", timeout=10).text
    assert 'vod_exporter_rejected_requests_total{path="/-/reload",reason="403"} 1.0' in metrics


@pytest.fixture
def reloads() -> list[None]:
    """Gets an item with each reload."""
    return []


@pytest.fixture
def reloading(serve_interface: ServeInterface, reloads: list[None]) -> Served:
    def reload() -> list[str]:
        reloads.append(None)
        return []

    return serve_interface(FakeScraper(), reload=reload)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://exporter:10870", "Host": "exporter:10870"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://exporter:80", "Host": "exporter:10870"},
    ],
)
def test_a_page_of_another_site_cannot_reload(reloading: Served, reloads: list[None], headers: dict[str, str]) -> None:
    """A form of any page in the browser of an operator can post to the exporter."""
    answer = requests.post(f"{reloading.url}/-/reload", headers=headers, timeout=10)
    assert (answer.status_code, "curl -X POST" in answer.text) == (403, True)
    assert reloads == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"User-Agent": "configmap-reload"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxy.example"},
        {"Origin": "http://exporter:10870", "Host": "Exporter:10870"},
    ],
)
def test_programs_and_pages_of_the_exporter_can_reload(
    reloading: Served, reloads: list[None], headers: dict[str, str]
) -> None:
    """Other programs than browsers send neither header. A proxy may change the Host header."""
    answer = requests.post(f"{reloading.url}/-/reload", headers=headers, timeout=10)
    assert (answer.status_code, len(reloads)) == (200, 1)


def test_faults_of_a_reload_are_returned_without_control_characters(serve_interface: ServeInterface) -> None:
    """They could change the terminal that shows them."""
    faults = ["exporter.yml:1: \x1b[31m\ud800: is no key\nforged", "second"]
    exporter = serve_interface(FakeScraper(), reload=lambda: faults)
    answer = requests.post(f"{exporter.url}/-/reload", timeout=10)
    assert answer.status_code == 500
    assert answer.text.splitlines()[1:] == ["exporter.yml:1: \ufffd[31m\ufffd: is no key\ufffdforged", "second"]


def test_reloads_run_one_after_the_other_and_leave_threads_for_scrapes(serve_interface: ServeInterface) -> None:
    running, most = 0, 0
    go = threading.Event()

    def reload() -> list[str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        go.wait(20)
        running -= 1
        return []

    exporter = serve_interface(FakeScraper(), reload=reload)
    with ThreadPoolExecutor(60) as pool:
        reloads = [pool.submit(requests.post, f"{exporter.url}/-/reload", timeout=30) for _ in range(60)]
        while not running:
            time.sleep(0.01)
        scrape = requests.get(f"{exporter.url}/metrics", timeout=10)
        go.set()
        assert {reload.result().status_code for reload in reloads} == {200}
    assert (scrape.status_code, most) == (200, 1)
