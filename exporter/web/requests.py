"""Requests of programs: bodies, query parameters, JSON, and the keys that authenticate them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from exporter.jsontext import JsonError, JsonObject, decode
from exporter.keys import Key, SecretText
from exporter.masks import remember
from exporter.scrape.inbox import Remote
from exporter.text import clean

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
KEY_RETRY_SECONDS = 5
KEYS_AT_ONCE = 4  # key files that are read at the same time


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as JSON."""
    return Response(json.dumps(content).encode() + b"\n", status, headers, "application/json")


def json_error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal for clients that are programs: `{"error": "a sentence"}`."""
    return json_response({"error": detail}, status, headers)


async def read_body(request: Request) -> bytes:
    """The complete body; raises 413 as soon as it exceeds `MAX_BODY_BYTES`.

    There is no time limit here: `exporter.web.connections` closes connections that are too slow.
    """
    too_large = HTTPException(413, f"the body is larger than {MAX_BODY_BYTES >> 20} MiB")
    # The declared length alone is not enough: a chunked body has none.
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async for part in request.stream():
            if len(body) + len(part) > MAX_BODY_BYTES:
                raise too_large
            body += part
    except ClientDisconnect:
        # Nobody receives this response, but it is counted as a refusal.
        raise HTTPException(400, "the connection was closed before the body was complete") from None
    return bytes(body)


def require_json(request: Request) -> None:
    """Raises 415 unless the headers declare an uncompressed JSON body."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "send the body without Content-Encoding")


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in `body`; raises 400 for anything else and for a key that occurs twice."""
    try:
        parsed = decode(body, find_repeated_keys=True)
    except JsonError as error:
        raise HTTPException(400, f"the body {error}") from None
    if not isinstance(parsed, JsonObject):
        raise HTTPException(400, "the body is not a JSON object")
    # Decoders differ in which of the two values they use, so a proxy might have checked another one.
    if parsed.repeated_key is not None:
        raise HTTPException(400, "a key occurs twice in the object of the body; give each key once")
    return parsed


def query_parameters(request: Request, names: Sequence[str]) -> dict[str, str]:
    """The parameters of the query; raises 400 if a name is not in `names` or occurs twice."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            known = f"the parameters are: {', '.join(names)}" if names else "this request has no parameters"
            raise HTTPException(400, f"unknown parameter {clean(name, 64)!r}; {known}")
        if name in found:
            raise HTTPException(400, f"the parameter {name} occurs twice; give it once")
        found[name] = value
    return found


def whole_number(given: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    """The parameter `name` of a query as a number from `least` to `most`; raises 400 for anything else."""
    # `int` alone accepts signs, underscores, spaces and digits of all scripts.
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise HTTPException(400, f"{name} must be a whole number from {least} to {most}")
    return int(text)


class KeyReader:
    """Reads keys for each request, because a key file may change. A failure is logged once, until it changes."""

    def __init__(self) -> None:
        self._reported: dict[str, str] = {}
        self._threads = CapacityLimiter(KEYS_AT_ONCE)

    async def read(self, name: str, key: Key) -> SecretText:
        """The text of the key; raises 503 if it cannot be read, so the request is refused.

        `name` says which key it is, in the log and in the response. A file is read in a thread, because its disk may
        be slow.
        """
        try:
            text = key.read() if key.path is None else await to_thread.run_sync(key.read, limiter=self._threads)
        except ValueError as error:
            if self._reported.get(name) != str(error):
                self._reported[name] = str(error)
                file = {"file": str(key.path)} if key.path is not None else {}
                _log.error("key cannot be used", extra={"key": name, **file, "error": str(error)})
            detail = f"the {name} cannot be used; the log of the exporter says why"
            raise HTTPException(503, detail, {"Retry-After": str(KEY_RETRY_SECONDS)}) from None
        self._reported.pop(name, None)
        remember(text.get_secret_value())
        return text


def held_by(account: Remote) -> str:
    """Which replica holds the account."""
    if not account.holder:
        return f"no replica holds the account {account.name} at the moment"
    return f"the replica {account.holder} holds the account {account.name}"
