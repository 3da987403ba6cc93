"""The OpenAPI document and docs/api.md are held to the API, and the API to them."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig

from exporter import __version__
from exporter.keys import Key
from exporter.metrics.catalog import EVENTS, JOB_PROCESSING, REJECTED_REQUESTS
from exporter.vod import events
from exporter.web import api, callback, openapi
from exporter.web.callback import Callback
from exporter.web.requests import MAX_BODY_BYTES
from tests.web.conftest import BEARER, KEY, TASKS, TOKEN, ApiExporter, ApiExporters

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
PATH = "/api/v1/openapi.json"
UNREADABLE = Key(Path("/nonexistent/token"))
TASK = f"{TASKS}/{{task_id}}"
BOUNDED = settings(
    derandomize=True, max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def loaded(*modes: schemathesis.GenerationMode) -> Any:
    generation = GenerationConfig(deterministic=True, modes=list(modes))
    config = schemathesis.Config(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    return schemathesis.openapi.from_dict(copy.deepcopy(openapi.DOCUMENT), config=config)  # it adds to what it is given


document: schemathesis.BaseSchema = loaded(*schemathesis.GenerationMode)


def with_tasks(exporters: ApiExporters, count: int) -> ApiExporter:
    """An exporter with `count` tasks that discovery has found, and with an event callback."""
    events_of_prod = Callback("https://vod.example.com/callback/prod", Key("callback-key"))
    exporter = exporters("prod", callbacks={"prod": events_of_prod})
    exporter.ledgers["prod"].discover([f"found-{number}" for number in range(count)], source="discovery")
    return exporter


@pytest.fixture
def exporter(api_exporters: ApiExporters) -> ApiExporter:
    return with_tasks(api_exporters, 5)


@document.parametrize()  # type: ignore[untyped-decorator] # mypy does not follow schemathesis
@BOUNDED
def test_every_response_matches_the_document(case: Any, exporter: ApiExporter) -> None:
    """For valid and invalid requests, with and without the token."""
    case.call_and_validate(base_url=exporter.url, headers=BEARER)


def test_a_registered_task_is_listed_until_it_is_deleted(exporter: ApiExporter) -> None:
    """In chains of requests, in which each uses the response to the previous request."""

    deleted = []

    class Requests(loaded(schemathesis.GenerationMode.POSITIVE).as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, _: Any) -> dict[str, Any]:
            return {"base_url": exporter.url, "headers": BEARER}

        def after_call(self, response: Any, case: Any) -> None:
            if response.status_code == 204:
                deleted.append(case)
            super().after_call(response, case)

    Requests.run(settings=settings(BOUNDED, max_examples=15, stateful_step_count=6))
    assert deleted


BODY = {"task_id": "a"}
ANSWERS: Mapping[tuple[str, str, str], dict[str, Any]] = {
    ("POST", TASKS, "200"): {"json": {"account": "prod", "task_ids": ["a", "b"]}},
    ("POST", TASKS, "400"): {"json": {}},
    ("POST", TASKS, "401"): {"json": BODY, "headers": {}},
    ("POST", TASKS, "403"): {"json": BODY, "token": None},
    ("POST", TASKS, "404"): {"json": {**BODY, "account": "test"}},
    ("POST", TASKS, "413"): {"json": {"task_id": "a" * MAX_BODY_BYTES}},
    ("POST", TASKS, "415"): {"data": b"{}"},
    ("POST", TASKS, "503"): {"json": {"task_id": "new"}, "broken": True},
    ("GET", TASKS, "200"): {"params": {"limit": 3}},
    ("GET", TASKS, "400"): {"params": {"limit": 0}},
    ("GET", TASKS, "401"): {"headers": {"Authorization": "Bearer wrong"}},
    ("GET", TASKS, "403"): {"token": None},
    ("GET", TASKS, "404"): {"params": {"account": "test"}},
    ("GET", TASKS, "503"): {"token": UNREADABLE},
    ("DELETE", TASK, "204"): {"task_id": "found-0"},
    ("DELETE", TASK, "400"): {"params": {"x": 1}},
    ("DELETE", TASK, "401"): {"headers": {}},
    ("DELETE", TASK, "403"): {"token": None},
    ("DELETE", TASK, "404"): {"params": {"account": "test"}},
    ("DELETE", TASK, "503"): {"token": UNREADABLE},
    ("GET", PATH, "200"): {"headers": {}, "token": None},
}


def documented() -> Iterator[tuple[str, str, str]]:
    for path, methods in openapi.DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status in operation["responses"]:
                yield method.upper(), path, status


def test_every_response_of_the_document_occurs(exporter: ApiExporter) -> None:
    here = {response for response in documented() if response[2] != "202"}  # see test_remote.py for those of replicas
    assert here == set(ANSWERS)
    for (method, path, status), how in ANSWERS.items():
        options = {"headers": BEARER, **how}
        exporter.use_token(options.pop("token", KEY))
        exporter.store.broken = options.pop("broken", False)
        url = exporter.url + path.format(task_id=options.pop("task_id", "found-1"))
        answer = requests.request(method, url, timeout=10, **options)
        assert (method, path, str(answer.status_code)) == (method, path, status)
        document[path][method].validate_response(answer)


def test_the_document_is_served_without_a_token(exporter: ApiExporter) -> None:
    exporter.use_token(None)
    answer = requests.get(exporter.url + PATH, timeout=10)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == openapi.DOCUMENT
    assert answer.json()["info"]["version"] == __version__


def test_the_document_is_valid_openapi() -> None:
    document.validate()
    assert openapi.DOCUMENT["openapi"] == "3.1.0"


def test_the_document_describes_exactly_the_routes_of_the_api() -> None:
    routes = {route.path: set(route.methods or ()) - {"HEAD"} for route in api.Api(dict, token=lambda: None).routes()}
    paths = {path: {method.upper() for method in methods} for path, methods in openapi.DOCUMENT["paths"].items()}
    assert paths == routes | {PATH: {"GET"}}


# -- docs/api.md -------------------------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without the header row."""
    rows = re.findall(r"^\|(.+)\|$", PAGE.partition(f"# {heading}\n")[2].partition("\n#")[0], re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]


