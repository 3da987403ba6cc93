"""The client against the simulator with its faults, and against scripted servers."""

from __future__ import annotations

import json
import logging
import math
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter.deadline import Deadline
from exporter.errors import (
    BudgetSpent,
    ConnectionFailed,
    CredentialsError,
    DeadlineError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
    TemporaryError,
    Throttled,
    TokenExpired,
    VodError,
)
from exporter.keys import SecretText
from exporter.model import ACTIONS
from exporter.simulator import Simulator
from exporter.simulator.faults import KINDS, Fault
from exporter.vod import client as client_module
from exporter.vod.client import ATTEMPTS, JOB_IDS_PER_CALL, TASKS_PER_PAGE, VIDEOS_PER_PAGE, Client
from exporter.vod.credentials import Keys
from exporter.vod.limiter import Limiter

pytestmark = pytest.mark.usefixtures("quick")

SHORT = 0.5
SOON = 3.0
SECRET = "canary+secret/=="
TOKEN = "canary+token/" + "T" * 900 + "=="

Start = Callable[..., Any]
Make = Callable[..., bytes]
Observed = list[tuple[str, float | None, str | None]]


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(quota=math.inf, history=6 * 3600) as simulator:
        simulator.clock.freeze()
        yield simulator


@pytest.fixture
def world(service: Simulator) -> Iterator[Simulator]:
    """A simulator with a stopped clock, no quota, some hundreds of videos and no faults."""
    yield service
    service.faults.clear()


@pytest.fixture
def vod(world: Simulator, clients: Callable[..., Client]) -> Client:
    return clients(world.url)


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(20)


def a_task(world: Simulator) -> Any:
    return next(task for task in world.world.tasks if task.jobs)


def codes(observed: Observed) -> list[str | None]:
    return [code for _, _, code in observed]


def refused(code: str, message: str = "because", **more: str) -> bytes:
    return json.dumps({"RequestId": "1", "HostId": "vod", "Code": code, "Message": message, **more}).encode()


def nonces(server: Any) -> set[bytes]:
    return {line for head in server.heads for line in head.split(b"\r\n") if line.startswith(b"x-acs-signature-nonce")}


# --- operations ---


def test_a_task_is_read_by_its_id(world: Simulator, vod: Client, soon: Deadline, observed: Observed) -> None:
    expected = a_task(world)
    task, malformed = vod.get_task(expected.id, soon)
    assert (task.id, task.video_id, malformed) == (expected.id, expected.video.id, ())
    assert {job.id for job in task.jobs} <= {job.id for job in expected.jobs} | {""}
    assert len(task.jobs) == len(expected.jobs)
    assert [(action, code) for action, _, code in observed] == [("GetTranscodeTask", None)]


def test_the_actions_are_those_that_the_methods_of_the_client_send(
    world: Simulator, vod: Client, soon: Deadline, observed: Observed
) -> None:
    """The documentation lists a RAM permission for each action, and each action has counters from the start."""
    task = a_task(world)
    calls: dict[str, Callable[[], object]] = {
        "get_task": lambda: vod.get_task(task.id, soon),
        "get_jobs": lambda: vod.get_jobs([task.jobs[0].id], soon),
        "list_tasks": lambda: next(vod.list_tasks(task.video.id, soon)),
        "list_videos": lambda: next(vod.list_videos(soon)),
    }
    methods = {name for name in vars(Client) if not name.startswith("_")}
    assert methods == calls.keys() | {"close", "waiting_since"}  # a new operation needs a call here
    for call in calls.values():
        call()
    assert {action for action, _, _ in observed} == set(ACTIONS)


def test_jobs_are_requested_by_their_ids(world: Simulator, vod: Client, soon: Deadline) -> None:
    """One call has up to ten jobs of any tasks. VOD returns unknown ids separately."""
    ids = [job.id for task in world.world.tasks for job in task.jobs][: JOB_IDS_PER_CALL - 1]
    reply = vod.get_jobs([*ids, "nowhere"], soon)
    assert [job.id for job in reply.jobs] == ids
    assert "nowhere" not in {job.id for job in reply.jobs}


def test_the_tasks_of_a_video_are_listed(world: Simulator, vod: Client, soon: Deadline) -> None:
    expected = a_task(world)
    pages = list(vod.list_tasks(expected.video.id, soon))
    assert expected.id in {task.id for page in pages for task in page.tasks}
    assert all(task.video_id == expected.video.id for page in pages for task in page.tasks)


