"""An account that another replica holds: what is asked of it here is refused with the holder, or passed on."""

from __future__ import annotations

import hashlib
import json
import time

import requests

from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.tracking.holdings import Alone
from exporter.tracking.store import MemoryStore
from exporter.web.app import Interface
from exporter.web.callback import Callback
from tests.web.conftest import BEARER, KEY, TASKS, Serve, Served

URL = "https://exporter.example.com/callback/prod"


class Elsewhere(Alone):
    """Two accounts, of which none is held here."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.posted: list[tuple[str, object]] = []

    def holders(self) -> dict[str, str]:
        return {"prod": "exporter-1", "test": ""}

    def post(self, account: str, text: bytes) -> None:
        self.posted.append((account, json.loads(text)))


def served(serve: Serve) -> tuple[Served, Elsewhere]:
    holdings = Elsewhere()
    scraper = Scraper([], min_interval=0, holdings=holdings)
    interface = Interface(
        scraper,
        Telemetry(),
        timeout=10.0,
        offset=0.5,
        api_token=KEY,
        callbacks={"prod": Callback(URL, Key("callback-key"))},
    )
    return serve(interface.app()), holdings


def test_a_probe_is_refused_with_the_name_of_the_holder(serve: Serve) -> None:
    exporter, _ = served(serve)
    answers = [requests.get(f"{exporter.url}/probe?account={name}", timeout=20) for name in ("prod", "test", "none")]

    assert [answer.status_code for answer in answers] == [503, 503, 404]
    assert "the replica exporter-1 holds the account prod" in answers[0].text
    assert "no replica holds the account test" in answers[1].text


def test_metrics_say_that_the_accounts_are_not_held_and_sd_lists_none(serve: Serve) -> None:
    exporter, _ = served(serve)
    lines = requests.get(f"{exporter.url}/metrics", timeout=20).text.splitlines()

    assert [line for line in lines if 'account="' in line] == [
        'vod_exporter_account_held{account="prod"} 0.0',
        'vod_exporter_account_held{account="test"} 0.0',
    ]
    assert requests.get(f"{exporter.url}/sd", timeout=20).json() == []


def test_registrations_and_deletions_are_passed_on_and_lists_are_refused(serve: Serve) -> None:
    exporter, holdings = served(serve)

    def ask(method: str, path: str = "", **options: object) -> requests.Response:
        return requests.request(method, f"{exporter.url}{TASKS}{path}", headers=BEARER, timeout=20, **options)  # type: ignore[arg-type]

    registered = ask("POST", json={"account": "prod", "task_id": "t"})
    deleted = ask("DELETE", "/t?account=test")
    listed = ask("GET", "?account=prod")

    assert (registered.status_code, registered.json()) == (202, {"account": "prod", "holder": "exporter-1"})
    assert (deleted.status_code, deleted.json()) == (202, {"account": "test", "holder": None})
    assert (listed.status_code, "exporter-1" in listed.text) == (503, True)
    assert holdings.posted == [
        ("prod", {"task_ids": ["t"], "kind": "registration"}),
        ("test", {"task_id": "t", "kind": "deletion"}),
    ]


def test_an_event_is_passed_on_before_it_is_acknowledged(serve: Serve) -> None:
    exporter, holdings = served(serve)
    timestamp = str(int(time.time()))
    signed = hashlib.md5(f"{URL}|{timestamp}|callback-key".encode(), usedforsecurity=False).hexdigest()
    answer = requests.post(
        f"{exporter.url}/callback/prod",
        json={"EventType": "StreamTranscodeComplete", "VideoId": "v", "JobId": "j", "Status": "success"},
        headers={"X-VOD-SIGNATURE": signed, "X-VOD-TIMESTAMP": timestamp},
        timeout=20,
    )

    ((account, message),) = holdings.posted
    assert (answer.status_code, account) == (200, "prod")
    assert isinstance(message, dict)
    assert (message["kind"], message["video_id"], message["jobs"][0]["id"]) == ("event", "v", "j")


def test_the_status_page_says_who_holds_the_accounts(serve: Serve) -> None:
    exporter, _ = served(serve)
    page = requests.get(exporter.url, timeout=20).text

    assert "Held by exporter-1: prod" in page
    assert "no replica holds test" in page
