"""The registration API: tracking tasks right after they were submitted, listing them, and letting them go."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.errors import StateError
from exporter.model import Task, task_status
from exporter.scrape.account import Account
from exporter.secret import SecretText
from exporter.vod.fields import clean

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

MAX_BODY_BYTES = 1 << 20
MAX_IDS = 1000  # registered at once
MAX_LIMIT, DEFAULT_LIMIT = 1000, 100
MAX_OFFSET = 1_000_000_000
TASK_ID_PATTERN = "^[A-Za-z0-9_-]{1,128}$"

REQUESTS_AT_ONCE = 64  # each may hold a whole body
THREADS = 6  # of the server's 40; scrapes have their own
BUSY_SECONDS = 1
STATE_SECONDS = 5

_TASK_ID = re.compile(TASK_ID_PATTERN.removeprefix("^").removesuffix("$"))
_KEYS = ("account", "task_id", "task_ids")


def refusal(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """What clients that are programs get: `{"error": "a sentence"}`."""
    return answer({"error": detail}, status, headers)


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content).encode() + b"\n", status, headers, "application/json")


class Desk:
    """Bounds what one kind of client can take up: requests at once, the bytes of a body, threads."""

    def __init__(self) -> None:
        self._under_way = 0
        self._threads = asyncio.Semaphore(THREADS)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """For one request, from before its body is read; 503 where all places are taken."""
        if self._under_way >= REQUESTS_AT_ONCE:
            detail = f"{self._under_way} requests are under way; ask again in {BUSY_SECONDS} s"
            raise HTTPException(503, detail, {"Retry-After": str(BUSY_SECONDS)})
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def work(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Run what may wait for a lock or a disk, in a thread."""
        async with self._threads:
            return await run_in_threadpool(function, *arguments)


async def read_body(request: Request) -> bytes:
    """The whole body; 413 as soon as it is too large. How long it may take is up to the connection."""
    too_large = HTTPException(413, f"the body is larger than {MAX_BODY_BYTES >> 20} MiB")
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
        raise HTTPException(400, "the body ended before it was whole") from None
    return bytes(body)


