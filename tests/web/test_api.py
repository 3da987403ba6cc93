"""The registration API on real sockets, over real ledgers."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import threading
from typing import cast

import pytest
import requests

from exporter.model import Task
from exporter.web import api
from tests.conftest import wait_until
from tests.web.conftest import BEARER, TASKS, TOKEN, ApiExporter, ApiExporters, error

MALFORMED_IDS: tuple[object, ...] = (
    *("", "a b", "a,b", "a\n", "../a", "x" * 129, "é", "\ud800", "\x00"),
    *(7, True, None, [], {}),
)
# -- registration ------------------------------------------------------------------------------------------------------


def test_a_registered_task_is_tracked_and_stored_before_the_answer(api_exporter: ApiExporter) -> None:
    answer = api_exporter.post({"account": "prod", "task_id": "task-1"})
    assert answer.status_code == 200
    assert answer.json() == {"account": "prod", "tasks": [{"task_id": "task-1", "tracked": True}]}
    assert api_exporter.ledgers["prod"].tasks() == [("task-1", "api", None)]
    assert api_exporter.stored() == ["task-1"]


def test_a_thousand_tasks_are_registered_at_once_in_their_order(api_exporter: ApiExporter) -> None:
    ids = [f"task_{number:04}-{'x' * 118}" for number in range(999, -1, -1)]
    answer = api_exporter.post({"task_ids": ids})
    assert answer.json()["tasks"] == [{"task_id": task_id, "tracked": True} for task_id in ids]
    assert api_exporter.tracked() == ids
    assert sorted(api_exporter.stored()) == sorted(ids)


def test_registering_again_changes_nothing(api_exporter: ApiExporter) -> None:
    first = api_exporter.post({"task_ids": ["a", "b"]})
    again = api_exporter.post({"task_ids": ["a", "b"]})
    more = api_exporter.post({"task_ids": ["b", "c", "b"]})
    assert first.json() == again.json()
    assert [one["task_id"] for one in more.json()["tasks"]] == ["b", "c"]
    assert api_exporter.tracked() == ["a", "b", "c"]


def test_a_task_that_finished_before_is_not_tracked_and_is_no_error(api_exporter: ApiExporter) -> None:
    ledger = api_exporter.ledgers["prod"]
    api_exporter.post({"task_ids": ["done", "deleted"]})
    ledger.observe_task("done", Task("done", status="CompleteAllFail"))
    ledger.view()
    for task_id in ("done", "deleted"):
        assert api_exporter.ask("DELETE", f"{TASKS}/{task_id}").status_code == 204
    answer = api_exporter.post({"task_ids": ["done", "deleted", "new"]})
    assert answer.status_code == 200
    assert [tuple(one.values()) for one in answer.json()["tasks"]] == [
        ("done", False),
        ("deleted", True),
        ("new", True),
    ]


def test_a_task_is_registered_with_the_named_account(api_exporters: ApiExporters) -> None:
    api_exporter = api_exporters("prod", "test")
    assert api_exporter.post({"account": "test", "task_id": "a"}).status_code == 200
    assert (api_exporter.tracked("prod"), api_exporter.tracked("test")) == ([], ["a"])


def test_with_several_accounts_a_request_must_name_an_account(api_exporters: ApiExporters) -> None:
    api_exporter = api_exporters("prod", "test")
    for answer in (api_exporter.post({"task_id": "a"}), api_exporter.ask("DELETE", f"{TASKS}/a")):
        assert (answer.status_code, error(answer)) == (400, "account is missing; name one of: prod, test")


def test_an_unknown_account_is_404(api_exporter: ApiExporter) -> None:
    answers = [
        api_exporter.post({"account": "pord", "task_id": "a"}),
        api_exporter.ask("GET", params={"account": "pord"}),
        api_exporter.ask("DELETE", f"{TASKS}/a", params={"account": "pord"}),
    ]
    for answer in answers:
        assert (answer.status_code, error(answer)) == (404, "no account has the name 'pord'")


def test_a_registration_that_cannot_be_stored_is_503_and_not_tracked(
    api_exporter: ApiExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """The client then sends it again, and a restart loses no registration that was acknowledged."""
    api_exporter.store.broken = True
    answer = api_exporter.post({"task_id": "a"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "could not be stored" in error(answer)
    assert "disk" not in answer.text
    assert api_exporter.tracked() == []
    assert api_exporter.rejected(TASKS, 503) == 1
    assert [record.getMessage() for record in caplog.records] == ["registration could not be stored"]
    assert caplog.records[0].__dict__["error"] == "the disk is full"
    api_exporter.store.broken = False
    assert api_exporter.post({"task_id": "a"}).json()["tasks"][0]["tracked"]
    assert api_exporter.stored() == ["a"]


# -- malformed registrations -------------------------------------------------------------------------------------------


MALFORMED: list[tuple[object, str]] = [
    ({}, "give either task_id or task_ids"),
    ({"account": "prod"}, "give either task_id or task_ids"),
    ({"task_id": "a", "task_ids": ["b"]}, "give either task_id or task_ids"),
    ({"task_ids": []}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": "a"}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": {"a": 1}}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": ["a"] * 1001}, "task_ids must be a list of 1 to 1000 task ids"),
    ({"task_ids": ["a", 7]}, "task_ids[1] must be a string of 1 to 128 letters, digits, _ and -"),
    ({"task_ids": ["a", None]}, "task_ids[1] must be a string"),
    *(({"task_id": value}, "task_id must be a string") for value in MALFORMED_IDS),
    ({"task_id": "a", "account": 7}, "account must be a string"),
    ({"task_id": "a", "account": None}, "account must be a string"),
    ({"task_id": "a", "acount": "prod"}, "unknown key 'acount'"),
    ({"task_id": "a", "\ud800\x1b[2J": 1}, "unknown key '\ufffd\ufffd[2J'"),
    ([], "the body is not a JSON object"),
    ("a", "the body is not a JSON object"),
    (None, "the body is not a JSON object"),
]


def test_a_malformed_registration_is_400_and_names_the_fault(api_exporter: ApiExporter) -> None:
    for body, words in MALFORMED:
        answer = api_exporter.send(json.dumps(body).encode())
        assert answer.status_code == 400, body
        assert words in error(answer)
    assert api_exporter.tracked() == []
    assert api_exporter.rejected(TASKS, 400) == len(MALFORMED)


# -- the token ---------------------------------------------------------------------------------------------------------

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


def test_without_the_token_every_request_is_401(api_exporter: ApiExporter) -> None:
    for header, (method, path) in itertools.product(WRONG_TOKENS, REQUESTS):
        headers = {} if header is None else {"Authorization": cast("str", header.encode("latin-1"))}
        answer = api_exporter.ask(method, path, headers=headers)
        assert answer.status_code == 401, (method, header)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert TOKEN not in answer.text
    assert api_exporter.tracked() == []
    assert api_exporter.rejected(TASKS, 401) == 3 * len(WRONG_TOKENS)
    assert api_exporter.rejected(f"{TASKS}/{{task_id}}", 401) == len(WRONG_TOKENS)


def test_the_authorization_scheme_is_case_insensitive(api_exporter: ApiExporter) -> None:
    for header in (f"bearer {TOKEN}", f"BEARER   {TOKEN}  "):
        assert api_exporter.ask("GET", headers={"Authorization": header}).status_code == 200


def test_a_request_with_two_authorization_headers_is_401(api_exporter: ApiExporter) -> None:
    lines = f"Authorization: Bearer {TOKEN}\r\n" * 2
    answer = api_exporter.served.talk(f"GET {TASKS} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n")
    assert answer.startswith("HTTP/1.1 401 ")


def test_without_a_configured_token_every_request_is_403(api_exporters: ApiExporters) -> None:
    api_exporter = api_exporters("prod", token=None)
    for headers in ({}, BEARER, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        for method, path in REQUESTS:
            answer = api_exporter.ask(method, path, headers=headers)
            assert answer.status_code == 403
        assert "api.token_file" in error(api_exporter.ask("GET", headers=headers))


def test_a_wrong_token_is_refused_before_the_body_is_read(api_exporter: ApiExporter) -> None:
    """So strangers cannot occupy memory with bodies."""
    client = api_exporter.served.send(f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


# -- listing -----------------------------------------------------------------------------------------------------------


def test_tasks_are_listed_in_the_order_of_their_registration(api_exporter: ApiExporter) -> None:
    api_exporter.ledgers["prod"].discover(["z"], source="discovery")
    api_exporter.post({"task_ids": ["b", "a"]})
    api_exporter.ledgers["prod"].observe_task("b", Task("b", video_id="video-1", status="Processing"))
    api_exporter.ledgers["prod"].observe_task("z", Task("z", status="Surprising"))
    unseen = {"account": "prod", "source": "api", "status": None, "video_id": None}
    assert api_exporter.ask("GET").json() == {
        "tasks": [
            {**unseen, "task_id": "z", "source": "discovery", "status": "unknown"},
            {**unseen, "task_id": "b", "status": "Processing", "video_id": "video-1"},
            {**unseen, "task_id": "a"},
        ],
        "total": 3,
        "limit": 100,
        "offset": 0,
    }


def test_all_pages_together_list_each_task_once(api_exporters: ApiExporters) -> None:
    """The tasks are grouped by account. A page past the end is empty."""
    api_exporter = api_exporters("prod", "test")
    for name in ("test", "prod"):
        api_exporter.post({"account": name, "task_ids": [f"{name}-{number}" for number in range(205)]})
    for params, wanted in (({}, ("prod", "test")), ({"account": "test"}, ("test",))):
        found, offset = [], 0
        while page := api_exporter.ask("GET", params={**params, "limit": "90", "offset": str(offset)}).json():
            assert (page["limit"], page["offset"], page["total"]) == (90, offset, 205 * len(wanted))
            if not page["tasks"]:
                break
            found += [one["task_id"] for one in page["tasks"]]
            offset += len(page["tasks"])
        assert found == [f"{name}-{number}" for name in wanted for number in range(205)]


# -- deletion ----------------------------------------------------------------------------------------------------------


def test_a_deleted_task_stays_deleted_although_the_configuration_names_it(api_exporter: ApiExporter) -> None:
    api_exporter.ledgers["prod"].name("configuration", ["named", "b"], source="tasks")
    api_exporter.ledgers["prod"].view()
    answer = api_exporter.ask("DELETE", f"{TASKS}/b?account=prod")
    assert (answer.status_code, answer.content) == (204, b"")
    assert api_exporter.tracked() == api_exporter.stored() == ["named"]
    api_exporter.ledgers["prod"].name("configuration", ["named", "b"], source="tasks")
    assert api_exporter.tracked() == ["named"]


def test_deleting_an_untracked_task_is_404(api_exporter: ApiExporter) -> None:
    for task_id in ("nothing", "a%20b", "a,b", "%00", "%ff", "x" * 129, "..%2e", "é"):
        answer = api_exporter.ask("DELETE", f"{TASKS}/{task_id}")
        assert (answer.status_code, error(answer)) == (404, "no task with this id is tracked"), task_id
    assert api_exporter.rejected(f"{TASKS}/{{task_id}}", 404) == 8


def test_a_deletion_while_a_reload_replaces_the_account_is_503_and_loses_nothing(api_exporter: ApiExporter) -> None:
    """The old account is closed then, and the new one has already loaded the state."""
    api_exporter.post({"task_id": "a"})
    api_exporter.ledgers["prod"].close()
    answer = api_exporter.ask("DELETE", f"{TASKS}/a")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "the deletion could not be stored" in error(answer)
    assert api_exporter.tracked() == api_exporter.stored() == ["a"]


# -- methods, paths and limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (TASKS, "GET, HEAD, POST"),
        (f"{TASKS}/a", "DELETE"),
        ("/api/v1/openapi.json", "GET, HEAD"),
    ],
)
def test_other_methods_get_405_with_allow(api_exporter: ApiExporter, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} - set(allowed.split(", ")):
        answer = api_exporter.ask(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
        assert error(answer) == f"this path accepts the methods {allowed} only"


def test_unknown_paths_of_the_api_get_404_in_json(api_exporter: ApiExporter) -> None:
    for path in ("/api/v1/task", f"{TASKS}/", f"{TASKS}/a/b", "/api/v2/tasks", "/api/"):
        answer = api_exporter.ask("GET", path)
        assert answer.status_code == 404
        assert "this path does not exist" in error(answer)
    assert api_exporter.rejected("other", 404) == 5


def test_refusals_of_invented_ids_share_one_series(api_exporter: ApiExporter) -> None:
    for number in range(3):
        api_exporter.ask("DELETE", f"{TASKS}/invented-{number}")
    (family,) = [
        family
        for family in api_exporter.telemetry.registry.collect()
        if family.name == "vod_exporter_rejected_requests"
    ]
    assert [(dict(sample.labels), sample.value) for sample in family.samples] == [
        ({"path": "/api/v1/tasks/{task_id}", "reason": "404"}, 3)
    ]


def test_a_blocked_disk_occupies_few_threads_and_further_requests_get_503(
    api_exporters: ApiExporters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So threads remain for scrapes, and the memory for bodies is bounded."""
    limit = 45  # more than the server has threads
    monkeypatch.setattr(api, "REQUESTS_AT_ONCE", limit)
    api_exporter = api_exporters("prod")
    api_exporter.store.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(limit) as pool:
        waiting = [pool.submit(api_exporter.post, {"task_id": f"t{number}"}) for number in range(limit)]
        wait_until(lambda: len(api_exporter.served.server.server_state.tasks) == limit)
        refused = api_exporter.ask("GET")
        healthy = requests.get(f"{api_exporter.url}/-/healthy", timeout=10).status_code
        workers = [one for one in threading.enumerate() if one.name == "AnyIO worker thread"]
        api_exporter.store.gate.set()
        assert [one.result().status_code for one in waiting] == [200] * limit
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert f"{limit} requests to the API are in progress" in error(refused)
    assert (healthy, len(workers)) == (200, api.THREADS)
    assert api_exporter.ask("GET").json()["total"] == limit
