"""Sending a call to the simulator with its faults and to scripted servers: retries, tokens, budget, secrets."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    BudgetSpent,
    ConnectionFailed,
    CredentialsError,
    DeadlineError,
    MalformedResponse,
    TemporaryError,
    Throttled,
    VodError,
)
from exporter.simulator.faults import KINDS, Fault
from exporter.simulator.server import Simulator
from exporter.vod import sender, signing
from exporter.vod.body import MAX_BODY_BYTES
from exporter.vod.client import Client
from exporter.vod.limiter import Limiter, Turn
from exporter.vod.sender import ATTEMPTS
from tests.conftest import wait_until
from tests.vod.behaviours import SHORT, SOON, nonces, refused
from tests.vod.conftest import a_task, codes

pytestmark = pytest.mark.usefixtures("quick")


Start = Callable[..., Any]
Make = Callable[..., bytes]
Observed = list[tuple[str, float | None, str | None]]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(kind="malformed", body=""), "empty"),
        (Fault(kind="malformed", body=" \n"), "empty"),
        (Fault(kind="html"), "html"),
        (Fault(kind="malformed", body='{"TranscodeTask": {'), "not_json"),
        (Fault(kind="malformed", body="hello"), "not_json"),
        (Fault(kind="malformed", body='"\\ud800"'), "not_object"),
        (Fault(kind="malformed", body="[]"), "not_object"),
        (Fault(kind="malformed", body="null"), "not_object"),
        (Fault(kind="malformed", variant="nesting"), "not_json"),
        (Fault(kind="malformed", body="{}"), "no_task"),
        (Fault(kind="malformed", variant="types"), "no_task"),
        (Fault(kind="replace", fields={"TranscodeTaskId": "another"}), "wrong_task"),
        (Fault(kind="redirect"), "redirect"),
        (Fault(kind="huge", size=2**23), "too_large"),
        (Fault(kind="gzip-bomb", size=2**25), "too_large"),
        (Fault(kind="html", status=404), "http_404"),
        (Fault(kind="html", status=403), "http_403"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_an_answer_that_is_not_from_the_api_is_malformed(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed, fault: Fault, code: str
) -> None:
    """Each kind has its own error code, and is not retried."""
    world.faults.add(fault)
    with pytest.raises(MalformedResponse) as caught:
        vod.get_task(a_task(world).id, soon)
    assert caught.value.code == code
    assert str(caught.value).startswith("GetTranscodeTask: ")
    assert codes(observed) == [code]


@pytest.mark.parametrize("variant", ["digits", "nan"])
def test_malformed_numbers_cost_only_their_fields(world: Simulator, vod: Client, soon: Deadline, variant: str) -> None:
    """By default, Python refuses integers of 5,000 digits, and with them the whole body."""
    world.faults.add(Fault(kind="malformed", variant=variant))
    task, malformed = vod.get_task("", soon)
    assert len(task.jobs) == 1
    assert "Filesize" in malformed


def test_an_answer_that_is_not_utf8_is_malformed(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    """RFC 8259, section 8.1: JSON between systems is UTF-8."""
    server = wire(answer('{"TranscodeTask": {"TranscodeTaskId": "一"}}'.encode("utf-16")))
    with pytest.raises(MalformedResponse, match="not JSON"):
        clients(server.url).get_task("1", soon)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_ends_by_the_deadline(world: Simulator, vod: Client, kind: str) -> None:
    """The call returns a reply or raises a VodError."""
    fields = {"TranscodeProgress": "half"} if kind == "replace" else None
    world.faults.add(Fault(kind=kind, fields=fields, size=2**25))
    started = time.monotonic()
    with suppress(VodError):
        vod.get_jobs([a_task(world).jobs[0].id], Deadline.after(SHORT))
        list(vod.list_videos(Deadline.after(SHORT)))
    assert time.monotonic() - started < SOON


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="code", code="Throttling.User"), Throttled),
        (Fault(kind="code", code="Throttling.Api", status=429), Throttled),
        (Fault(kind="code", code="Throttling", status=503, retry_after="0"), Throttled),
        (Fault(kind="status", status=429), Throttled),
        (Fault(kind="status", status=503, retry_after="0"), TemporaryError),
        (Fault(kind="code", code="ServiceUnAvailable"), TemporaryError),
        (Fault(kind="code", code="InternalError"), TemporaryError),
        (Fault(kind="code", code="SignatureNonceUsed"), TemporaryError),
        (Fault(kind="reset"), ConnectionFailed),
        (Fault(kind="close"), ConnectionFailed),
        (Fault(kind="truncated"), ConnectionFailed),
    ],
    ids=lambda value: f"{value.kind} {value.code} {value.status}" if isinstance(value, Fault) else "",
)
def test_temporary_errors_are_retried(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed, fault: Fault, kind: type[VodError]
) -> None:
    """Attempts are bounded and counted, and the last error is raised. A call after the fault succeeds."""
    task = a_task(world)
    world.faults.add(fault)
    with pytest.raises(kind) as caught:
        vod.get_task(task.id, soon)
    assert codes(observed) == [caught.value.code] * ATTEMPTS

    observed.clear()
    world.faults.clear()
    world.faults.add(Fault(**{name: getattr(fault, name) for name in fault.__slots__} | {"count": 2}))
    assert vod.get_task(task.id, soon)[0].id == task.id
    assert codes(observed) == [caught.value.code] * 2 + [None]


def test_each_attempt_has_a_new_signature(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    """VOD refuses a repeated nonce."""
    server = wire(answer(refused("Throttling.User"), status="400 Bad"))
    with pytest.raises(Throttled):
        clients(server.url).get_task("1", soon)
    signatures = {head.partition(b"Signature=")[2].partition(b"\r")[0] for head in server.heads}
    assert (len(server.heads), len(nonces(server)), len(signatures)) == (ATTEMPTS, ATTEMPTS, ATTEMPTS)


def test_each_attempt_takes_a_turn_of_the_budget(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    now = time.monotonic()
    limiter = Limiter(50, clock=lambda: now)
    server = wire(answer(b"", status="503 Busy"))
    with pytest.raises(TemporaryError):
        clients(server.url, limiter=limiter).get_task("1", soon)
    assert len(server.heads) == ATTEMPTS
    assert limiter.turn("GetTranscodeTask", soon).seconds == pytest.approx(ATTEMPTS / 50)


@pytest.mark.slow
def test_a_retry_waits_for_retry_after(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    moments: list[float] = []

    def busy_once(server: Any, connection: socket.socket) -> bool:
        moments.append(time.monotonic())
        first = answer(b"", "Retry-After: 1", status="503 Busy")
        connection.sendall(first if len(moments) == 1 else answer(b'{"VideoList": []}'))
        return True

    assert list(clients(wire(busy_once).url).list_videos(soon))
    assert moments[1] - moments[0] >= 1


@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
def test_a_pause_that_would_pass_the_deadline_is_not_started(
    clients: Start, wire: Start, answer: Make, status: str
) -> None:
    server = wire(answer(b"", "Retry-After: 3600", status=status))
    started = time.monotonic()
    with pytest.raises((Throttled, TemporaryError)) as caught:
        clients(server.url).get_task("1", Deadline.after(20))
    assert time.monotonic() - started < SOON
    assert caught.value.retry_after == 3600
    assert len(server.heads) == 1


@pytest.mark.slow
def test_backing_off_ends_with_the_deadline(
    clients: Start, wire: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second pause, of two seconds, would pass it. Each request has more than a second left."""
    monkeypatch.setattr(sender, "_BACKOFF_SECONDS", 1.0)
    monkeypatch.setattr("random.uniform", lambda *_: 1.0)
    server = wire(answer(b"", status="503 Busy"))
    deadline = Deadline.after(2.5)
    with pytest.raises(TemporaryError):
        clients(server.url).get_task("1", deadline)
    assert not deadline.expired
    assert len(server.heads) == 2


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS + 1))
def test_the_pause_doubles_is_random_and_never_zero(attempt: int) -> None:
    """A Retry-After of 0 seconds does not shorten the pause."""
    base = sender._BACKOFF_SECONDS * 2 ** (attempt - 1)
    for asked in (None, 0.0):
        error = Throttled("", code="Throttling", retry_after=asked)
        waits = {sender._pause(error, attempt) for _ in range(50)}
        assert len(waits) > 1
        assert all(wait is not None and base / 2 <= wait <= base * 1.5 for wait in waits)