class KeyReader:
    """Keys that may be read anew for each request: where one cannot be, nobody is let in, and the log says so once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def read(self, what: str, key: Callable[[], SecretText | None]) -> SecretText | None:
        """What `key` returns; 503 where it raises `ValueError`, as `exporter.keyfile.read_key` does."""
        try:
            found = key()
            if found is not None and not found.get_secret_value():
                raise ValueError("is empty")  # noqa: TRY301 - as bad as one that cannot be read
        except ValueError as error:
            if self._told.get(what) != str(error):
                self._told[what] = str(error)
                _log.error("key cannot be used", extra={"key": what, "error": str(error)})
            detail = f"the {what} cannot be used; the log says why"
            raise HTTPException(503, detail, {"Retry-After": str(STATE_SECONDS)}) from None
        self._told.pop(what, None)
        return found


class Api:
    """`/api/v1/tasks`. `accounts` and `token` are called for each request; no token means that nobody may ask."""

    def __init__(
        self, accounts: Callable[[], Mapping[str, Account]], *, token: Callable[[], SecretText | None] | None
    ) -> None:
        self._accounts = accounts
        self._token = token
        self._keys = KeyReader()
        self._desk = Desk()

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/tasks", self._tasks, methods=["GET", "POST"]),
            Route("/api/v1/tasks/{task_id}", self._task, methods=["DELETE"]),
        ]

    async def _tasks(self, request: Request) -> Response:
        self._authorize(request)
        with self._desk.place():
            if request.method != "POST":
                return await self._desk.work(self._list, request)
            _parameters(request, ())
            _check_type(request)
            body = await read_body(request)
            return await self._desk.work(self._register, body)

    async def _task(self, request: Request) -> Response:
        self._authorize(request)
        with self._desk.place():
            return await self._desk.work(self._delete, request)

    def _authorize(self, request: Request) -> None:
        token = self._keys.read("token of the API", self._token) if self._token is not None else None
        if token is None:
            raise HTTPException(403, "the API is off: the configuration has neither api.token nor api.token_file")
        given = request.headers.getlist("authorization")
        scheme, _, credentials = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise HTTPException(401, "send the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        if not hmac.compare_digest(credentials.strip().encode(), token.get_secret_value().encode()):
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "this token is not the one of the configuration", challenge)

    def _register(self, body: bytes) -> Response:
        name, task_ids = _registration(body)
        account = self._account(name)
        try:
            tracked = account.register(task_ids)
        except StateError as error:
            _log.error("registration not kept", extra={"account": account.name, "error": str(error)})
            detail = f"the registration could not be kept (the log says why); ask again in {STATE_SECONDS} s"
            raise HTTPException(503, detail, {"Retry-After": str(STATE_SECONDS)}) from None
        tasks = [{"task_id": task_id, "tracked": tracked[task_id]} for task_id in task_ids]
        return answer({"account": account.name, "tasks": tasks})

    def _list(self, request: Request) -> Response:
        given = _parameters(request, ("account", "limit", "offset"))
        limit = _whole(given, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        offset = _whole(given, "offset", default=0, least=0, most=MAX_OFFSET)
        accounts = [self._account(given["account"])] if "account" in given else list(self._accounts().values())
        rows = [(account.name, *row) for account in accounts for row in account.tracked()]
        tasks = [_described(*row) for row in rows[offset : offset + limit]]
        return answer({"tasks": tasks, "total": len(rows), "limit": limit, "offset": offset})

    def _delete(self, request: Request) -> Response:
        given = _parameters(request, ("account",))
        account = self._account(given.get("account"))
        if not account.delete(request.path_params["task_id"]):
            raise HTTPException(404, "no such task is tracked")
        return Response(status_code=204)

    def _account(self, name: str | None) -> Account:
        accounts = self._accounts()
        if name is None and len(accounts) != 1:
            raise HTTPException(400, f"account is missing; one of: {', '.join(accounts)}")
        found = next(iter(accounts.values())) if name is None else accounts.get(name)
        if found is None:
            raise HTTPException(404, f"no account has the name {clean(name or '', 64)!r}")
        return found


def _described(account: str, task_id: str, source: str, task: Task | None) -> dict[str, str | None]:
    return {
        "account": account,
        "task_id": task_id,
        "source": source,
        "status": None if task is None else task_status(task.status),
        "video_id": None if task is None else task.video_id or None,
    }


def _check_type(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "send the body without Content-Encoding")


def _registration(body: bytes) -> tuple[str | None, Sequence[str]]:
    """The account, where one is named, and the ids, each once; 400 for anything but a registration."""
    given = _object(body)
    for key in given:
        if key not in _KEYS:
            raise HTTPException(400, f"{clean(key, 64)!r} is no key of a registration; it has: {', '.join(_KEYS)}")
    account = given.get("account")
    if "account" in given and not isinstance(account, str):
        raise HTTPException(400, "account is no text")
    if ("task_id" in given) == ("task_ids" in given):
        raise HTTPException(400, "give one of task_id and task_ids")
    listed = given["task_ids"] if "task_ids" in given else [given["task_id"]]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_IDS:
        raise HTTPException(400, f"task_ids is no list of 1 to {MAX_IDS} ids")
    for place, task_id in enumerate(listed):
        if not isinstance(task_id, str) or _TASK_ID.fullmatch(task_id) is None:
            name = f"task_ids[{place}]" if "task_ids" in given else "task_id"
            raise HTTPException(400, f"{name} is no task id: a text of 1 to 128 letters, digits, _ and -")
    return account if isinstance(account, str) else None, list(dict.fromkeys(listed))


def _object(body: bytes) -> dict[str, object]:
    try:
        parsed: object = json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_without_repeats, parse_constant=_no_number
        )
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8") from None
    except _Odd as odd:
        raise HTTPException(400, str(odd)) from None
    except ValueError:  # also for integers of thousands of digits
        raise HTTPException(400, "the body is no JSON") from None
    except RecursionError:
        raise HTTPException(400, "the body is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise HTTPException(400, "the body is no JSON object")
    return parsed


class _Odd(ValueError):
    """JSON to Python, but not to the standard, or with two meanings."""


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Odd("the body has a key twice")
    return found


def _no_number(text: str) -> object:
    raise _Odd(f"the body is no JSON: {text} is no number")


def _parameters(request: Request, names: Sequence[str]) -> dict[str, str]:
    """The query's parameters, each once and of `names`; 400 for others."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in names:
            known = f"it takes: {', '.join(names)}" if names else "it takes none"
            raise HTTPException(400, f"{clean(name, 64)!r} is no parameter here; {known}")
        if name in found:
            raise HTTPException(400, f"{name} is given twice")
        found[name] = value
    return found


def _whole(given: Mapping[str, str], name: str, *, default: int, least: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise HTTPException(400, f"{name} is no whole number from {least} to {most}")
    return int(text)
