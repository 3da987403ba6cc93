"""VOD fails in every way: the account is down and says why, the calls stay few, and another account is whole."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest

from exporter.simulator.faults import Fault
from exporter.vod.sender import ATTEMPTS
from tests.conftest import Simulators, fastest, wait_until
from tests.faults.conftest import NOWHERE, ExporterProcess, Start, account

pytestmark = pytest.mark.slow

TASK = "a" * 32
SHORT = "scrape: {min_interval: 0s, timeout: 1s}\n"


def accounts(endpoints: Mapping[str, str], tasks: Mapping[str, str], *, more: str = SHORT) -> str:
    """A configuration with these accounts, which track one task each."""
    keys = "access_key_id: simulator, access_key_secret: simulator, security_token: token"
    rows = [
        f"  - name: {name}\n    endpoint: {endpoint}\n    credentials: {{{keys}}}\n"
        f"    track: {{tasks: [{tasks.get(name, TASK)}], discovery: {{enabled: false}}}}\n"
        for name, endpoint in endpoints.items()
    ]
    return f"accounts:\n{''.join(rows)}state: {{memory: true}}\n{more}"


def failing(simulators: Simulators, faults: Mapping[str, Fault]) -> tuple[dict[str, str], dict[str, str]]:
    """The endpoints and tasks of an account for each fault, which all calls meet, and of a good account."""
    endpoints, tasks = {}, {}
    for name in (*faults, "good"):
        simulator = simulators(speed=0.001, tasks=1)
        endpoints[name], tasks[name] = simulator.url, simulator.world.tasks[0].id
        if name in faults:
            simulator.faults.add(faults[name])
    return endpoints, tasks


def up(text: str, name: str) -> bool:
    return f'vod_up{{account="{name}"}} 1.0' in text


def errors(text: str, name: str, code: str) -> float:
    return total(text, "vod_exporter_api_errors_total", account=name, code=code)


def requests_of(text: str, name: str) -> float:
    return total(text, "vod_exporter_api_requests_total", account=name, action="GetTranscodeTask")


def total(text: str, metric: str, **labels: str) -> float:
    """The sum of the series with these labels."""
    rows = (line for line in text.splitlines() if line.startswith(f"{metric}{{"))
    found = (row for row in rows if all(f'{label}="{value}"' in row for label, value in labels.items()))
    return sum(float(row.rpartition(" ")[2]) for row in found)


def scraped_until(exporter: ExporterProcess, codes: Mapping[str, str]) -> str:
    """Scrape until each of these accounts has an error with its code. Returns the last answer."""
    texts = [""]

    def all_there() -> bool:
        texts.append(exporter.get().text)
        return all(errors(texts[-1], name, code) for name, code in codes.items())

    wait_until(all_there, message=lambda: str({name: errors(texts[-1], name, code) for name, code in codes.items()}))
    return texts[-1]


def assert_good(exporter: ExporterProcess, text: str) -> None:
    assert up(text, "good")
    assert total(text, "vod_transcode_job_info", account="good") > 0
    assert "Traceback" not in exporter.log


@pytest.fixture
def full() -> Iterator[str]:
    """The URL of a server that accepts no connection: its queue is full, so the kernel answers no further one."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_an_unreachable_vod_makes_its_account_down_and_no_other(
    start: Start, simulators: Simulators, full: str
) -> None:
    """No name, nobody listens, a reset in the body, and no answer to the connection."""
    endpoints, tasks = failing(simulators, {"reset": Fault(kind="reset")})
    endpoints |= {"dns": "http://vod.invalid", "refused": NOWHERE, "silent": full}
    codes = {"dns": "dns", "refused": "connect", "reset": "reset", "silent": "connect_timeout"}
    exporter = start(accounts(endpoints, tasks))
    text = scraped_until(exporter, codes)
    for name in codes:
        assert not up(text, name)
        assert f'msg="account down" account={name} ' in exporter.log
    assert_good(exporter, text)


