"""The registration API on real sockets, over real ledgers."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from exporter.errors import StateError
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.model import Task
from exporter.scrape.scraper import Scraper
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import Changes, MemoryStore
from exporter.web import api
from exporter.web.app import Interface
from exporter.web.requests import MAX_BODY_BYTES
from tests.conftest import make_account
from tests.web.conftest import nothing_asks

TOKEN = "s3cret-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TASKS = "/api/v1/tasks"
ODD_IDS: tuple[object, ...] = (
    *("", "a b", "a,b", "a\n", "../a", "x" * 129, "é", "\ud800", "\x00"),
    *(7, True, None, [], {}),
)
Exporter = Callable[..., "Running"]


class Store(MemoryStore):
    """Takes nothing while `broken`, and only when `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)

    def save(self, account: str, changes: Changes) -> None:
        self.waiting.release()
        assert self.gate.wait(20)
        if self.broken:
            raise StateError("the disk is full")
        super().save(account, changes)


class Running:
    """Asks an exporter with accounts of these names, with the token unless told otherwise."""

    def __init__(self, serve: Callable[..., Any], names: Sequence[str], **options: Any) -> None:
        self.store = Store()
        self.telemetry = Telemetry()
        self.ledgers = {name: Ledger(name, store=self.store) for name in names}
        accounts = [
            make_account(nothing_asks, ledger, self.telemetry.account(name), name=name)
            for name, ledger in self.ledgers.items()
        ]
        options.setdefault("api_token", Key(TOKEN))
        scraper = Scraper(accounts, min_interval=0)
        interface = Interface(scraper, self.telemetry, timeout=10.0, offset=0.5, **options)
        self.served = serve(interface.app())

    def ask(self, method: str, path: str = TASKS, **options: Any) -> requests.Response:
        options.setdefault("headers", BEARER)
        return requests.request(method, self.served.url + path, timeout=20, **options)

    def post(self, body: object, **options: Any) -> requests.Response:
        return self.ask("POST", json=body, **options)

    def send(self, body: bytes, content_type: str | None = "application/json", **headers: str) -> requests.Response:
        given = {"Content-Type": content_type} if content_type is not None else {}
        return self.ask("POST", data=body, headers={**BEARER, **given, **headers})

    def tracked(self, name: str = "prod") -> list[str]:
        return [task_id for task_id, _, _ in self.ledgers[name].tasks()]

    def kept(self, name: str = "prod") -> list[str]:
        """What the store has, and a restart would find."""
        return [record.id for record in self.store.load(name, now=time.time()).tasks]

    def rejected(self, path: str, reason: int) -> float | None:
        labels = {"path": path, "reason": str(reason)}
        return self.telemetry.registry.get_sample_value("vod_exporter_rejected_requests_total", labels)


@pytest.fixture
def exporters(serve: Callable[..., Any]) -> Exporter:
    def made(*names: str, **options: Any) -> Running:
        return Running(serve, names, **options)

    return made


@pytest.fixture
def exporter(exporters: Exporter) -> Running:
    """With one account, `prod`."""
    return exporters("prod")


def error(answer: requests.Response) -> str:
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


# -- registration ----------------------------------------------------------------------------------------------------


def test_a_registered_task_is_tracked_and_kept_before_the_answer(exporter: Running) -> None:
    answer = exporter.post({"account": "prod", "task_id": "task-1"})
    assert answer.status_code == 200
    assert answer.json() == {"account": "prod", "tasks": [{"task_id": "task-1", "tracked": True}]}
    assert exporter.ledgers["prod"].tasks() == [("task-1", "api", None)]
    assert exporter.kept() == ["task-1"]


def test_a_thousand_tasks_are_registered_at_once_in_their_order(exporter: Running) -> None:
    ids = [f"task_{number:04}-{'x' * 118}" for number in range(999, -1, -1)]
    answer = exporter.post({"task_ids": ids})
    assert answer.json()["tasks"] == [{"task_id": one, "tracked": True} for one in ids]
    assert exporter.tracked() == ids
    assert sorted(exporter.kept()) == sorted(ids)


def test_registering_again_changes_nothing(exporter: Running) -> None:
    first = exporter.post({"task_ids": ["a", "b"]})
    again = exporter.post({"task_ids": ["a", "b"]})
    more = exporter.post({"task_ids": ["b", "c", "b"]})
    assert first.json() == again.json()
    assert [one["task_id"] for one in more.json()["tasks"]] == ["b", "c"]
    assert exporter.tracked() == ["a", "b", "c"]


def test_a_task_finished_before_is_not_tracked_and_no_error(exporter: Running) -> None:
    ledger = exporter.ledgers["prod"]
    exporter.post({"task_ids": ["done", "deleted"]})
    ledger.observe_task("done", Task("done", status="CompleteAllFail"))
    ledger.view()
    for task_id in ("done", "deleted"):
        assert exporter.ask("DELETE", f"{TASKS}/{task_id}").status_code == 204
    answer = exporter.post({"task_ids": ["done", "deleted", "new"]})
    assert answer.status_code == 200
    assert [tuple(one.values()) for one in answer.json()["tasks"]] == [
        ("done", False),
        ("deleted", True),
        ("new", True),
    ]


def test_the_account_says_whose_task_it_is(exporters: Exporter) -> None:
    exporter = exporters("prod", "test")
    assert exporter.post({"account": "test", "task_id": "a"}).status_code == 200
    assert (exporter.tracked("prod"), exporter.tracked("test")) == ([], ["a"])


def test_with_several_accounts_one_must_be_named(exporters: Exporter) -> None:
    exporter = exporters("prod", "test")
    for answer in (exporter.post({"task_id": "a"}), exporter.ask("DELETE", f"{TASKS}/a")):
        assert (answer.status_code, error(answer)) == (400, "account is missing; name one of: prod, test")


def test_an_unknown_account_is_404(exporter: Running) -> None:
    answers = [
        exporter.post({"account": "pord", "task_id": "a"}),
        exporter.ask("GET", params={"account": "pord"}),
        exporter.ask("DELETE", f"{TASKS}/a", params={"account": "pord"}),
    ]
    for answer in answers:
        assert (answer.status_code, error(answer)) == (404, "no account has the name 'pord'")


def test_what_the_store_does_not_take_is_503_and_not_tracked(
    exporter: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """So that the client asks again, and a restart loses nothing that was acknowledged."""
    exporter.store.broken = True
    answer = exporter.post({"task_id": "a"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "could not be stored" in error(answer)
    assert "disk" not in answer.text
    assert exporter.tracked() == []
    assert exporter.rejected(TASKS, 503) == 1
    assert [record.getMessage() for record in caplog.records] == ["registration could not be stored"]
    assert caplog.records[0].__dict__["error"] == "the disk is full"
    exporter.store.broken = False
    assert exporter.post({"task_id": "a"}).json()["tasks"][0]["tracked"]
    assert exporter.kept() == ["a"]


# -- what is refused -------------------------------------------------------------------------------------------------


NO_REGISTRATIONS: list[tuple[object, str]] = [
    ({}, "give either task_id or task_ids"),
    ({"account": "prod"}, "give either task_id or task_ids"),
    ({"task_id": "a", "task_ids": ["b"]}, "give either task_id or task_ids"),
    ({"task_ids": []}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": "a"}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": {"a": 1}}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": ["a"] * 1001}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": ["a", 7]}, "task_ids[1] must be a string of 1 to 128 letters, digits, _ and -"),
    ({"task_ids": ["a", None]}, "task_ids[1] must be a string"),
    *(({"task_id": odd}, "task_id must be a string") for odd in ODD_IDS),
    ({"task_id": "a", "account": 7}, "account must be a string"),
    ({"task_id": "a", "account": None}, "account must be a string"),
    ({"task_id": "a", "acount": "prod"}, "unknown key 'acount'"),
    ({"task_id": "a", "\ud800\x1b[2J": 1}, "unknown key '\ufffd\ufffd[2J'"),
    ([], "the body is not a JSON object"),
    ("a", "the body is not a JSON object"),
    (None, "the body is not a JSON object"),
]


def test_what_is_no_registration_is_400_and_says_what_is_wrong(exporter: Running) -> None:
    for body, words in NO_REGISTRATIONS:
        answer = exporter.send(json.dumps(body).encode())
        assert answer.status_code == 400, body
        assert words in error(answer)
    assert exporter.tracked() == []
    assert exporter.rejected(TASKS, 400) == len(NO_REGISTRATIONS)


NO_JSON: list[tuple[bytes, str]] = [
    (b"", "not valid JSON"),
    (b"task_id=a", "not valid JSON"),
    (b'{"task_id": "a"', "not valid JSON"),
    (b'{"task_id": "a"}{}', "not valid JSON"),
    (b"{'task_id': 'a'}", "not valid JSON"),
    (b'{"task_id": "a\n"}', "task_id must be a string"),
    (b'{"task_id": "\xe9"}', "not UTF-8"),
    ('{"task_id": "a"}'.encode("utf-16"), "not UTF-8"),
    (b'{"task_id": NaN}', "task_id must be a string"),
    (b'{"task_id": "a", "x": -Infinity}', "'x'"),
    (b'{"task_id": ' + b"9" * 5000 + b"}", "task_id must be a string"),
    (b'{"task_id": 1e400}', "task_id must be a string"),
    (b'{"task_id": "a", "task_id": "b"}', "a key occurs twice"),
    (b'{"task_id":' * 90_000, "nested too deeply"),
    (b"[" * 900_000, "nested too deeply"),
]


def test_a_body_that_is_no_json_is_400(exporter: Running) -> None:
    for raw, words in NO_JSON:
        answer = exporter.send(raw)
        assert answer.status_code == 400, raw[:40]
        assert words in error(answer)
    assert exporter.tracked() == []


def test_a_byte_order_mark_is_no_fault(exporter: Running) -> None:
    assert exporter.send(b'\xef\xbb\xbf{"task_id": "a"}').status_code == 200


def test_another_content_type_is_415(exporter: Running) -> None:
    for content_type in (None, "", "text/plain", "application/x-www-form-urlencoded", "json"):
        answer = exporter.send(b'{"task_id": "a"}', content_type)
        assert (answer.status_code, error(answer)) == (415, "send Content-Type: application/json"), content_type
    assert exporter.tracked() == []


def test_parameters_of_the_content_type_do_not_matter_but_an_encoding_does(exporter: Running) -> None:
    assert exporter.send(b'{"task_id": "a"}', "Application/JSON; charset=utf-8").status_code == 200
    assert exporter.send(b'{"task_id": "a"}', **{"Content-Encoding": "gzip"}).status_code == 415


def test_a_body_over_the_limit_is_413_however_it_comes(exporter: Running) -> None:
    """With its length, in pieces, and with a length that announces more than ever comes."""
    body = b'{"task_id": "a"}' + b" " * MAX_BODY_BYTES
    assert exporter.send(body[:MAX_BODY_BYTES]).status_code == 200
    for sent in (body, iter([body[:1000], body[1000:]])):
        answer = exporter.send(cast("bytes", sent))
        assert (answer.status_code, error(answer)) == (413, "the body is larger than 1 MiB")
    head = f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    client = exporter.served.send(f"{head}Content-Length: {10**19}\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert exporter.rejected(TASKS, 413) == 3


def test_a_client_that_leaves_in_its_body_leaves_no_trace(
    exporter: Running, caplog: pytest.LogCaptureFixture, eventually: Callable[..., None]
) -> None:
    head = f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    client = exporter.served.send(f'{head}Content-Length: 100\r\n\r\n{{"task_id": "a"')
    eventually(lambda: exporter.served.server.server_state.tasks)
    client.close()
    eventually(lambda: exporter.rejected(TASKS, 400))
    eventually(lambda: not exporter.served.server.server_state.tasks)
    assert exporter.tracked() == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# -- the token -------------------------------------------------------------------------------------------------------

REQUESTS = (("GET", TASKS), ("HEAD", TASKS), ("POST", TASKS), ("DELETE", f"{TASKS}/a"))


WRONG_TOKENS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    TOKEN,
    f"Basic {TOKEN}",
    f"Bearer: {TOKEN}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN.upper()}",
    f"Bearer {TOKEN}, Bearer {TOKEN}",
    "Bearer \xe9\xff",
    "\xff",
    "Bearer " + "x" * 10_000,
]


def test_without_the_token_every_request_is_401(exporter: Running) -> None:
    for header, (method, path) in itertools.product(WRONG_TOKENS, REQUESTS):
        headers = {} if header is None else {"Authorization": cast("str", header.encode("latin-1"))}
        answer = exporter.ask(method, path, headers=headers)
        assert answer.status_code == 401, (method, header)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert exporter.tracked() == []
    assert exporter.rejected(TASKS, 401) == 3 * len(WRONG_TOKENS)
    assert exporter.rejected(f"{TASKS}/{{task_id}}", 401) == len(WRONG_TOKENS)


def test_the_scheme_of_the_token_is_read_in_any_case(exporter: Running) -> None:
    for header in (f"bearer {TOKEN}", f"BEARER   {TOKEN}  "):
        assert exporter.ask("GET", headers={"Authorization": header}).status_code == 200


def test_of_two_tokens_none_counts(exporter: Running) -> None:
    lines = f"Authorization: Bearer {TOKEN}\r\n" * 2
    answer = exporter.served.talk(f"GET {TASKS} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 401 ")


def test_where_no_token_is_configured_every_request_is_403(exporters: Exporter) -> None:
    exporter = exporters("prod", api_token=None)
    for headers in ({}, BEARER, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        for method, path in REQUESTS:
            answer = exporter.ask(method, path, headers=headers)
            assert answer.status_code == 403
        assert "api.token_file" in error(exporter.ask("GET", headers=headers))


def test_a_changed_token_file_counts_at_once_and_a_broken_one_lets_nobody_in(
    exporters: Exporter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    exporter = exporters("prod", api_token=Key(path))

    def status(token: str) -> int:
        return exporter.ask("GET", headers={"Authorization": f"Bearer {token}"}).status_code

    assert (status("first"), status("second")) == (200, 401)
    path.write_text("second\n")
    assert (status("first"), status("second")) == (401, 200)
    path.write_text("\n")
    assert [status(token) for token in ("first", "second", "")] == [503, 503, 503]
    path.unlink()
    assert status("second") == 503
    told = [(record.getMessage(), record.__dict__["error"]) for record in caplog.records]
    assert told == [
        ("key cannot be used", "is empty"),
        ("key cannot be used", "cannot be read (No such file or directory)"),
    ]
    path.write_text("third\n")
    assert status("third") == 200


def test_an_empty_token_lets_nobody_in(exporters: Exporter, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()
    exporter = exporters("prod", api_token=Key(path))
    for header in ("Bearer ", "Bearer", ""):
        assert exporter.ask("GET", headers={"Authorization": header}).status_code == 503


def test_a_stranger_is_refused_before_the_body_is_there(exporter: Running) -> None:
    """So a body takes up memory only for those who know the token."""
    client = exporter.served.send(f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


# -- listing ---------------------------------------------------------------------------------------------------------


def test_tasks_are_listed_in_the_order_in_which_they_came_to_be_tracked(exporter: Running) -> None:
    exporter.ledgers["prod"].discover(["z"], source="discovery")
    exporter.post({"task_ids": ["b", "a"]})
    exporter.ledgers["prod"].observe_task("b", Task("b", video_id="video-1", status="Processing"))
    exporter.ledgers["prod"].observe_task("z", Task("z", status="Surprising"))
    unseen = {"account": "prod", "source": "api", "status": None, "video_id": None}
    assert exporter.ask("GET").json() == {
        "tasks": [
            {**unseen, "task_id": "z", "source": "discovery", "status": "unknown"},
            {**unseen, "task_id": "b", "status": "Processing", "video_id": "video-1"},
            {**unseen, "task_id": "a"},
        ],
        "total": 3,
        "limit": 100,
        "offset": 0,
    }


def test_pages_together_are_everything_once(exporters: Exporter) -> None:
    """Account by account; a page past the end is empty."""
    exporter = exporters("prod", "test")
    for name in ("test", "prod"):
        exporter.post({"account": name, "task_ids": [f"{name}-{number}" for number in range(205)]})
    for params, wanted in (({}, ("prod", "test")), ({"account": "test"}, ("test",))):
        found, offset = [], 0
        while page := exporter.ask("GET", params={**params, "limit": "90", "offset": str(offset)}).json():
            assert (page["limit"], page["offset"], page["total"]) == (90, offset, 205 * len(wanted))
            if not page["tasks"]:
                break
            found += [one["task_id"] for one in page["tasks"]]
            offset += len(page["tasks"])
        assert found == [f"{name}-{number}" for name in wanted for number in range(205)]


ODD_QUERIES: list[tuple[str, str]] = [
    *((f"limit={odd}", "limit must be a whole number from 1 to 1000") for odd in ("0", "1001", "-1", "1.0", "", "x")),
    ("limit=%C2%B2", "limit must be a whole number"),
    ("limit=%2B1", "limit must be a whole number"),
    (f"limit={'9' * 5000}", "limit must be a whole number"),
    ("offset=-1", "offset must be a whole number from 0 to 1000000000"),
    ("offset=1000000001", "offset must be a whole number"),
    ("limit=1&limit=2", "the parameter limit occurs twice"),
    ("accout=prod", "unknown parameter 'accout'; the parameters are: account, limit, offset"),
    ("%1b%5b2J", "unknown parameter '\ufffd[2J'"),
    ("&".join(f"x{number}" for number in range(8000)), "unknown parameter 'x0'"),
]


def test_an_odd_query_is_400_and_says_what_is_wrong(exporter: Running) -> None:
    for query, words in ODD_QUERIES:
        answer = exporter.ask("GET", f"{TASKS}?{query}")
        assert answer.status_code == 400, query[:40]
        assert words in error(answer)


def test_a_registration_takes_no_query(exporter: Running) -> None:
    answer = exporter.ask("POST", f"{TASKS}?account=prod", json={"task_id": "a"})
    assert (answer.status_code, error(answer)) == (400, "unknown parameter 'account'; this request has no parameters")


# -- deletion --------------------------------------------------------------------------------------------------------


def test_a_deleted_task_is_tracked_no_longer_whatever_names_it(exporter: Running) -> None:
    exporter.ledgers["prod"].name("configuration", ["named", "b"], source="tasks")
    exporter.ledgers["prod"].view()
    answer = exporter.ask("DELETE", f"{TASKS}/b?account=prod")
    assert (answer.status_code, answer.content) == (204, b"")
    assert exporter.tracked() == exporter.kept() == ["named"]
    exporter.ledgers["prod"].name("configuration", ["named", "b"], source="tasks")
    assert exporter.tracked() == ["named"]


def test_deleting_what_is_not_tracked_is_404(exporter: Running) -> None:
    for task_id in ("nothing", "a%20b", "a,b", "%00", "%ff", "x" * 129, "..%2e", "é"):
        answer = exporter.ask("DELETE", f"{TASKS}/{task_id}")
        assert (answer.status_code, error(answer)) == (404, "no task with this id is tracked"), task_id
    assert exporter.rejected(f"{TASKS}/{{task_id}}", 404) == 8


# -- manners ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (TASKS, "GET, HEAD, POST"),
        (f"{TASKS}/a", "DELETE"),
        ("/api/v1/openapi.json", "GET, HEAD"),
    ],
)
def test_another_method_gets_405_with_allow(exporter: Running, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} - set(allowed.split(", ")):
        answer = exporter.ask(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
        assert error(answer) == f"this path accepts the methods {allowed} only"


def test_elsewhere_under_the_api_is_404_in_json(exporter: Running) -> None:
    for path in ("/api/v1/task", f"{TASKS}/", f"{TASKS}/a/b", "/api/v2/tasks", "/api/"):
        answer = exporter.ask("GET", path)
        assert answer.status_code == 404
        assert "this path does not exist" in error(answer)
    assert exporter.rejected("other", 404) == 5


def test_refusals_of_invented_ids_make_no_series_of_their_own(exporter: Running) -> None:
    for number in range(3):
        exporter.ask("DELETE", f"{TASKS}/invented-{number}")
    (family,) = [one for one in exporter.telemetry.registry.collect() if one.name == "vod_exporter_rejected_requests"]
    assert [(dict(sample.labels), sample.value) for sample in family.samples] == [
        ({"path": "/api/v1/tasks/{task_id}", "reason": "404"}, 3)
    ]


def test_a_slow_disk_takes_few_threads_and_clients_too_many_are_told_to_come_back(
    exporters: Exporter, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    """However many register while the store takes nothing: threads are left for scrapes, and memory is bounded."""
    places = 45  # more than the server has threads
    monkeypatch.setattr(api, "REQUESTS_AT_ONCE", places)
    exporter = exporters("prod")
    exporter.store.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(places) as pool:
        waiting = [pool.submit(exporter.post, {"task_id": f"t{number}"}) for number in range(places)]
        eventually(lambda: len(exporter.served.server.server_state.tasks) == places)
        refused = exporter.ask("GET")
        healthy = requests.get(f"{exporter.served.url}/-/healthy", timeout=10).status_code
        workers = [one for one in threading.enumerate() if one.name == "AnyIO worker thread"]
        exporter.store.gate.set()
        assert [one.result().status_code for one in waiting] == [200] * places
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert f"{places} requests to the API are in progress" in error(refused)
    assert (healthy, len(workers)) == (200, api.THREADS)
    assert exporter.ask("GET").json()["total"] == places
