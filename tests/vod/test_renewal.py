"""An expired security token is renewed once, and the call is repeated."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from exporter.deadline import Deadline
from exporter.errors import (
    TokenExpired,
)
from exporter.keys import SecretText
from exporter.vod.credentials import Keys
from exporter.vod.sender import ATTEMPTS
from tests.vod.behaviours import nonces, refused
from tests.vod.conftest import codes

pytestmark = pytest.mark.usefixtures("quick")

Start = Callable[..., Any]

Make = Callable[..., bytes]

Observed = list[tuple[str, float | None, str | None]]


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