def test_a_throttled_account_backs_off_within_the_deadline(start: Start, simulators: Simulators) -> None:
    throttled = {
        "user": Fault(kind="code", code="Throttling.User", status=400),
        "gateway": Fault(kind="status", status=429),
        "unavailable": Fault(kind="status", status=503, retry_after=30),
    }
    codes = {"user": "Throttling.User", "gateway": "http_429", "unavailable": "http_503"}
    exporter = start(accounts(*failing(simulators, throttled), more="scrape: {min_interval: 0s, timeout: 2s}\n"))
    before = scraped_until(exporter, codes)
    scrapes: list[object] = []
    assert fastest(lambda: scrapes.append(exporter.get()), wanted=2.5) < 2.5
    text = exporter.get().text
    for name in codes:
        spent = requests_of(text, name) - requests_of(before, name)
        assert spent <= ATTEMPTS * (len(scrapes) + 1), name
        assert not up(text, name)
    assert_good(exporter, text)


REFUSALS = {
    "id": ("InvalidAccessKeyId.NotFound", "check access_key_id"),
    "signature": ("SignatureDoesNotMatch", "check access_key_secret"),
    "clock": ("InvalidTimeStamp.Expired", "clock"),
    "permission": ("Forbidden.RAM", "GetTranscodeTask"),
}


def test_refused_keys_are_not_tried_again_and_the_log_names_the_remedy(start: Start, simulators: Simulators) -> None:
    """A token that has expired is tried again once, because it may have been renewed meanwhile."""
    faults = {name: Fault(kind="code", code=code) for name, (code, _) in REFUSALS.items()}
    expired = "InvalidSecurityToken.Expired"
    faults["expired"] = Fault(kind="code", code=expired)
    config = accounts(*failing(simulators, faults), more="scrape: {min_interval: 1h}\n")
    exporter = start(config)
    text = scraped_until(exporter, {name: code for name, (code, _) in REFUSALS.items()} | {"expired": expired})
    for name, (_, remedy) in REFUSALS.items():
        assert requests_of(text, name) == 1, name
        (line,) = [line for line in exporter.log.splitlines() if f"account={name} " in line]
        assert remedy in line
    assert requests_of(text, "expired") == 2
    assert not any(up(text, name) for name in faults)
    assert_good(exporter, text)


MALFORMED = {
    "empty": (Fault(kind="malformed", body=""), "empty"),
    "html": (Fault(kind="html"), "html"),
    "truncated": (Fault(kind="truncated"), "reset"),
    "types": (Fault(kind="malformed", variant="types"), "no_task"),
    "nesting": (Fault(kind="malformed", variant="nesting"), "not_json"),
    "huge": (Fault(kind="huge", size=2**25), "too_large"),
    "bomb": (Fault(kind="gzip-bomb", size=2**25), "too_large"),
    "drip": (Fault(kind="drip", seconds=0.5), "timeout"),
    "stall": (Fault(kind="stall"), "timeout"),
    "redirect": (Fault(kind="redirect"), "redirect"),
}


def test_each_malformed_answer_is_an_error_of_its_kind_in_bounded_memory(start: Start, simulators: Simulators) -> None:
    """Also numbers of 5,000 digits, which cost only their fields."""
    faults = {name: fault for name, (fault, _) in MALFORMED.items()}
    faults["digits"] = Fault(kind="malformed", variant="digits")
    exporter = start(accounts(*failing(simulators, faults)))
    exporter.get()
    memory = exporter.status("VmHWM")
    text = scraped_until(exporter, {name: code for name, (_, code) in MALFORMED.items()})
    assert exporter.status("VmHWM") < memory + 100_000  # KiB
    assert not any(up(text, name) for name in MALFORMED if name != "types")  # `types` concerns one task
    assert total(text, "vod_exporter_malformed_fields_total", account="digits", field="Filesize") > 0
    assert up(text, "digits")
    assert_good(exporter, text)


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
        wait_until(lambda: exporter.value(series))
        assert exporter.value('vod_up{account="prod"}') == 0
    finally:
        vod.close()
