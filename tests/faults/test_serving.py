"""Slow, idle and disconnecting clients, on real sockets of a real process."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from exporter.simulator.server import Simulator
from exporter.web.connections import CHECK_SECONDS

Start = Callable[..., Any]
Account = Callable[..., str]
Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory, exporter_process: Any, account: Account) -> Iterator[Any]:
    """With a few tracked tasks, and scraped once, so that its threads and connections are there."""
    with Simulator(speed=0.001) as simulator:
        tasks = [task.id for task in simulator.world.tasks[:2]]
        running = exporter_process(tmp_path_factory.mktemp("exporter"), account(simulator.url, tasks))
        try:
            assert running.get().status_code == 200
            yield running
        finally:
            running.close()


def scrape_seconds(exporter: Any) -> float:
    began = time.monotonic()
    answer = requests.get(f"{exporter.url}/metrics", timeout=30)
    assert answer.status_code == 200
    assert 'vod_up{account="prod"} 1.0' in answer.text
    return time.monotonic() - began


def test_500_idle_and_dripping_connections_keep_no_scrape_waiting(exporter: Any, eventually: Eventually) -> None:
    """Half of them say nothing, half send a header a byte at a time; then all are given back."""
    descriptors, threads = exporter.descriptors(), exporter.status("Threads")
    clients = [exporter.connect() for _ in range(500)]
    eventually(lambda: exporter.descriptors() >= descriptors + 495)
    slowest = 0.0
    for char in "GET /me":
        for client in clients[::2]:
            client.sendall(char.encode())
        slowest = max(slowest, scrape_seconds(exporter))
    assert slowest < CHECK_SECONDS / 2  # a scrape that waits for such a connection takes `CHECK_SECONDS` or more
    assert exporter.status("Threads") <= threads + 2
    exporter.hang_up()
    eventually(lambda: exporter.descriptors() <= descriptors + 3)
    assert "Traceback" not in exporter.log


def test_clients_that_never_read_keep_no_scrape_waiting(exporter: Any, eventually: Eventually) -> None:
    """Each asks a hundred times and takes nothing, so that its answers stay here."""
    descriptors, memory = exporter.descriptors(), exporter.status("VmRSS")
    for _ in range(20):
        exporter.connect(receive_buffer=2048).sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert max(scrape_seconds(exporter) for _ in range(3)) < 5
    assert exporter.status("VmRSS") < memory + 100_000
    exporter.hang_up()
    eventually(lambda: exporter.descriptors() <= descriptors + 3)
    assert "Traceback" not in exporter.log


def test_ten_scrapes_at_once_are_one_fan_out(
    start: Start, account: Account, simulators: Callable[..., Simulator]
) -> None:
    """And ten answers that say the same of VOD."""
    simulator = simulators(speed=0.001, delay=0.5)
    tasks = [task.id for task in simulator.world.tasks[:3]]
    exporter = start(account(simulator.url, tasks))
    with ThreadPoolExecutor(10) as pool:
        answers = [one.result() for one in [pool.submit(exporter.get) for _ in range(10)]]
    assert [answer.status_code for answer in answers] == [200] * 10
    domain = {
        "\n".join(line for line in answer.text.splitlines() if line.startswith(("vod_transcode_", "vod_up")))
        for answer in answers
    }
    assert len(domain) == 1
    assert "vod_transcode_job_info{" in domain.pop()
    assert simulator.quota.calls["GetTranscodeTask"] <= 2 * len(tasks)


def test_a_scraper_that_leaves_does_not_take_the_refresh_from_the_others(
    start: Start, account: Account, simulators: Callable[..., Simulator], eventually: Eventually
) -> None:
    simulator = simulators(speed=0.001, delay=1.0)
    tasks = [task.id for task in simulator.world.tasks[:3]]
    exporter = start(account(simulator.url, tasks))
    first = exporter.connect()
    first.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: simulator.quota.calls.get("GetTranscodeTask"))
    first.close()
    text = exporter.get().text

    assert all(f'task_id="{task_id}"' in text for task_id in tasks)
    assert simulator.quota.calls["GetTranscodeTask"] == len(tasks)


def test_more_scrapes_than_the_bound_get_503_with_retry_after(
    start: Start, account: Account, simulators: Callable[..., Simulator]
) -> None:
    """While they wait, health and status page answer; afterwards, scrapes do."""
    simulator = simulators(speed=0.001, delay=2.0)
    exporter = start(account(simulator.url, [simulator.world.tasks[0].id]))
    with ThreadPoolExecutor(30) as pool:
        scrapes = [pool.submit(exporter.get) for _ in range(30)]
        time.sleep(1.0)
        assert exporter.get("/-/healthy").status_code == 200
        assert exporter.get("/").status_code == 200
        answers = [one.result() for one in scrapes]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert [answer.status_code for answer in answers].count(200) == 20
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert len(refused) == 10
    assert exporter.get().status_code == 200


def test_clients_that_leave_mid_answer_make_no_traceback(exporter: Any) -> None:
    before = len(exporter.log)
    for _ in range(15):  # fewer than the scrapes that may be under way
        client = exporter.connect(receive_buffer=2048)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset, not a goodbye
        client.close()
    assert scrape_seconds(exporter) < 10
    assert exporter.log[before:] == ""


def test_oversized_requests_are_refused_in_bounded_memory(exporter: Any) -> None:
    """A 70 KB address, 150 headers, 100,000 query fields, a body of 100 MB."""
    memory = exporter.status("VmRSS")
    answers = [
        exporter.get("/" + "x" * 70_000),
        exporter.get(headers={f"X-{number}": "1" for number in range(150)}),
        exporter.get("/metrics?" + "a=1&" * 100_000),
    ]
    assert [answer.status_code for answer in answers] == [404, 431, 400]  # the first is whole in one read
    for path in ("/metrics", "/nowhere"):
        client = exporter.connect()
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {100 * 2**20}\r\n\r\n".encode())
        for _ in range(100):
            client.sendall(b"x" * 2**20)
        assert client.recv(12) in (b"HTTP/1.1 405", b"HTTP/1.1 404")
    assert exporter.status("VmRSS") < memory + 30_000
    assert scrape_seconds(exporter) < 10
    assert "Traceback" not in exporter.log


def test_300_scrapes_leave_descriptors_threads_and_memory_level(exporter: Any) -> None:
    """Over new connections and a kept one."""
    with requests.Session() as session:

        def scrape(count: int) -> None:
            for number in range(count):
                asks = session if number % 2 else requests
                assert asks.get(f"{exporter.url}/metrics", timeout=30).status_code == 200

        scrape(60)
        before = exporter.descriptors(), exporter.status("Threads"), exporter.status("VmRSS")
        scrape(240)
        after = exporter.descriptors(), exporter.status("Threads"), exporter.status("VmRSS")
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 1
    assert after[2] <= before[2] + 4096  # KiB: less than 18 a scrape


def test_a_scrape_is_answered_before_its_deadline_with_what_is_known(
    start: Start, account: Account, simulators: Callable[..., Simulator]
) -> None:
    """Prometheus waits 3 s, VOD answers in 30 s."""
    simulator = simulators(delay=30.0)
    exporter = start(account(simulator.url, ["a" * 32]))
    began = time.monotonic()
    answer = exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": "3"})
    assert 2.0 < time.monotonic() - began < 2.95
    assert answer.status_code == 200
    assert 'vod_up{account="prod"} 0.0' in answer.text
    assert 'vod_exporter_tracked_tasks{account="prod",source="tasks"} 1.0' in answer.text


def test_a_scrape_timeout_without_sense_is_as_none(exporter: Any) -> None:
    for value in ("nan", "inf", "-1", "1e400", "abc", "", "0", "3 s", "\xb2"):
        answer = exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": value.encode("latin-1")})
        assert (answer.status_code, 'vod_up{account="prod"} 1.0' in answer.text) == (200, True), value


def test_methods_and_paths_are_refused_by_the_book(exporter: Any) -> None:
    for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
        assert requests.head(exporter.url + path, timeout=30).status_code == 200
        refused = requests.delete(exporter.url + path, timeout=30)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert exporter.get("/nowhere").status_code == 404