@pytest.mark.parametrize(
    "code",
    [
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyId.Inactive",
        "SignatureDoesNotMatch",
        "InvalidTimeStamp.Expired",
        "InvalidSecurityToken.Malformed",
        "Forbidden",
        "Forbidden.RAM",
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404, 503])
def test_errors_that_an_operator_must_correct_are_not_retried(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed, code: str, status: int
) -> None:
    """The status does not matter: a 404 with such a code is not a missing id."""
    world.faults.add(Fault(kind="code", code=code, status=status, retry_after="0"))
    with pytest.raises(CredentialsError, match=code):
        vod.get_task(a_task(world).id, soon)
    assert codes(observed) == [code]


def test_a_wrong_secret_says_what_to_check(world: Simulator, clients: Start, soon: Deadline) -> None:
    with pytest.raises(CredentialsError, match="check access_key_secret"):
        clients(world.url, secret="wrong").get_task("1", soon)


def test_a_wrong_clock_says_so(world: Simulator, vod: Client, soon: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "timestamp", lambda _: "2020-01-01T00:00:00Z")
    with pytest.raises(CredentialsError, match="correct this machine's clock"):
        vod.get_task(a_task(world).id, soon)


def test_a_refused_connection_is_not_retried(clients: Start, closed_port: int, observed: Observed) -> None:
    with pytest.raises(ConnectionFailed):
        clients(f"http://127.0.0.1:{closed_port}").get_task("1", Deadline.after(20))
    assert codes(observed) == ["connect"]


