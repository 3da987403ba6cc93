"""Slow, idle and disconnecting clients, on real sockets of a real process."""

from __future__ import annotations

import contextlib
import http.client
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from benchmarks.state import fill
from exporter.simulator.server import Simulator
from exporter.web.connections import CHECK_SECONDS, MAX_UNREAD_BYTES
from exporter.web.crowd import MAX_CONNECTIONS
from tests.conftest import Simulators, fastest, held, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account, signature

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef"
URL, KEY = "https://vod.example/callback/prod", "c4llback-key"
CALLBACK = f"    callback: {{url: '{URL}', key: {KEY}}}\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExporterProcess]:
    """It tracks two tasks, and was scraped once, so its threads and connections exist."""
    with Simulator(speed=0.001) as simulator:
        tasks = [task.id for task in simulator.world.tasks[:2]]
        config = account(simulator.url, tasks, more=f"{CALLBACK}api: {{token: {TOKEN}}}\n")
        running = ExporterProcess(tmp_path_factory.mktemp("exporter"), config)
        try:
            running.wait_until_listening()
            assert running.get().status_code == 200
            yield running
        finally:
            running.close()


def scraped(exporter: ExporterProcess) -> None:
    answer = exporter.get()
    assert answer.status_code == 200
    assert 'vod_up{account="prod"} 1.0' in answer.text


@pytest.mark.stack
def test_500_idle_and_slow_connections_delay_no_scrape(exporter: ExporterProcess) -> None:
    """Half of them send nothing, the others a header byte by byte. After they close, their descriptors are free."""
    descriptors, threads = exporter.descriptors(), exporter.status("Threads")
    clients = [exporter.connect() for _ in range(500)]
    wait_until(lambda: exporter.descriptors() >= descriptors + 495)

    def scrape() -> None:
        for client in clients[::2]:
            with contextlib.suppress(OSError):  # on a slow machine the exporter has closed some already
                client.sendall(b"G")
        scraped(exporter)

    scrape()
    # A scrape that waits for such connections takes `CHECK_SECONDS` or more.
    assert fastest(scrape, wanted=CHECK_SECONDS / 2) < CHECK_SECONDS / 2
    assert exporter.status("Threads") <= threads + 50  # not one for each
    exporter.hang_up()
    wait_until(lambda: exporter.descriptors() <= descriptors + 3)
    assert "Traceback" not in exporter.log


def test_clients_that_never_read_delay_no_scrape(exporter: ExporterProcess) -> None:
    """Each sends a thousand requests and reads no answer. All answers together have several hundred MB."""
    descriptors, memory = exporter.descriptors(), exporter.status("VmRSS")
    for _ in range(20):
        exporter.connect(receive_buffer=2048).sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    assert fastest(lambda: scraped(exporter), wanted=5) < 5
    assert exporter.status("VmRSS") < memory + 100_000
    exporter.hang_up()
    wait_until(lambda: exporter.descriptors() <= descriptors + 3)
    assert "Traceback" not in exporter.log


@pytest.mark.stack
def test_clients_that_never_read_large_metrics_delay_no_scrape(tmp_path: Path, start: Start) -> None:
    """An answer has 6 MB. Clients share its bytes, and beyond 128 MB the oldest are dropped: never 60 times 6 MB."""
    state = tmp_path / "state.db"
    fill(state, 3000, unfinished=0)
    exporter = start(account(NOWHERE, more=f"series: {{retention: 1d}}\nstate: {{path: {state}}}\n"))
    assert len(exporter.get(headers={"Accept-Encoding": "identity"}).content) > 6e6
    exporter.get()
    descriptors, threads, memory = exporter.descriptors(), exporter.status("Threads"), exporter.status("VmRSS")
    for _ in range(60):
        exporter.connect(receive_buffer=2048).sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: exporter.descriptors() >= descriptors + 15)
    assert fastest(exporter.get, wanted=1) < 1
    # In KiB: the unread answers, and as much again for scrapes that are rendered at the same time.
    assert exporter.status("VmRSS") < memory + 2 * MAX_UNREAD_BYTES // 1024
    exporter.hang_up()
    wait_until(lambda: exporter.descriptors() <= descriptors + 3)
    # Those of 20 scrapes, the refresh and its view are kept for the next ones.
    assert exporter.status("Threads") <= threads + 40
    assert "Traceback" not in exporter.log


