"""The registration API: registers transcode tasks right after they were submitted, lists and deletes them."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Mapping, Sequence

from anyio import CapacityLimiter, to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.errors import StateError
from exporter.keys import Key
from exporter.model import ID_PATTERN, Task, task_status
from exporter.scrape.account import Account
from exporter.scrape.inbox import Remote
from exporter.text import clean
from exporter.web.admission import Admission
from exporter.web.requests import (
    KeyReader,
    held_by,
    json_object,
    json_response,
    query_parameters,
    read_body,
    require_json,
    whole_number,
)

_log = logging.getLogger(__name__)

MAX_IDS = 1000  # in one registration
MAX_LIMIT, DEFAULT_LIMIT = 1000, 100
MAX_OFFSET = 1_000_000_000
TASK_ID_PATTERN = f"^{ID_PATTERN}$"

REQUESTS_AT_ONCE = 64  # each may hold a body of 1 MiB in memory
THREADS = 6  # a slow disk blocks only these threads; scrapes and pages use others
STATE_RETRY_SECONDS = 5

_TASK_ID = re.compile(ID_PATTERN)
_KEYS = ("account", "task_id", "task_ids")


class Api:
    """Serves `/api/v1/tasks`. Calls `accounts` and `token` for each request; without a token it answers 403."""

    def __init__(
        self,
        accounts: Callable[[], Mapping[str, Account]],
        *,
        token: Callable[[], Key | None],
        remote: Callable[[], Mapping[str, Remote]] = dict,
    ) -> None:
        self._accounts = accounts
        self._remote = remote
        self._token = token
        self._keys = KeyReader()
        self._admission = Admission(
            REQUESTS_AT_ONCE,
            f"{REQUESTS_AT_ONCE} requests to the API are in progress; send this request again in a second",
        )
        self._threads = CapacityLimiter(THREADS)

    def routes(self) -> list[Route]:
        """The routes to add to the app."""
        return [
            Route("/api/v1/tasks", self._tasks, methods=["GET", "POST"]),
            Route("/api/v1/tasks/{task_id}", self._task, methods=["DELETE"]),
        ]

    async def _tasks(self, request: Request) -> Response:
        with self._admission:
            await self._authorize(request)
            if request.method != "POST":
                return await to_thread.run_sync(self._list, request, limiter=self._threads)
            query_parameters(request, ())
            require_json(request)
            body = await read_body(request)
            return await to_thread.run_sync(self._register, body, limiter=self._threads)

    async def _task(self, request: Request) -> Response:
        with self._admission:
            await self._authorize(request)
            return await to_thread.run_sync(self._delete, request, limiter=self._threads)

    async def _authorize(self, request: Request) -> None:
        key = self._token()
        if key is None:
            raise HTTPException(403, "the API is off; set api.token or api.token_file in the configuration")
        token = await self._keys.read("token of the API", key)
        # With two headers, a proxy and the exporter could authenticate different tokens.
        given = request.headers.getlist("authorization")
        scheme, _, credentials = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise HTTPException(401, "send the token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        # The comparison takes the same time for every token, so its duration reveals nothing about the right one.
        if not hmac.compare_digest(credentials.strip().encode(), token.get_secret_value().encode()):
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "the token differs from the token of the configuration", challenge)

    def _register(self, body: bytes) -> Response:
        name, task_ids = _registration(body)
        account = self._account(name)
        try:
            if isinstance(account, Remote):
                account.register(task_ids)
                return _passed_on(account)
            tracked = account.register(task_ids)
        except StateError as error:
            raise _not_stored("registration", account, error) from None
        tasks = [{"task_id": task_id, "tracked": tracked[task_id]} for task_id in task_ids]
        return json_response({"account": account.name, "tasks": tasks})

    def _list(self, request: Request) -> Response:
        given = query_parameters(request, ("account", "limit", "offset"))
        limit = whole_number(given, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        offset = whole_number(given, "offset", default=0, least=0, most=MAX_OFFSET)
        accounts = [self._account(given["account"])] if "account" in given else list(self._accounts().values())
        rows = [(account.name, *row) for account in accounts for row in _held(account).tracked()]
        tasks = [_described(*row) for row in rows[offset : offset + limit]]
        return json_response({"tasks": tasks, "total": len(rows), "limit": limit, "offset": offset})

    def _delete(self, request: Request) -> Response:
        given = query_parameters(request, ("account",))
        account = self._account(given.get("account"))
        try:
            if isinstance(account, Remote):
                account.delete(request.path_params["task_id"])
                return _passed_on(account)
            deleted = account.delete(request.path_params["task_id"])
        except StateError as error:
            raise _not_stored("deletion", account, error) from None
        if not deleted:
            raise HTTPException(404, "no task with this id is tracked")
        return Response(status_code=204)

    def _account(self, name: str | None) -> Account | Remote:
        accounts: Mapping[str, Account | Remote] = {**self._remote(), **self._accounts()}
        if name is None and len(accounts) != 1:
            raise HTTPException(400, f"account is missing; name one of: {', '.join(accounts)}")
        found = next(iter(accounts.values())) if name is None else accounts.get(name)
        if found is None:
            raise HTTPException(404, f"no account has the name {clean(name or '', 64)!r}")
        return found


def _held(account: Account | Remote) -> Account:
    """Raises 503 for an account of another replica."""
    if isinstance(account, Remote):
        raise HTTPException(503, f"{held_by(account)}; only that replica can list its tasks")
    return account


def _passed_on(account: Remote) -> Response:
    """The answer to a request that is stored for the holder of the account."""
    return json_response({"account": account.name, "holder": account.holder or None}, status=202)


def _not_stored(what: str, account: Account | Remote, error: StateError) -> HTTPException:
    """Logs the error, and returns a 503 that asks for the request again."""
    _log.error("%s could not be stored", what, extra={"account": account.name, "error": str(error)})
    detail = (
        f"the {what} could not be stored (the log of the exporter says why); send it again in {STATE_RETRY_SECONDS} s"
    )
    return HTTPException(503, detail, {"Retry-After": str(STATE_RETRY_SECONDS)})


def _described(account: str, task_id: str, source: str, task: Task | None) -> dict[str, str | None]:
    return {
        "account": account,
        "task_id": task_id,
        "source": source,
        "status": None if task is None else task_status(task.status),
        "video_id": None if task is None else task.video_id or None,
    }


def _registration(body: bytes) -> tuple[str | None, Sequence[str]]:
    """The account, if the body names one, and the task ids without repetitions; raises 400 for an invalid body."""
    given = json_object(body)
    for key in given:
        if key not in _KEYS:
            raise HTTPException(
                400, f"unknown key {clean(key, 64)!r}; the keys of a registration are: {', '.join(_KEYS)}"
            )
    account = given.get("account")
    if "account" in given and not isinstance(account, str):
        raise HTTPException(400, "account must be a string")
    if ("task_id" in given) == ("task_ids" in given):
        raise HTTPException(400, "give either task_id or task_ids")
    listed = given["task_ids"] if "task_ids" in given else [given["task_id"]]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_IDS:
        raise HTTPException(400, f"task_ids must be a list of 1 to {MAX_IDS} task ids")
    for place, task_id in enumerate(listed):
        if not isinstance(task_id, str) or _TASK_ID.fullmatch(task_id) is None:
            name = f"task_ids[{place}]" if "task_ids" in given else "task_id"
            raise HTTPException(400, f"{name} must be a string of 1 to 128 letters, digits, _ and -")
    return account if isinstance(account, str) else None, list(dict.fromkeys(listed))