@pytest.mark.slow
def test_an_expired_deadline_is_not_retried(world: Simulator, vod: Client, observed: Observed) -> None:
    world.faults.add(Fault(kind="hang"))
    with pytest.raises(DeadlineError):
        vod.get_task(a_task(world).id, Deadline.after(SHORT))
    assert codes(observed) == ["timeout"]


class Turns(Limiter):
    """Gives out turns that have come, and notes which calls were urgent. The first call that is not loses its turn."""

    def __init__(self) -> None:
        super().__init__(10_000)
        self.urgent: list[bool] = []

    def turn(self, action: str, deadline: Deadline, *, urgent: bool = False) -> Turn:  # noqa: ARG002 - as the limiter's
        self.urgent.append(urgent)
        return Turn(0.0, 0.0, given_away=not urgent and len(self.urgent) == 1)


def test_a_call_whose_turn_was_given_away_takes_another(
    clients: Start, wire: Start, answer: Make, soon: Deadline
) -> None:
    limiter, server = Turns(), wire(answer())
    vod = clients(server.url, limiter=limiter)
    vod.get_jobs(["a"], soon)
    assert (limiter.urgent, len(server.heads)) == ([False, False], 1)
    vod.get_jobs(["a"], soon, urgent=True)
    assert (limiter.urgent, len(server.heads)) == ([False, False, True], 2)


class Late(Turns):
    """Each call is too late."""

    def came(self, action: str, turn: Turn) -> bool:  # noqa: ARG002 - as the limiter's
        return True


