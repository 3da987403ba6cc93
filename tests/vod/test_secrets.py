"""No error and no log line shows a key, a token or a signature."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable
from typing import Any

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    CredentialsError,
    Throttled,
    VodError,
)
from exporter.keys import SecretText
from exporter.simulator.faults import Fault
from exporter.simulator.server import Simulator
from exporter.vod.credentials import Keys
from tests.vod.behaviours import SHORT, refused
from tests.vod.conftest import a_task

pytestmark = pytest.mark.usefixtures("quick")

SECRET = "canary+secret/=="

TOKEN = "canary+token/" + "T" * 900 + "=="

Start = Callable[..., Any]

Make = Callable[..., bytes]

Observed = list[tuple[str, float | None, str | None]]


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
    with Simulator(access_key_secret=SECRET, quota=math.inf, history=60.0) as simulator:
        simulator.faults.add(Fault(kind=kind, size=2**25))
        with pytest.raises(VodError) as caught:
            clients(simulator.url, secret=SECRET, token=TOKEN).get_task("1", Deadline.after(SHORT))
    shown = rendered(caught.value) + caplog.text
    assert "canary" not in shown
    assert "Signature=" not in shown
    assert "urllib3" in shown
