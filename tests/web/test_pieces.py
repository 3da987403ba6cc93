"""A large body is sent in pieces, and what is left of it is known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from exporter.web.pieces import PIECE_BYTES, Pieces


async def receive() -> Message:
    return {"type": "http.disconnect"}


def sent(*bodies: bytes) -> tuple[list[Message], list[int], int]:
    """The messages that an app with these parts of a body causes, what was left at each, and the number of waits."""
    messages: list[Message] = []
    rests: list[int] = []
    waits: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for place, body in enumerate(bodies):
            await send({"type": "http.response.body", "body": body, "more_body": place + 1 < len(bodies)})

    async def send(message: Message) -> None:
        messages.append(message)
        rests.append(pieces.rest)

    pieces = Pieces(app, waits=lambda: waits.append(pieces.rest))
    asyncio.run(pieces({"type": "http"}, receive, send))
    assert (pieces.rest, pieces.held) == (0, 0)
    return messages[1:], rests[1:], len(waits)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES])
def test_a_small_body_is_sent_as_it_is(size: int) -> None:
    messages, rests, waits = sent(b"x" * size)
    assert messages == [{"type": "http.response.body", "body": b"x" * size, "more_body": False}]
    assert (rests, waits) == ([0], 0)


def test_a_large_body_is_cut_and_stays_the_same() -> None:
    body = bytes(range(256)) * 1000
    messages, rests, waits = sent(body)
    assert b"".join(message["body"] for message in messages) == body
    assert max(len(message["body"]) for message in messages) == PIECE_BYTES
    assert [message["more_body"] for message in messages] == [True] * (len(messages) - 1) + [False]
    assert rests[:-1] == [len(body) - n * PIECE_BYTES for n in range(len(messages) - 1)]
    assert waits == 1


def test_a_body_in_several_parts_ends_once() -> None:
    messages, _, waits = sent(b"a" * (PIECE_BYTES + 1), b"b" * (2 * PIECE_BYTES))
    assert sum(not message["more_body"] for message in messages) == 1
    assert sum(len(message["body"]) for message in messages) == 3 * PIECE_BYTES + 1
    assert waits == 2


def test_nothing_is_left_after_a_failure() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"x" * (PIECE_BYTES * 3)})

    async def broken(message: Any) -> None:
        raise ConnectionResetError

    pieces = Pieces(app, waits=lambda: None)
    with pytest.raises(ConnectionResetError):
        asyncio.run(pieces({"type": "http"}, receive, broken))
    assert (pieces.rest, pieces.held) == (0, 0)