def test_the_log_says_once_that_calls_are_slowed_down(
    clients: Start, wire: Start, answer: Make, soon: Deadline, caplog: pytest.LogCaptureFixture
) -> None:
    vod = clients(wire(answer()).url, limiter=Late())
    for _ in range(3):
        vod.get_jobs(["a"], soon)
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["calls slowed down, because the processor is too busy to send them in time"]


def test_the_latency_is_the_mean_time_of_answers_and_not_of_failures(
    clients: Start, wire: Start, answer: Make, soon: Deadline
) -> None:
    """A service that is down for many accounts must not start many calls of each."""
    vod = clients(wire(answer()).url)
    assert vod.latency == 0.0
    vod.get_jobs(["a"], soon)
    first = vod.latency
    vod.get_jobs(["a"], soon)
    assert 0.0 < first != vod.latency
    failing = clients(wire(answer(b"", status="403 No")).url)
    with pytest.raises(VodError):
        failing.get_jobs(["a"], soon)
    assert failing.latency == 0.0


def test_without_budget_nothing_is_sent_or_observed(clients: Start, wire: Start, observed: Observed) -> None:
    server = wire(b"")
    limiter = Limiter(0.01)
    limiter.turn("GetTranscodeTask", Deadline.after(20))
    with pytest.raises(BudgetSpent):
        clients(server.url, limiter=limiter).get_task("1", Deadline.after(20))
    assert (server.connections, observed) == (0, [])


def test_a_failure_is_not_hidden_by_a_spent_budget(
    clients: Start, wire: Start, answer: Make, observed: Observed
) -> None:
    """`BudgetSpent` would say that no request was sent."""
    server = wire(answer(b"", status="503 Busy"))
    with pytest.raises(TemporaryError) as caught:
        clients(server.url, limiter=Limiter(0.01)).get_task("1", Deadline.after(20))
    assert caught.value.code == "http_503"
    assert codes(observed) == ["http_503"]


def test_the_observer_gets_the_duration_of_each_attempt(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed
) -> None:
    world.faults.add(Fault(kind="delay", seconds=0.2, count=1))
    moments = [time.monotonic()]
    for _ in range(2):
        vod.get_task(a_task(world).id, soon)
        moments.append(time.monotonic())
    seconds = [one or 0.0 for _, one, _ in observed]
    assert 0.2 <= seconds[0] <= moments[1] - moments[0]
    assert 0.0 < seconds[1] <= moments[2] - moments[1]


def test_a_throttled_call_slows_its_operation_down(
    clients: Start, wire: Start, answer: Make, soon: Deadline, quick: None
) -> None:
    limiter = Limiter(1000)
    with pytest.raises(Throttled):
        clients(wire(answer(refused("Throttling.User"), status="400 Bad")).url, limiter=limiter).get_task("1", soon)
    assert limiter.rate("GetTranscodeTask") < 600
    assert limiter.rate("GetVideoList") == 1000


def test_an_answer_that_is_too_large_slows_its_operation_down(
    clients: Start, wire: Start, answer: Make, soon: Deadline, quick: None
) -> None:
    """It takes time to read, and the next may be as large."""
    limiter = Limiter(1000)
    with pytest.raises(MalformedResponse, match="bytes"):
        clients(wire(answer(b" " * (MAX_BODY_BYTES + 1))).url, limiter=limiter).get_task("1", soon)
    assert limiter.rate("GetTranscodeTask") < 600


@pytest.mark.slow
def test_waiting_calls_respect_a_retry_after_of_another_call(
    clients: Start, wire: Start, answer: Make, soon: Deadline
) -> None:
    """Their turns were taken before the answer with Retry-After."""
    moments: list[float] = []

    def busy_once(_: Any, connection: socket.socket) -> bool:
        moments.append(time.monotonic())
        busy = answer(b"", "Retry-After: 2", status="429 Busy")
        connection.sendall(busy if len(moments) == 1 else answer(b'{"TranscodeTask": {"TranscodeTaskId": "1"}}'))
        return True

    client = clients(wire(busy_once).url, limiter=Limiter(1))  # the second turn is after the answer to the first call
    with ThreadPoolExecutor(2) as pool:
        for call in [pool.submit(client.get_task, "1", soon) for _ in range(2)]:
            call.result()

    assert len(moments) == 3
    assert min(moments[1:]) - moments[0] >= 1.9


