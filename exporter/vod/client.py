"""ApsaraVideo VOD over HTTP: one method per operation, each bounded by a deadline, a budget and a size."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from exporter import __version__
from exporter.deadline import Deadline
from exporter.errors import (
    BudgetSpent,
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    RequestRejected,
    TemporaryError,
    Throttled,
    TokenExpired,
    VodError,
)
from exporter.jsontext import JsonError, decode
from exporter.model import GET_TRANSCODE_TASK, GET_VIDEO_LIST, LIST_TRANSCODE_TASK, Task
from exporter.vod import payloads, signing
from exporter.vod.credentials import Credentials, Keys
from exporter.vod.limiter import Limiter
from exporter.vod.refusals import bare_refusal, refusal
from exporter.vod.transport import Answer, Http

API_VERSION = "2017-03-21"
JOB_IDS_PER_CALL = 10
TASKS_PER_PAGE = 50
VIDEOS_PER_PAGE = 100
PAGE_CAP = 50  # 5,000 rows is all that GetVideoList gives
ATTEMPTS = 4
Reply = TypeVar("Reply")
Page = TypeVar("Page", payloads.TaskListReply, payloads.VideoListReply)

_log = logging.getLogger(__name__)

_BACKOFF_SECONDS = 0.2  # doubled with each attempt, and spread, so that replicas do not come back in step


class Observer(Protocol):
    """Hears how every request ended, and after how long; `seconds` is None where it could not be sent for want of keys.

    `error` is None after an answer.
    """

    def __call__(self, *, action: str, seconds: float | None, error: VodError | None) -> None: ...


def ignore(*, action: str, seconds: float | None, error: VodError | None) -> None:
    """The observer that does nothing."""


class Client:
    """One account in one region. Safe to use from several threads.

    `endpoint` is `http(s)://host[:port]`. Every method waits for its turn in the budget until its deadline, and from
    then on takes `timeout` seconds at most, for each page. It raises the `VodError`s of `exporter.errors`, after it has
    tried again where that may help and the time allows.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        credentials: Credentials,
        limiter: Limiter,
        timeout: float,
        connections: int,
        observer: Observer = ignore,
    ) -> None:
        self._endpoint = endpoint
        self._host = urlsplit(endpoint).netloc
        self._credentials = credentials
        self._limiter = limiter
        self._timeout = timeout
        self._observer = observer
        self._http = Http(connections)
        self._sent: dict[int, float] = {}  # by thread: when its request was sent
        self._closing = threading.Event()

    def close(self) -> None:
        """Whoever waits for a turn waits no longer, and gets `BudgetSpent`."""
        self._closing.set()
        self._http.close()

    @property
    def waiting_since(self) -> float | None:
        """When the oldest request that has no answer yet was sent, on the monotonic clock."""
        return min(list(self._sent.values()), default=None)

    def get_task(self, task_id: str, deadline: Deadline) -> tuple[Task, tuple[str, ...]]:
        """`GetTranscodeTask` by `TranscodeTaskId`: the task with all its jobs, and the names of malformed fields."""

        def the_task(body: object) -> tuple[Task, tuple[str, ...]]:
            reply = payloads.task_reply(body)
            if reply.task is None:
                raise MalformedResponse(f"{GET_TRANSCODE_TASK}: the answer has no task", code="no_task")
            if reply.task.id not in ("", task_id):
                raise MalformedResponse(f"{GET_TRANSCODE_TASK}: the answer is about another task", code="wrong_task")
            return reply.task, reply.malformed

        return self._call(GET_TRANSCODE_TASK, {"TranscodeTaskId": task_id}, deadline, the_task)

    def get_jobs(self, job_ids: Sequence[str], deadline: Deadline) -> payloads.JobsReply:
        """`GetTranscodeTask` by `JobIds`: up to `JOB_IDS_PER_CALL` jobs of any tasks."""
        return self._call(GET_TRANSCODE_TASK, {"JobIds": ",".join(job_ids)}, deadline, payloads.jobs_reply)

    def list_tasks(self, video_id: str, deadline: Deadline) -> Iterator[payloads.TaskListReply]:
        """`ListTranscodeTask`, a page at a time: the tasks of one video in the past year, without their jobs.

        The service tells no total and no order; a short page, or one with nothing new, is the last.
        """
        parameters = {"VideoId": video_id, "PageSize": str(TASKS_PER_PAGE)}
        return self._pages(
            *(LIST_TRANSCODE_TASK, parameters, deadline, payloads.task_list_reply),
            ids=lambda page: {task.id for task in page.tasks},
            size=TASKS_PER_PAGE,
            field="TranscodeTaskList",
        )

    def list_videos(
        self,
        deadline: Deadline,
        *,
        statuses: Sequence[str] = (),
        created: tuple[float, float] | None = None,
        first_page: int = 1,
    ) -> Iterator[payloads.VideoListReply]:
        """`GetVideoList`, a page at a time: videos with one of `statuses`, created between two Unix times."""
        parameters = {"PageSize": str(VIDEOS_PER_PAGE)}
        if statuses:
            parameters["Status"] = ",".join(statuses)
        if created is not None:
            parameters["StartTime"], parameters["EndTime"] = map(_timestamp, created)
        return self._pages(
            *(GET_VIDEO_LIST, parameters, deadline, payloads.video_list_reply),
            ids=lambda page: {video.id for video in page.videos},
            size=VIDEOS_PER_PAGE,
            field="VideoList",
            first_page=first_page,
        )

    def _pages(
        self,
        action: str,
        parameters: Mapping[str, str],
        deadline: Deadline,
        parse: Callable[[object], Page],
        *,
        ids: Callable[[Page], set[str]],
        size: int,
        field: str,
        first_page: int = 1,
    ) -> Iterator[Page]:
        """Pages up to a short one. A list that repeats, or goes on at `PAGE_CAP`, ends and is malformed: `field`."""
        seen: set[str] = set()
        for number in range(first_page, PAGE_CAP + 1):
            page: Page = self._call(action, {**parameters, "PageNo": str(number)}, deadline, parse)
            last = page.rows < size
            repeats = not last and ids(page) <= seen
            if not last and (repeats or number == PAGE_CAP):
                _log.warning("%s: still not the last page after %d, the rest is not read", action, number)
                page = replace(page, malformed=(*page.malformed, field))
            yield page
            if last or repeats:
                return
            seen |= ids(page)

    def _call(
        self, action: str, parameters: Mapping[str, str], deadline: Deadline, parse: Callable[[object], Reply]
    ) -> Reply:
        """What `parse` makes of the JSON of a 200 answer. Each attempt is paid for from the budget and signed anew."""
        renewed = False
        failure: VodError | None = None
        for attempt in count(1):
            keys = self._keys(action)
            try:
                self._wait(action, deadline)
            except BudgetSpent:
                if failure is None:
                    raise
                raise failure from None  # a request was sent: why it failed is the news, not that no time is left
            if attempt == 1:
                deadline = min(deadline, Deadline.after(self._timeout))
            try:
                return self._attempt(action, parameters, keys, deadline, parse)
            except VodError as error:
                failure = error
            if isinstance(failure, TokenExpired) and not renewed:
                self._credentials.renew()
                renewed = True
                continue
            pause = _pause(failure, attempt)
            if pause is None or attempt >= ATTEMPTS or pause >= deadline.remaining() or self._closing.wait(pause):
                raise failure
        raise AssertionError("counting has no end")

    def _keys(self, action: str) -> Keys:
        try:
            return self._credentials.keys()
        except VodError as error:
            self._observer(action=action, seconds=None, error=error)
            raise

    def _wait(self, action: str, deadline: Deadline) -> None:
        held = True
        while held:
            if self._closing.wait(self._limiter.turn(action, deadline)):
                raise BudgetSpent(f"{action}: stopped before its turn", code="stopped")
            held = self._limiter.is_held(action)

    def _attempt(
        self,
        action: str,
        parameters: Mapping[str, str],
        keys: Keys,
        deadline: Deadline,
        parse: Callable[[object], Reply],
    ) -> Reply:
        thread, started = threading.get_ident(), time.monotonic()
        self._sent[thread] = started
        try:
            reply = parse(self._send(action, parameters, keys, deadline))
        except VodError as error:
            if isinstance(error, Throttled):
                self._limiter.throttled(action, retry_after=error.retry_after)
            self._observer(action=action, seconds=time.monotonic() - started, error=error)
            raise
        finally:
            del self._sent[thread]
        self._observer(action=action, seconds=time.monotonic() - started, error=None)
        return reply

    def _send(self, action: str, parameters: Mapping[str, str], keys: Keys, deadline: Deadline) -> object:
        try:
            query = signing.canonical_query(parameters)
        except UnicodeError:
            raise RequestRejected(f"{action}: an id is no text that can be sent", code="not_text") from None
        headers: dict[str, str] | None = None
        with suppress(UnicodeError):
            headers = self._signed_headers(action, query, keys)
        if headers is None:  # raised out here, without the secret in its context
            raise CredentialsError(f"{action}: the access_key_secret is no text; check its encoding", code="keys")
        answer = self._http.post(f"{self._endpoint}/?{query}", headers=headers, deadline=deadline, name=action)
        return _body(action, answer, _secrets(keys, headers["authorization"]))

    def _signed_headers(self, action: str, query: str, keys: Keys) -> dict[str, str]:
        headers = {
            "host": self._host,
            "accept": "application/json",
            "accept-encoding": "gzip",
            "user-agent": f"vod-transcode-exporter/{__version__}",
            "x-acs-action": action,
            "x-acs-content-sha256": signing.EMPTY_BODY_SHA256,
            "x-acs-date": _timestamp(time.time()),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-version": API_VERSION,
        }
        if keys.security_token is not None:
            headers["x-acs-accesskey-id"] = keys.access_key_id
            headers["x-acs-security-token"] = keys.security_token.get_secret_value()
        secret = keys.access_key_secret.get_secret_value()
        headers["authorization"] = signing.authorization(
            keys.access_key_id, secret, method="POST", query=query, headers=headers
        )
        return headers


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pause(error: VodError, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None where another attempt cannot help."""
    asked = 0.0
    if isinstance(error, (Throttled, TemporaryError)):
        asked = error.retry_after or 0.0
    elif not (isinstance(error, ConnectionFailed) and error.code == "reset"):
        return None
    spread = random.uniform(0.5, 1.5)  # noqa: S311 - guards nothing
    return max(asked, _BACKOFF_SECONDS * 2.0 ** (attempt - 1) * spread)


def _body(action: str, answer: Answer, secrets: Sequence[str]) -> object:
    status, content = answer.status, answer.content
    retry_after = _seconds(answer.headers.get("Retry-After"))
    try:
        body = decode(content)
    except JsonError:
        if status != 200:
            raise bare_refusal(action, status=status, retry_after=retry_after) from None
        kind = "empty" if not content.strip() else "html" if content.lstrip()[:1] == b"<" else "not_json"
        raise MalformedResponse(
            f"{action}: HTTP 200 with a body that is {kind}; check the endpoint", code=kind
        ) from None
    if (error := payloads.error_reply(_masked(body, secrets))) is not None:
        message = f"{error.message} [RequestId {error.request_id}]" if error.request_id else error.message
        raise refusal(action, status=status, code=error.code, message=message, retry_after=retry_after)
    if status != 200:
        raise bare_refusal(action, status=status, retry_after=retry_after)
    if not isinstance(body, dict):
        raise MalformedResponse(
            f"{action}: HTTP 200 with JSON that is no object; check the endpoint", code="not_object"
        )
    return body


def _seconds(header: str | None) -> float | None:
    """`Retry-After` in seconds; its other form, a date, is taken as absent."""
    return float(header) if header is not None and header.isascii() and header.isdigit() and len(header) < 6 else None


def _secrets(keys: Keys, authorization: str) -> tuple[str, ...]:
    token = keys.security_token.get_secret_value() if keys.security_token is not None else ""
    return (keys.access_key_secret.get_secret_value(), token, authorization.rpartition("=")[2])


def _masked(body: object, secrets: Sequence[str]) -> object:
    """VOD quotes the request it could not verify, security token included. Before a text is cut, or half would stay."""
    if not isinstance(body, dict):
        return body
    masked = dict(body)
    for name, value in body.items():
        for secret in secrets:
            if secret and isinstance(value, str):
                value = value.replace(secret, "<secret>")
        masked[name] = value
    return masked