def test_ten_scrapes_at_once_share_one_refresh(start: Start, simulators: Simulators) -> None:
    """All ten answers have the same metrics of VOD."""
    simulator = simulators(speed=0.001)
    tasks = [task.id for task in simulator.world.tasks[:3]]
    exporter = start(account(simulator.url, tasks, more="scrape: {timeout: 60s, min_interval: 60s}\n"))
    with ThreadPoolExecutor(10) as pool, held(simulator) as go:
        scrapes = [pool.submit(exporter.get) for _ in range(10)]
        wait_until(lambda: simulator.quota.calls)
        time.sleep(0.2)  # most of the others are there then
        go.set()
        answers = [one.result() for one in scrapes]
    assert [answer.status_code for answer in answers] == [200] * 10
    domain = {
        "\n".join(line for line in answer.text.splitlines() if line.startswith(("vod_transcode_", "vod_up")))
        for answer in answers
    }
    assert len(domain) == 1
    assert "vod_transcode_job_info{" in domain.pop()
    assert simulator.quota.calls["GetTranscodeTask"] <= 2 * len(tasks)


def test_a_client_that_disconnects_does_not_end_the_refresh_of_the_others(start: Start, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001)
    tasks = [task.id for task in simulator.world.tasks[:3]]
    exporter = start(account(simulator.url, tasks, more="scrape: {timeout: 60s, min_interval: 60s}\n"))
    with ThreadPoolExecutor(1) as pool, held(simulator) as go:
        first = exporter.connect()
        first.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: simulator.quota.calls.get("GetTranscodeTask"))
        first.close()
        second = pool.submit(exporter.get)
        time.sleep(0.2)  # for the exporter to see the end of the first
        go.set()
        text = second.result().text

    assert all(f'task_id="{task_id}"' in text for task_id in tasks)
    assert simulator.quota.calls["GetTranscodeTask"] == len(tasks)


def test_more_scrapes_than_the_bound_get_503_with_retry_after(start: Start, simulators: Simulators) -> None:
    """While they wait, health and the status page answer. After that, scrapes are answered again."""
    simulator = simulators(speed=0.001)
    tasks = [simulator.world.tasks[0].id]
    exporter = start(account(simulator.url, tasks, more="scrape: {timeout: 60s, min_interval: 60s}\n"))
    with ThreadPoolExecutor(30) as pool, held(simulator) as go:
        scrapes = [pool.submit(exporter.get) for _ in range(30)]
        wait_until(lambda: sum(scrape.done() for scrape in scrapes) == 10)
        assert exporter.get("/-/healthy").status_code == 200
        assert exporter.get("/").status_code == 200
        go.set()
        answers = [scrape.result() for scrape in scrapes]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert [answer.status_code for answer in answers].count(200) == 20
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert len(refused) == 10
    assert exporter.get().status_code == 200


def test_clients_that_disconnect_during_an_answer_cause_no_traceback(exporter: ExporterProcess) -> None:
    before = len(exporter.log)
    for _ in range(15):  # fewer than the exporter answers at a time
        client = exporter.connect(receive_buffer=2048)
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # closes with a reset
        client.close()
    scraped(exporter)
    assert exporter.log[before:] == ""


def rejected(exporter: ExporterProcess) -> float:
    counters = re.findall(r"^vod_exporter_rejected_requests_total{.*} (.*)$", exporter.get().text, re.MULTILINE)
    return sum(map(float, counters))


MALFORMED = (
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the start of TLS
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
)


@pytest.mark.stack
def test_a_flood_of_malformed_requests_leaves_a_few_log_lines(exporter: ExporterProcess) -> None:
    """Each left a warning of uvicorn. Now it is one line a minute for each kind, and all of them are counted."""
    before, refused, count = len(exporter.log), rejected(exporter), 700
    for number in range(count):
        client = exporter.connect()
        client.sendall(MALFORMED[number % len(MALFORMED)])
        client.recv(1)  # the exporter has read the request
        client.close()
    lines = exporter.log[before:].splitlines()
    assert 3 <= len(lines) < 30
    assert all("component=web.refusals" in line and "client=127.0.0.1" in line for line in lines), lines
    assert rejected(exporter) - refused == count


def test_oversized_requests_are_refused_in_bounded_memory(exporter: ExporterProcess) -> None:
    """A URL of 70 KB, 150 headers, 100,000 query parameters, and a body of 100 MB."""
    memory = exporter.status("VmRSS")
    answers = [
        exporter.get("/" + "x" * 70_000),
        exporter.get(headers={f"X-{number}": "1" for number in range(150)}),
        exporter.get("/metrics?" + "a=1&" * 100_000),
    ]
    assert [answer.status_code for answer in answers] == [404, 431, 400]  # the first fits into one read
    signed = signature(URL, KEY)
    headers = {
        "/metrics": ("405", {}),
        "/nowhere": ("404", {}),
        "/api/v1/tasks": ("413", {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}),
        "/callback/prod": ("413", signed),
    }
    for path, (status, fields) in headers.items():
        lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {100 * 2**20}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        client = exporter.connect()
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        with contextlib.suppress(OSError):  # it has refused the request, and closed the connection
            for _ in range(100):
                client.sendall(b"x" * 2**20)
        assert client.recv(12) == f"HTTP/1.1 {status}".encode(), path
    assert exporter.status("VmRSS") < memory + 50_000  # KiB: half of one body
    scraped(exporter)
    assert "Traceback" not in exporter.log