def test_all_videos_page_by_page(world: Simulator, vod: Client, soon: Deadline, observed: Observed) -> None:
    pages = list(vod.list_videos(soon))
    expected = {task.video.id for task in world.world.tasks}
    assert {video.id for page in pages for video in page.videos} == expected
    assert len(expected) > 3 * VIDEOS_PER_PAGE
    assert len(observed) == len(pages) == len(expected) // VIDEOS_PER_PAGE + 1


def test_videos_by_status_and_time(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    server = wire(answer(b'{"VideoList": {"Video": []}}'))
    list(clients(server.url).list_videos(soon, statuses=("Transcoding", "TranscodeFail"), created=(0, 86_400.9)))
    assert parse_qs(server.heads[0].split()[1].partition(b"?")[2].decode()) == {
        "Status": ["Transcoding,TranscodeFail"],
        "StartTime": ["1970-01-01T00:00:00Z"],
        "EndTime": ["1970-01-02T00:00:00Z"],
        "PageNo": ["1"],
        "PageSize": ["100"],
    }


def test_an_unknown_id_is_not_found(vod: Client, soon: Deadline) -> None:
    with pytest.raises(NotFoundError, match="NoSuchResource"):
        vod.get_task("nowhere", soon)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(max_size=60))
@example("~-_.!*'()")
@example("a b+c%20d&e=f#g?h/i;j:k@l,m$n")
@example("转码/../%2e%2e\x00\r\n")
@example("%")
@example("é\u202e𝔘")
def test_any_value_survives_signing_and_the_address(vod: Client, value: str) -> None:
    """The simulator checks the signature over the values that it receives."""
    for ask in (vod.get_task, lambda *asked: list(vod.list_tasks(*asked))):
        with pytest.raises(VodError) as caught:
            ask(value, Deadline.after(20))
        assert caught.value.code in ("NoSuchResource", "InvalidVideo.NotFound", "MissingParameter")
        assert isinstance(caught.value, RequestRejected if not value.strip() else NotFoundError)


def test_an_id_that_cannot_be_encoded_is_refused_without_a_request(vod: Client, soon: Deadline) -> None:
    with pytest.raises(RequestRejected) as caught:
        vod.get_task("\udcff", soon)
    assert caught.value.code == "not_text"


def test_a_token_is_sent_and_signed(clients: Start, soon: Deadline, wire: Start, answer: Make) -> None:
    with Simulator(access_key_secret=SECRET, quota=math.inf) as simulator:
        assert list(clients(simulator.url, secret=SECRET, token=TOKEN).list_videos(soon))
    server = wire(answer(b'{"VideoList": {"Video": []}}'))
    list(clients(server.url, token=TOKEN).list_videos(soon))
    assert f"\r\nx-acs-security-token: {TOKEN}\r\n".encode() in server.heads[0]
    assert b"x-acs-security-token" in server.heads[0].partition(b"SignedHeaders=")[2]


def test_many_threads_share_a_client(world: Simulator, vod: Client, observed: Observed) -> None:
    task = a_task(world)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: vod.get_task(task.id, Deadline.after(20))[0].id, range(160)))
    assert found == [task.id] * 160
    assert codes(observed) == [None] * 160


# --- answers that are not the API's ---


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


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_fault_ends_by_the_deadline(world: Simulator, vod: Client, kind: str) -> None:
    """The call returns a reply or raises a VodError."""
    fields = {"TranscodeProgress": "half"} if kind == "replace" else None
    world.faults.add(Fault(kind=kind, fields=fields, size=2**25))
    started = time.monotonic()
    with suppress(VodError):
        vod.get_jobs([a_task(world).jobs[0].id], Deadline.after(SHORT))
        list(vod.list_videos(Deadline.after(SHORT)))
    assert time.monotonic() - started < SOON + SHORT


# --- trying again ---


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
    assert limiter.turn("GetTranscodeTask", soon) == pytest.approx(ATTEMPTS / 50)


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


