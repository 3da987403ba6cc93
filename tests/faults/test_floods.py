"""Floods of connections, events, requests and bytes, on real sockets of a real process."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from exporter.web.crowd import MAX_CONNECTIONS
from exporter.web.replays import MAX_EVENTS
from tests.conftest import Simulators, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account

pytestmark = pytest.mark.slow

URL, KEY = "https://vod.example/callback/prod", "c4llback-key"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """The test itself holds more connections than a usual limit of descriptors allows."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 2 * MAX_CONNECTIONS + 500:
        pytest.skip("the limit of descriptors is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def value(exporter: ExporterProcess, series: str) -> float | None:
    """The value of a series of the exposition, with all its labels; None without it."""
    match = re.search(rf"^{re.escape(series)} (\S+)$", exporter.get().text, re.MULTILINE)
    return float(match[1]) if match else None


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_resting_connections_shut_nobody_out(start: Start) -> None:
    """Each rests after one answer. They shut out scrapes and probes for two minutes, without a line in the log."""
    exporter = start(account(NOWHERE))
    for _ in range(MAX_CONNECTIONS + 5):
        client = exporter.connect()
        client.sendall(HEALTHY)
        assert client.recv(12) == b"HTTP/1.1 200"
    assert [exporter.get(path).status_code for path in ("/metrics", "/-/healthy", "/-/ready")] == [200] * 3
    idle, active = (value(exporter, f'vod_exporter_connections{{state="{state}"}}') for state in ("idle", "active"))
    assert idle is not None
    assert (MAX_CONNECTIONS - 10 <= idle <= MAX_CONNECTIONS, active) == (True, 1)
    assert exporter.log.count("too many connections") == 1


def events(exporter: ExporterProcess, count: int) -> list[int]:
    """The statuses of this many events about different videos, all with the same signature."""
    timestamp = str(int(time.time()))
    signature = hashlib.md5(f"{URL}|{timestamp}|{KEY}".encode(), usedforsecurity=False).hexdigest()
    statuses = []
    with requests.Session() as session:
        for number in range(count):
            answer = session.post(
                f"{exporter.url}/callback/prod",
                headers={"X-VOD-SIGNATURE": signature, "X-VOD-TIMESTAMP": timestamp},
                data=json.dumps({"EventType": "TranscodeComplete", "VideoId": f"x{number}", "StreamInfos": []}),
                timeout=30,
            )
            statuses.append(answer.status_code)
    return statuses


def test_a_replayed_signature_brings_no_flood_of_events(start: Start, simulators: Simulators) -> None:
    """It could be used for any number of events, which starved discovery."""
    simulator = simulators(speed=0.001)
    callback = f"    callback: {{url: '{URL}', key: {KEY}}}\n"
    exporter = start(account(simulator.url, more=callback))
    assert events(exporter, MAX_EVENTS + 20) == [200] * MAX_EVENTS + [401] * 20
    assert value(exporter, 'vod_exporter_rejected_requests_total{path="/callback/{name}",reason="401"}') == 20
    wait_until(lambda: simulator.quota.calls.get("ListTranscodeTask"))


class Endless:
    """A VOD whose answers never end: `start` once, and then `block` again and again."""

    def __init__(self, start: bytes, block: bytes) -> None:
        self._start, self._block = start, block
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                client.recv(65536)
                client.sendall(self._start)
                while True:
                    client.sendall(self._block)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.parametrize(
    ("start_of_answer", "block"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X-T: 1\r\n" * 4096),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
    ],
    ids=["trailers", "interim answers"],
)
def test_an_answer_of_vod_that_never_ends_is_cut_by_its_size(
    start: Start, start_of_answer: bytes, block: bytes
) -> None:
    """Such bytes are no part of the body. They kept a core busy until the time of the call was over."""
    vod = Endless(start_of_answer, block)
    try:
        exporter = start(account(vod.url, ["a" * 32]))
        series = 'vod_exporter_api_errors_total{account="prod",action="GetTranscodeTask",code="too_large"}'
        wait_until(lambda: value(exporter, series))
        assert value(exporter, 'vod_up{account="prod"}') == 0
    finally:
        vod.close()


def test_a_second_request_cannot_be_smuggled_in_a_body(start: Start) -> None:
    exporter = start(account(NOWHERE))
    lengths = b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    client = exporter.connect()
    client.sendall(b"POST /api/v1/tasks HTTP/1.1\r\nHost: x\r\n" + lengths + HEALTHY)
    received = b""
    while part := client.recv(65536):
        received += part
    assert re.findall(rb"HTTP/1.1 \d+", received) == [b"HTTP/1.1 400"]


def test_a_form_of_another_site_cannot_reload(start: Start) -> None:
    exporter = start(account(NOWHERE), "--web.enable-lifecycle")
    form = {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    answers = [
        requests.post(f"{exporter.url}/-/reload", headers=headers, timeout=30)
        for headers in (form, form | {"Sec-Fetch-Site": "cross-site"}, {})
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 200]
    assert exporter.log.count("configuration reloaded") == 1


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
    assert value(exporter, 'vod_exporter_rejected_requests_total{path="/",reason="503"}') is None
