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
from exporter.errors import StateError
from exporter.keys import Key
from exporter.metrics.catalog import EVENTS, JOB_PROCESSING, REJECTED_REQUESTS
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import Changes, MemoryStore
from exporter.vod import events
from exporter.web import api, openapi
from exporter.web.app import Interface
from exporter.web.callback import Callback
from exporter.web.requests import MAX_BODY_BYTES
from tests.conftest import make_account
from tests.web.conftest import nothing_asks

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
PATH = "/api/v1/openapi.json"
TASKS, TASK = "/api/v1/tasks", "/api/v1/tasks/{task_id}"
TOKEN, UNREADABLE = Key("s3cret-token"), Key(Path("/nonexistent/token"))
BEARER = {"Authorization": "Bearer s3cret-token"}
BOUNDED = settings(
    derandomize=True, max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def loaded(*modes: schemathesis.GenerationMode) -> Any:
    generation = GenerationConfig(deterministic=True, modes=list(modes))
    config = schemathesis.Config(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    return schemathesis.openapi.from_dict(copy.deepcopy(openapi.DOCUMENT), config=config)  # it adds to what it is given


document: schemathesis.BaseSchema = loaded(*schemathesis.GenerationMode)


class Store(MemoryStore):
    """Takes nothing while `broken`."""

    broken = False

    def save(self, account: str, changes: Changes) -> None:
        if self.broken:
            raise StateError("the disk is full")
        super().save(account, changes)


class Running:
    """An exporter with the account `prod` and a few tasks."""

    def __init__(self, serve: Callable[..., Any], *, tasks: int = 5) -> None:
        self.store = Store()
        telemetry, ledger = Telemetry(), Ledger("prod", store=self.store)
        ledger.discover([f"found-{number}" for number in range(tasks)], source="discovery")
        account = make_account(nothing_asks, ledger, telemetry.account("prod"))
        scraper = Scraper([account], min_interval=0)
        self._interface = Interface(scraper, telemetry, timeout=10.0, offset=0.5)
        self.use_token(TOKEN)
        self.url: str = serve(self._interface.app()).url

    def use_token(self, token: Key | None) -> None:
        callback = Callback("https://vod.example.com/callback/prod", Key("callback-key"))
        self._interface.configure(timeout=10.0, offset=0.5, api_token=token, callbacks={"prod": callback})


@pytest.fixture
def exporter(serve: Callable[..., Any]) -> Running:
    return Running(serve)


@document.parametrize()
@BOUNDED
def test_every_answer_is_as_the_document_says(case: Any, exporter: Running) -> None:
    """To requests that hold to it and to such that break it, with the token and without."""
    case.call_and_validate(base_url=exporter.url, headers=BEARER)


def test_what_is_registered_is_there_until_it_is_deleted(exporter: Running) -> None:
    """Requests one after the other, each made of the answer to the one before."""

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


def test_every_answer_of_the_document_is_given_and_as_it_says(exporter: Running) -> None:
    assert set(documented()) == set(ANSWERS)
    for (method, path, status), how in ANSWERS.items():
        options = {"headers": BEARER, **how}
        exporter.use_token(options.pop("token", TOKEN))
        exporter.store.broken = options.pop("broken", False)
        url = exporter.url + path.format(task_id=options.pop("task_id", "found-1"))
        answer = requests.request(method, url, timeout=10, **options)
        assert (method, path, str(answer.status_code)) == (method, path, status)
        document[path][method].validate_response(answer)


def test_it_is_served_to_everybody(exporter: Running) -> None:
    exporter.use_token(None)
    answer = requests.get(exporter.url + PATH, timeout=10)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == openapi.DOCUMENT
    assert answer.json()["info"]["version"] == __version__


def test_it_is_an_openapi_document() -> None:
    document.validate()
    assert openapi.DOCUMENT["openapi"] == "3.1.0"


def test_it_describes_every_route_of_the_api_and_no_other() -> None:
    routes = {route.path: set(route.methods or ()) - {"HEAD"} for route in api.Api(dict, token=lambda: None).routes()}
    paths = {path: {method.upper() for method in methods} for path, methods in openapi.DOCUMENT["paths"].items()}
    assert paths == routes | {PATH: {"GET"}}


# -- docs/api.md -----------------------------------------------------------------------------------------------------


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its header."""
    rows = re.findall(r"^\|(.+)\|$", PAGE.partition(f"# {heading}\n")[2].partition("\n#")[0], re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]


def test_the_examples_of_the_page_do_what_it_says(
    serve: Callable[..., Any], tool: Callable[[str], str], tmp_path: Path
) -> None:
    """All of them, one after the other."""
    running = Running(serve, tasks=0)
    blocks = re.findall(r"```console\n(.+?)```", PAGE, re.DOTALL)
    environ = {**os.environ, "TOKEN": "s3cret-token", "CALLBACK_KEY": "callback-key", "no_proxy": "*"}
    for block in blocks:
        commands = re.findall(r"^\$ (.+(?:\n    .+)*)\n", block, re.MULTILINE)
        wanted = re.sub(r"^\$ .+(?:\n    .+)*\n", "", block, flags=re.MULTILINE)
        script = "\n".join(commands).replace("http://localhost:10870", running.url)
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


def test_the_page_tells_the_bounds_of_the_code() -> None:
    for figure in (
        f"up to {api.MAX_IDS:,}",
        f"1 to {api.MAX_LIMIT}, {api.DEFAULT_LIMIT} where",
        f"larger than {MAX_BODY_BYTES >> 20} MiB",
        f"or {api.REQUESTS_AT_ONCE} requests",
        f"at most {events.MAX_AGE_SECONDS / 60:.0f} minutes",
    ):
        assert figure in PAGE
    for name in (EVENTS.name, REJECTED_REQUESTS.name, JOB_PROCESSING.name, *events.TYPES):
        assert f"`{name}`" in PAGE