def test_backing_off_ends_with_the_deadline(
    clients: Start, wire: Start, answer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_BACKOFF_SECONDS", 0.3)
    server = wire(answer(b"", status="503 Busy"))
    started = time.monotonic()
    with pytest.raises(TemporaryError):
        clients(server.url).get_task("1", Deadline.after(SHORT))
    assert time.monotonic() - started < SOON
    assert 1 <= len(server.heads) < ATTEMPTS


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS + 1))
def test_the_pause_doubles_is_random_and_never_zero(attempt: int) -> None:
    """A Retry-After of 0 seconds does not shorten the pause."""
    base = client_module._BACKOFF_SECONDS * 2 ** (attempt - 1)
    for asked in (None, 0.0):
        error = Throttled("", code="Throttling", retry_after=asked)
        waits = {client_module._pause(error, attempt) for _ in range(50)}
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
    monkeypatch.setattr(client_module, "_timestamp", lambda _: "2020-01-01T00:00:00Z")
    with pytest.raises(CredentialsError, match="correct this machine's clock"):
        vod.get_task(a_task(world).id, soon)


def test_a_refused_connection_is_not_retried(clients: Start, wire: Start, observed: Observed) -> None:
    server = wire(b"")
    server.stop()
    with pytest.raises(ConnectionFailed):
        clients(server.url).get_task("1", Deadline.after(20))
    assert codes(observed) == ["connect"]


def test_an_expired_deadline_is_not_retried(world: Simulator, vod: Client, observed: Observed) -> None:
    world.faults.add(Fault(kind="hang"))
    with pytest.raises(DeadlineError):
        vod.get_task(a_task(world).id, Deadline.after(SHORT))
    assert codes(observed) == ["timeout"]


# --- tokens ---


def renewing(fake: Start, *tokens: str) -> Any:
    return fake(*[Keys("simulator", SecretText("simulator"), SecretText(token)) for token in tokens])


def only_takes(token: str, answer: Make, *, busy: int = 0) -> Start:
    """A server that answers 503 `busy` times, and then accepts only this token."""

    def does(server: Any, connection: socket.socket) -> bool:
        if len(server.heads) <= busy:
            connection.sendall(answer(b"", status="503 Busy"))
        elif f"x-acs-security-token: {token}\r\n".encode() in server.heads[-1]:
            connection.sendall(answer(b'{"TranscodeTask": {"TranscodeTaskId": "1"}}'))
        else:
            connection.sendall(answer(refused("InvalidSecurityToken.Expired"), status="403 Forbidden"))
        return True

    return does


@pytest.mark.parametrize("busy", range(ATTEMPTS))
def test_an_expired_token_is_renewed(
    clients: Start, wire: Start, answer: Make, soon: Deadline, observed: Observed, fake_credentials: Start, busy: int
) -> None:
    """This holds for each attempt, including the last."""
    credentials = renewing(fake_credentials, "old", "new")
    server = wire(only_takes("new", answer, busy=busy))
    assert clients(server.url, credentials=credentials).get_task("1", soon)[0].id == "1"
    assert codes(observed) == ["http_503"] * busy + ["InvalidSecurityToken.Expired", None]
    assert credentials.renewals == 1
    assert len(nonces(server)) == busy + 2


def test_a_token_is_renewed_once_only(
    clients: Start, wire: Start, answer: Make, soon: Deadline, observed: Observed, fake_credentials: Start
) -> None:
    credentials = renewing(fake_credentials, "old", "older", "newest")
    with pytest.raises(TokenExpired, match="renew the security token"):
        clients(wire(only_takes("newest", answer)).url, credentials=credentials).get_task("1", soon)
    assert codes(observed) == ["InvalidSecurityToken.Expired"] * 2
    assert credentials.renewals == 1


# --- budget ---


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
    vod.get_task(a_task(world).id, soon)
    vod.get_task(a_task(world).id, soon)
    seconds = [one or 0.0 for _, one, _ in observed]
    assert 0.2 <= seconds[0] < SOON
    assert 0.0 < seconds[1] < seconds[0]


def test_a_throttled_call_slows_its_operation_down(
    clients: Start, wire: Start, answer: Make, soon: Deadline, quick: None
) -> None:
    limiter = Limiter(1000)
    with pytest.raises(Throttled):
        clients(wire(answer(refused("Throttling.User"), status="400 Bad")).url, limiter=limiter).get_task("1", soon)
    assert limiter.rate("GetTranscodeTask") < 600
    assert limiter.rate("GetVideoList") == 1000