def test_missing_keys_cost_no_turn_and_no_request(
    clients: Start, wire: Start, soon: Deadline, observed: Observed
) -> None:
    class Lost:
        def keys(self) -> Any:
            raise CredentialsError("no key file", code="keys")

    server, limiter = wire(b""), Limiter(0.01)
    with pytest.raises(CredentialsError):
        clients(server.url, credentials=Lost(), limiter=limiter).get_task("1", soon)
    assert (server.connections, observed) == (0, [("GetTranscodeTask", None, "keys")])
    assert limiter.turn("GetTranscodeTask", soon).seconds == 0


@pytest.mark.slow
def test_the_wait_for_a_turn_is_not_part_of_the_timeout(world: Simulator, clients: Start, soon: Deadline) -> None:
    vod = clients(world.url, limiter=Limiter(0.5), timeout=1.5)
    assert {vod.get_task(a_task(world).id, soon)[0].id for _ in range(2)} == {a_task(world).id}


def test_a_call_ends_after_its_timeout_even_if_the_deadline_is_later(world: Simulator, clients: Start) -> None:
    world.faults.add(Fault(kind="stall"))
    started = time.monotonic()
    with pytest.raises(DeadlineError):
        clients(world.url, timeout=0.3).get_task(a_task(world).id, Deadline(math.inf))
    assert time.monotonic() - started < SOON


def test_closing_the_client_ends_waits_for_turns_and_retries(
    clients: Start, wire: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_BACKOFF_SECONDS", 60.0)
    limiter, server = Limiter(0.001), wire(answer(b"", status="503 Busy"))
    waiting = clients(server.url, limiter=limiter, timeout=3600.0)
    with ThreadPoolExecutor(2) as pool:
        tried = pool.submit(waiting.get_task, "1", Deadline(math.inf))
        wait_until(lambda: server.heads)
        queued = pool.submit(waiting.get_task, "2", Deadline(math.inf))
        time.sleep(0.1)
        waiting.close()
        assert isinstance(tried.exception(20), TemporaryError)
        assert isinstance(queued.exception(20), BudgetSpent)
    assert len(server.heads) == 1


@pytest.mark.slow
def test_the_client_knows_when_the_oldest_unanswered_request_was_sent(world: Simulator, clients: Start) -> None:
    vod = clients(world.url)
    world.faults.add(Fault(kind="delay", seconds=1.0, count=1))
    before, began = vod.waiting_since, time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(vod.get_task, a_task(world).id, Deadline.after(20))
        wait_until(lambda: vod.waiting_since, seconds=10)
        during, seen = vod.waiting_since, time.monotonic()
        call.result()
    assert before is None
    assert during is not None
    assert began <= during <= seen
    assert vod.waiting_since is None


def test_each_request_is_logged_on_level_debug(vod: Client, soon: Deadline, caplog: pytest.LogCaptureFixture) -> None:
    """With operation, number of ids, seconds and code. No id, key or signature is in it."""
    caplog.set_level("DEBUG", "exporter.vod")
    with suppress(VodError):
        vod.get_task("f" * 32, soon)
    vod.get_jobs(["f" * 32, "e" * 32], soon)
    lines = [vars(record) for record in caplog.records if record.message == "request"]
    assert [(line["action"], line["ids"], line["code"]) for line in lines] == [
        ("GetTranscodeTask", 1, "NoSuchResource"),
        ("GetTranscodeTask", 2, "ok"),
    ]
    assert all(line["seconds"] >= 0 for line in lines)
    assert "f" * 32 not in str([line["msg"] for line in lines])