def test_the_examples_of_the_page_print_what_it_shows(
    api_exporters: ApiExporters, tool: Callable[[str], str], tmp_path: Path
) -> None:
    url = with_tasks(api_exporters, 0).url
    blocks = re.findall(r"```console\n(.+?)```", PAGE, re.DOTALL)
    environ = {**os.environ, "TOKEN": TOKEN, "CALLBACK_KEY": "callback-key", "no_proxy": "*"}
    for block in blocks:
        commands = re.findall(r"^\$ (.+(?:\n    .+)*)\n", block, re.MULTILINE)
        wanted = re.sub(r"^\$ .+(?:\n    .+)*\n", "", block, flags=re.MULTILINE)
        script = "\n".join(commands).replace("http://localhost:10870", url)
        done = subprocess.run(
            [tool("bash"), "-euc", script], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=30
        )
        assert (done.stdout, done.stderr) == (wanted, ""), block
    assert len(blocks) == 5
    assert PAGE.count("curl ") == 7


def test_the_page_lists_every_request_and_every_refusal() -> None:
    requests_listed = {row[0].strip("`").replace("TASK_ID", "{task_id}") for row in table("Registration")}
    assert requests_listed == {f"{method} {path}" for method, path, _ in ANSWERS}
    refusals = {row[0] for row in table("Refusals")}
    assert refusals == {status for _, _, status in ANSWERS if status >= "400"} | {"405"}


def test_the_page_states_the_limits_of_the_code() -> None:
    for figure in (
        f"up to {api.MAX_IDS:,}",
        f"1 to {api.MAX_LIMIT}, default {api.DEFAULT_LIMIT}",
        f"larger than {MAX_BODY_BYTES >> 20} MiB",
        f"or {api.REQUESTS_AT_ONCE} requests",
        f"or {callback.EVENTS_AT_ONCE} events",
        f"at most {events.MAX_AGE_SECONDS / 60:.0f} minutes",
    ):
        assert figure in PAGE
    for name in (EVENTS.name, REJECTED_REQUESTS.name, JOB_PROCESSING.name, *events.TYPES):
        assert f"`{name}`" in PAGE