def test_waiting_calls_respect_a_retry_after_of_another_call(
    clients: Start, wire: Start, answer: Make, soon: Deadline
) -> None:
    """Their turns were taken before the answer with Retry-After."""
    moments: list[float] = []

    def busy_once(_: Any, connection: socket.socket) -> bool:
        moments.append(time.monotonic())
        busy = answer(b"", "Retry-After: 1", status="429 Busy")
        connection.sendall(busy if len(moments) == 1 else answer(b'{"TranscodeTask": {"TranscodeTaskId": "1"}}'))
        return True

    client = clients(wire(busy_once).url, limiter=Limiter(10))
    with ThreadPoolExecutor(5) as pool:
        for call in [pool.submit(client.get_task, "1", soon) for _ in range(5)]:
            call.result()

    assert len(moments) == 6
    assert min(moments[1:]) - moments[0] >= 0.9


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
    assert limiter.turn("GetTranscodeTask", soon) == 0


def test_the_wait_for_a_turn_is_not_part_of_the_timeout(world: Simulator, clients: Start, soon: Deadline) -> None:
    vod = clients(world.url, limiter=Limiter(2.5), timeout=0.3)
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
    monkeypatch.setattr(client_module, "_BACKOFF_SECONDS", 60.0)
    limiter, server = Limiter(0.001), wire(answer(b"", status="503 Busy"))
    waiting = clients(server.url, limiter=limiter, timeout=3600.0)
    with ThreadPoolExecutor(2) as pool:
        tried = pool.submit(waiting.get_task, "1", Deadline(math.inf))
        while not server.heads:
            time.sleep(0.01)
        queued = pool.submit(waiting.get_task, "2", Deadline(math.inf))
        time.sleep(0.1)
        waiting.close()
        assert isinstance(tried.exception(20), TemporaryError)
        assert isinstance(queued.exception(20), BudgetSpent)
    assert len(server.heads) == 1


def test_the_client_knows_when_the_oldest_unanswered_request_was_sent(world: Simulator, clients: Start) -> None:
    vod = clients(world.url)
    world.faults.add(Fault(kind="delay", seconds=0.5, count=1))
    before, began = vod.waiting_since, time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(vod.get_task, a_task(world).id, Deadline.after(20))
        while (during := vod.waiting_since) is None:
            time.sleep(0.01)
        call.result()
    assert before is None
    assert began <= during < began + 0.5
    assert vod.waiting_since is None


# --- pages ---


def endless(answer: Make, *, full: int | float = math.inf) -> Start:
    """A server with `full` pages of new ids for both lists, and then a page with one row."""

    def does(server: Any, connection: socket.socket) -> bool:
        query = parse_qs(server.heads[-1].split()[1].partition(b"?")[2].decode())
        page, size = int(query["PageNo"][0]), int(query["PageSize"][0])
        ids = [f"{page}-{row}" for row in range(size if page <= full else 1)]
        body = {
            "TranscodeTaskList": [{"TranscodeTaskId": one} for one in ids],
            "VideoList": {"Video": [{"VideoId": one} for one in ids]},
        }
        connection.sendall(answer(json.dumps(body).encode()))
        return True

    return does


def listing(client: Client, name: str, deadline: Deadline) -> Iterator[Any]:
    return client.list_tasks("video", deadline) if name == "TranscodeTaskList" else client.list_videos(deadline)


BOTH = pytest.mark.parametrize("name", ["TranscodeTaskList", "VideoList"])


@BOTH
def test_a_short_page_is_the_last(clients: Start, wire: Start, answer: Make, soon: Deadline, name: str) -> None:
    server = wire(endless(answer, full=2))
    pages = list(listing(clients(server.url), name, soon))
    size = TASKS_PER_PAGE if name == "TranscodeTaskList" else VIDEOS_PER_PAGE
    assert [page.rows for page in pages] == [size, size, 1]
    assert len(server.heads) == 3


