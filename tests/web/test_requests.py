"""Bodies, query parameters and keys of requests, through the registration API."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import pytest

from exporter.keys import Key
from exporter.web.requests import MAX_BODY_BYTES
from tests.conftest import wait_until
from tests.web.conftest import TASKS, TOKEN, ApiExporter, ApiExporters, error

HEAD = f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"

# -- bodies ------------------------------------------------------------------------------------------------------------

BODIES: list[tuple[bytes, str]] = [
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


def test_a_body_with_invalid_json_or_values_is_400_and_names_the_fault(api_exporter: ApiExporter) -> None:
    for raw, words in BODIES:
        answer = api_exporter.send(raw)
        assert answer.status_code == 400, raw[:40]
        assert words in error(answer)
    assert api_exporter.tracked() == []


def test_a_byte_order_mark_is_accepted(api_exporter: ApiExporter) -> None:
    assert api_exporter.send(b'\xef\xbb\xbf{"task_id": "a"}').status_code == 200


def test_another_content_type_is_415(api_exporter: ApiExporter) -> None:
    for content_type in (None, "", "text/plain", "application/x-www-form-urlencoded", "json"):
        answer = api_exporter.send(b'{"task_id": "a"}', content_type)
        assert (answer.status_code, error(answer)) == (415, "send Content-Type: application/json"), content_type
    assert api_exporter.tracked() == []


def test_content_type_may_have_parameters_but_a_compressed_body_is_415(api_exporter: ApiExporter) -> None:
    assert api_exporter.send(b'{"task_id": "a"}', "Application/JSON; charset=utf-8").status_code == 200
    assert api_exporter.send(b'{"task_id": "a"}', **{"Content-Encoding": "gzip"}).status_code == 415


def test_a_body_over_the_limit_is_413_also_when_chunked_or_only_declared(api_exporter: ApiExporter) -> None:
    body = b'{"task_id": "a"}' + b" " * MAX_BODY_BYTES
    assert api_exporter.send(body[:MAX_BODY_BYTES]).status_code == 200
    for sent in (body, iter([body[:1000], body[1000:]])):
        answer = api_exporter.send(cast("bytes", sent))
        assert (answer.status_code, error(answer)) == (413, "the body is larger than 1 MiB")
    client = api_exporter.served.send(f"{HEAD}Content-Length: {10**19}\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
    assert api_exporter.rejected(TASKS, 413) == 3


def test_a_connection_closed_during_the_body_is_400_without_a_log_line(
    api_exporter: ApiExporter, caplog: pytest.LogCaptureFixture
) -> None:
    client = api_exporter.served.send(f'{HEAD}Content-Length: 100\r\n\r\n{{"task_id": "a"')
    wait_until(lambda: api_exporter.served.server.server_state.tasks)
    client.close()
    wait_until(lambda: api_exporter.rejected(TASKS, 400))
    wait_until(lambda: not api_exporter.served.server.server_state.tasks)
    assert api_exporter.tracked() == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_changed_key_file_counts_at_once_and_an_unusable_one_is_503(
    api_exporters: ApiExporters, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    api_exporter = api_exporters("prod", token=Key(path))

    def status(token: str) -> int:
        return api_exporter.ask("GET", headers={"Authorization": f"Bearer {token}"}).status_code

    assert (status("first"), status("second")) == (200, 401)
    path.write_text("second\n")
    assert (status("first"), status("second")) == (401, 200)
    path.write_text("\n")
    assert [status(token) for token in ("first", "second", "")] == [503, 503, 503]
    path.unlink()
    assert status("second") == 503
    logged = [(record.getMessage(), record.__dict__["error"]) for record in caplog.records]
    assert logged == [
        ("key cannot be used", "is empty"),
        ("key cannot be used", "cannot be read (No such file or directory)"),
    ]
    path.write_text("third\n")
    assert status("third") == 200


def test_an_empty_key_is_503(api_exporters: ApiExporters, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()
    api_exporter = api_exporters("prod", token=Key(path))
    for header in ("Bearer ", "Bearer", ""):
        assert api_exporter.ask("GET", headers={"Authorization": header}).status_code == 503


# -- queries -----------------------------------------------------------------------------------------------------------

QUERIES: list[tuple[str, str]] = [
    *(
        (f"limit={value}", "limit must be a whole number from 1 to 1000")
        for value in ("0", "1001", "-1", "1.0", "", "x")
    ),
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


def test_a_malformed_query_is_400_and_names_the_fault(api_exporter: ApiExporter) -> None:
    for query, words in QUERIES:
        answer = api_exporter.ask("GET", f"{TASKS}?{query}")
        assert answer.status_code == 400, query[:40]
        assert words in error(answer)


def test_a_request_without_parameters_refuses_a_query(api_exporter: ApiExporter) -> None:
    answer = api_exporter.ask("POST", f"{TASKS}?account=prod", json={"task_id": "a"})
    assert (answer.status_code, error(answer)) == (400, "unknown parameter 'account'; this request has no parameters")