@pytest.mark.stack
def test_1000_scrapes_leave_descriptors_threads_and_memory_level(exporter: ExporterProcess) -> None:
    """Half of them use new connections, the others one connection."""

    def scrape(kept: http.client.HTTPConnection, count: int) -> None:
        for number in range(count):
            connection = kept if number % 2 else http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=30)
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:2]) == (200, b"# ")
            if connection is not kept:
                connection.close()

    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=30)) as kept:
        scrape(kept, 100)
        before = exporter.descriptors(), exporter.status("Threads"), exporter.status("VmRSS")
        scrape(kept, 1000)
        after = exporter.descriptors(), exporter.status("Threads"), exporter.status("VmRSS")
    assert after[0] <= before[0] + 100  # a tenth of what would be left if each left one
    assert after[1] <= before[1] + 100
    assert after[2] <= before[2] + 15_000  # KiB: half of what the answers have


def test_a_scrape_is_answered_before_its_deadline_with_the_known_data(start: Start, simulators: Simulators) -> None:
    """Prometheus waits 3 s, VOD answers in an hour."""
    simulator = simulators(delay=3600.0)
    exporter = start(account(simulator.url, ["a" * 32]))
    answers: list[requests.Response] = []

    def scrape() -> None:
        answers.append(exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": "3"}))

    # With no answer, it waits until half of the time has passed, or longer.
    assert 1.0 < fastest(scrape, wanted=2.5) < 2.5
    assert answers[-1].status_code == 200
    assert 'vod_up{account="prod"} 0.0' in answers[-1].text
    assert 'vod_exporter_tracked_tasks{account="prod",source="tasks"} 1.0' in answers[-1].text


def test_a_malformed_scrape_timeout_is_ignored(exporter: ExporterProcess) -> None:
    for value in ("nan", "inf", "-1", "1e400", "abc", "", "0", "3 s", "\xb2"):
        answer = exporter.get(headers={"X-Prometheus-Scrape-Timeout-Seconds": value.encode("latin-1")})
        assert (answer.status_code, 'vod_up{account="prod"} 1.0' in answer.text) == (200, True), value


def test_other_methods_get_405_with_allow_and_unknown_paths_404(exporter: ExporterProcess) -> None:
    for path in ("/metrics", "/", "/-/healthy", "/-/ready"):
        assert requests.head(exporter.url + path, timeout=30).status_code == 200
        refused = requests.delete(exporter.url + path, timeout=30)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert exporter.get("/nowhere").status_code == 404


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """The test itself holds more connections than a usual limit of descriptors allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2 * MAX_CONNECTIONS + 500:
        pytest.skip("the limit of descriptors is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_resting_connections_shut_nobody_out(start: Start) -> None:
    """Each rests after one answer. They shut out scrapes and probes for two minutes, without a line in the log."""
    exporter = start(account(NOWHERE))
    for _ in range(MAX_CONNECTIONS + 5):
        client = exporter.connect()
        client.sendall(HEALTHY)
        assert client.recv(12) == b"HTTP/1.1 200"
    assert [exporter.get(path).status_code for path in ("/metrics", "/-/healthy", "/-/ready")] == [200] * 3
    idle, active = (exporter.value(f'vod_exporter_connections{{state="{state}"}}') for state in ("idle", "active"))
    assert idle is not None
    assert (MAX_CONNECTIONS - 10 <= idle <= MAX_CONNECTIONS, active) == (True, 1)
    assert exporter.log.count("too many connections") == 1


def test_a_second_request_cannot_be_smuggled_in_a_body(start: Start) -> None:
    exporter = start(account(NOWHERE))
    lengths = b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    client = exporter.connect()
    client.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\n" + lengths + HEALTHY)
    received = b""
    while part := client.recv(65536):
        received += part
    assert re.findall(rb"HTTP/1.1 \d+", received) == [b"HTTP/1.1 400"]


def test_pages_in_a_loop_are_shared_and_scrapes_are_answered(start: Start) -> None:
    """All clients together get a page or two a second, so most of their answers are the same."""
    exporter = start(account(NOWHERE))
    pages: list[bytes] = []
    stopped = threading.Event()

    def load() -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=30)) as connection:
            while not stopped.is_set():
                connection.request("GET", "/")
                pages.append(connection.getresponse().read())

    clients = [threading.Thread(target=load) for _ in range(12)]
    for client in clients:
        client.start()
    scrapes = [exporter.get().status_code for _ in range(5)]
    stopped.set()
    for client in clients:
        client.join()
    assert scrapes == [200] * 5
    assert all(b"vod-transcode-exporter" in page for page in pages)
    assert exporter.value('vod_exporter_rejected_requests_total{path="/",reason="503"}') is None