@BOTH
def test_endless_pages_are_capped_and_counted(
    clients: Start,
    wire: Start,
    answer: Make,
    soon: Deadline,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A list without an end is malformed, and a log line says that the other pages are not read."""
    monkeypatch.setattr(client_module, "PAGE_CAP", 4)
    server = wire(endless(answer))
    pages = list(listing(clients(server.url), name, soon))
    assert len(server.heads) == 4
    assert [page.malformed for page in pages] == [(), (), (), (name,)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "the list goes on after page 4" in caplog.text


@BOTH
def test_a_list_that_ends_at_the_cap_is_complete(
    clients: Start,
    wire: Start,
    answer: Make,
    soon: Deadline,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(client_module, "PAGE_CAP", 4)
    pages = list(listing(clients(wire(endless(answer, full=3)).url), name, soon))
    assert [page.malformed for page in pages] == [()] * 4
    assert caplog.records == []


def test_repeating_pages_end(world: Simulator, vod: Client, soon: Deadline, observed: Observed) -> None:
    """The simulator has hundreds of videos, and sends the first hundred again and again."""
    world.faults.add(Fault(kind="repeat-page"))
    pages = list(vod.list_videos(soon))
    assert pages[0].videos == pages[1].videos
    assert len(observed) == 2


def test_pages_are_asked_for_as_they_are_read(clients: Start, wire: Start, answer: Make, soon: Deadline) -> None:
    server = wire(endless(answer))
    assert len(list(islice(clients(server.url).list_videos(soon), 2))) == 2
    assert len(server.heads) == 2


def test_a_page_that_fails_is_an_error_after_the_pages_before(world: Simulator, vod: Client, soon: Deadline) -> None:
    pages = vod.list_videos(soon)
    next(pages)
    world.faults.add(Fault(kind="html"))
    with pytest.raises(MalformedResponse):
        next(pages)


# --- secrets ---


def quoting(answer: Make) -> Start:
    """A server that quotes the whole request in every text of its error, at several distances from the length limit."""

    def does(server: Any, connection: socket.socket) -> bool:
        head = server.heads[-1].decode("latin-1")
        signature = head.partition("Signature=")[2].partition("\r")[0]
        quoted = f"{signature} {SECRET} {'-' * (100 * len(server.heads))} {head}"
        body = refused(f"Throttling.{signature[:64]}", quoted, Recommend=quoted)
        connection.sendall(answer(body, status="400 Bad"))
        return True

    return does


def test_secrets_that_vod_quotes_are_not_repeated(
    clients: Start,
    wire: Start,
    answer: Make,
    observed: Observed,
    rendered: Callable[[BaseException], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """VOD quotes a request that it cannot verify. A cut message must not contain half a token either."""
    caplog.set_level(logging.DEBUG)
    server = wire(quoting(answer))
    shown = ""
    for _ in range(4):
        with pytest.raises(Throttled) as caught:
            clients(server.url, secret=SECRET, token=TOKEN).get_task("1", Deadline.after(20))
        shown += rendered(caught.value)
    shown += caplog.text + repr(observed)
    assert "<secret>" in shown
    assert "urllib3" in caplog.text
    for head in server.heads:
        assert head.decode().partition("Signature=")[2][:16] not in shown
    assert "canary" not in shown
    assert "TTTT" not in shown


SPOILED = ["canary\n", "canary\r\nhost: x", "canary密", "\ncanary", "canary\udcff"]


@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("part", ["key_id", "secret", "token"])
def test_keys_that_cannot_be_sent_are_not_shown(
    world: Simulator,
    clients: Start,
    soon: Deadline,
    observed: Observed,
    rendered: Callable[[BaseException], str],
    caplog: pytest.LogCaptureFixture,
    fake_credentials: Start,
    part: str,
    spoiled: str,
) -> None:
    """Keys of a provider chain are unchecked. The client or VOD refuses them with a remedy, without a retry."""
    caplog.set_level(logging.DEBUG)
    key_id, secret, token = ({"key_id": "id", "secret": "secret", "token": "token"} | {part: spoiled}).values()
    credentials = fake_credentials(Keys(key_id, SecretText(secret), SecretText(token)))
    with pytest.raises(CredentialsError) as caught:
        clients(world.url, credentials=credentials).get_task(a_task(world).id, soon)
    assert "canary" not in rendered(caught.value) + caplog.text + repr(observed)
    assert "check" in str(caught.value)
    assert len(observed) == 1


@pytest.mark.parametrize("kind", ["hang", "reset", "html", "code", "status", "redirect", "gzip-bomb", "malformed"])
def test_no_fault_shows_a_secret(
    clients: Start, rendered: Callable[[BaseException], str], caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """faults 34: this includes every log level, error and cause of an error."""
    caplog.set_level(logging.DEBUG)
    with Simulator(access_key_secret=SECRET, quota=math.inf) as simulator:
        simulator.faults.add(Fault(kind=kind, size=2**25))
        with pytest.raises(VodError) as caught:
            clients(simulator.url, secret=SECRET, token=TOKEN).get_task("1", Deadline.after(SHORT))
    shown = rendered(caught.value) + caplog.text
    assert "canary" not in shown
    assert "Signature=" not in shown
    assert "urllib3" in shown
