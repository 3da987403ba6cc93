"""The event callback on real sockets, over real ledgers: who is believed, and what comes of an event."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import requests

from exporter.deadline import Deadline
from exporter.keys import Key, SecretText
from exporter.metrics.telemetry import Telemetry
from exporter.model import Job, Task
from exporter.scrape.scraper import Scraper
from exporter.snapshot import Total
from exporter.tracking.ledger import Ledger
from exporter.vod.client import Client
from exporter.vod.events import signature
from exporter.vod.payloads import JobsReply
from exporter.web.app import Interface
from exporter.web.callback import Callback
from exporter.web.requests import MAX_BODY_BYTES
from tests.conftest import make_account

URL, KEY = "https://vod.example/callback/prod", SecretText("c4llback-key")
NOW = 1_773_992_957.0
PATH = "/callback/prod"
ROUTE = "/callback/{name}"

STREAM: dict[str, Any] = {
    "EventType": "StreamTranscodeComplete",
    "VideoId": "video-1",
    "Status": "success",
    "JobId": "job-2",
    "Definition": "HD-MP4",
    "StartTime": "2026-03-20T07:48:00Z",
    "FinishTime": "2026-03-20T07:49:15Z",
}


class Service(Client):
    """Remembers what it was asked, in order, and knows nothing."""

    waiting_since = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def get_jobs(self, job_ids: Any, deadline: Deadline) -> JobsReply:  # noqa: ARG002 - as the client's
        self.asked.append(tuple(job_ids))
        return JobsReply(())

    def get_task(self, task_id: str, deadline: Deadline) -> Any:  # noqa: ARG002 - as the client's
        self.asked.append((task_id,))
        return Task(task_id, status="Processing"), ()

    def list_tasks(self, video_id: str, deadline: Deadline) -> Any:  # noqa: ARG002 - as the client's
        self.asked.append((video_id,))
        return []


class Running:
    """An exporter with the accounts `prod`, which takes events, and `deaf`, which does not. `now` is its time."""

    def __init__(self, serve: Callable[..., Any], **options: Any) -> None:
        self.now = NOW
        self.service = Service()
        self.telemetry = Telemetry()
        self.ledger = Ledger("prod", clock=lambda: self.now)
        self.accounts = {
            name: make_account(lambda *_: self.service, ledger, self.telemetry.account(name), name=name, concurrency=1)
            for name, ledger in (("prod", self.ledger), ("deaf", Ledger("deaf")))
        }
        options.setdefault("callbacks", {"prod": Callback(url=URL, key=Key(KEY.get_secret_value()))})
        scraper = Scraper(list(self.accounts.values()), min_interval=0)
        interface = Interface(scraper, self.telemetry, timeout=10.0, offset=0.5, clock=lambda: self.now, **options)
        self.served = serve(interface.app())

    def track(self) -> None:
        """A task with four unfinished jobs, all asked about."""
        self.ledger.register(["task-1"], source="api")
        jobs = tuple(Job(f"job-{number}", "HD", "Transcoding", created=NOW) for number in range(4))
        self.ledger.observe_task("task-1", Task("task-1", "video-1", "Processing", created=NOW, jobs=jobs))

    def send(self, body: object, *, path: str = PATH, age: float = 0.0, **headers: str | None) -> requests.Response:
        """`body` with the signature of `age` seconds ago; headers given as None are left out."""
        timestamp = f"{self.now - age:.0f}"
        signed = {
            "X-VOD-TIMESTAMP": timestamp,
            "X-VOD-SIGNATURE": signature(url=URL, timestamp=timestamp, key=KEY),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in signed.items() if value is not None}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.post(self.served.url + path, data=raw, headers=sent, timeout=20)

    def value(self, name: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(name, labels)

    def events(self, event: str) -> float | None:
        return self.value("vod_exporter_events_total", account="prod", event=event)

    def rejected(self, reason: int) -> float | None:
        return self.value("vod_exporter_rejected_requests_total", path=ROUTE, reason=str(reason))

    def processing(self) -> list[tuple[int, float]]:
        """How many jobs there are in each histogram of processing times, and their seconds."""
        found = self.ledger.view().totals.histograms
        return [(sum(one.counts), one.sum) for key, one in found.items() if key[0] is Total.JOB_PROCESSING]

    def refreshed(self) -> list[tuple[str, ...]]:
        """What the next scrape asks, in order."""
        self.service.asked.clear()
        self.accounts["prod"].refresh().result(20)
        return self.service.asked


@pytest.fixture
def exporter(serve: Callable[..., Any]) -> Running:
    return Running(serve)


def error(answer: requests.Response) -> str:
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


# -- what comes of an event ------------------------------------------------------------------------------------------


def test_an_event_is_answered_with_an_empty_200_and_asks_vod_nothing(exporter: Running) -> None:
    exporter.track()
    answer = exporter.send(STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert exporter.service.asked == []
    assert exporter.events("StreamTranscodeComplete") == 1


def test_the_job_of_an_event_is_asked_about_before_all_others_at_the_next_scrape(exporter: Running) -> None:
    exporter.track()
    exporter.ledger.register(["task-2"], source="api")
    exporter.send(STREAM)
    first = exporter.refreshed()[0]
    assert first[0] == "job-2"


def test_the_processing_time_of_an_event_is_counted_once(exporter: Running) -> None:
    """However often the event is sent again, alone or within that of the task."""
    exporter.track()
    whole = {"EventType": "TranscodeComplete", "VideoId": "video-1", "StreamInfos": [STREAM, {"JobId": "job-3"}]}
    for body in (STREAM, STREAM, whole, whole):
        assert exporter.send(body).status_code == 200
    assert exporter.processing() == [(1, 75.0)]
    assert (exporter.events("StreamTranscodeComplete"), exporter.events("TranscodeComplete")) == (2, 2)


def test_an_event_that_comes_before_its_job_is_known_counts_when_it_is(exporter: Running) -> None:
    """And has the tasks of its video listed."""
    exporter.send(STREAM)
    assert exporter.refreshed() == [("video-1",)]
    exporter.track()
    assert exporter.processing() == [(1, 75.0)]


def test_an_event_of_a_task_without_jobs_has_the_tasks_of_its_video_listed(exporter: Running) -> None:
    exporter.send({"EventType": "TranscodeComplete", "VideoId": "video-9", "Status": "fail", "StreamInfos": []})
    assert exporter.refreshed() == [("video-9",)]


def test_events_of_message_queues_come_in_base64(exporter: Running) -> None:
    exporter.track()
    assert exporter.send(base64.b64encode(json.dumps(STREAM).encode()), Content_Type="text/plain").status_code == 200
    assert exporter.processing() == [(1, 75.0)]


def test_other_events_count_as_other_and_do_nothing(exporter: Running) -> None:
    """VOD sends events of all kinds to one address: refusing them would have them sent twice more."""
    exporter.track()
    for body in (
        STREAM | {"EventType": "SnapshotComplete"},
        STREAM | {"EventType": "x" * 1000},
        {},
        base64.b64encode(b"[]"),
    ):
        assert exporter.send(body).status_code == 200
    assert exporter.events("other") == 4
    assert exporter.ledger.work().prioritized_jobs == ()
    assert exporter.processing() == []


def test_odd_fields_are_counted_by_name_and_the_rest_of_the_event_counts(exporter: Running) -> None:
    exporter.track()
    whole = {"EventType": "TranscodeComplete", "VideoId": [1], "StreamInfos": [{"JobId": {}}, STREAM, 7]}
    assert exporter.send(whole).status_code == 200
    assert exporter.processing() == [(1, 75.0)]
    for field in ("VideoId", "JobId", "StreamInfos"):
        assert exporter.value("vod_exporter_malformed_fields_total", account="prod", field=field) == 1


# -- who is believed -------------------------------------------------------------------------------------------------


def test_a_wrong_signature_is_401_and_has_no_effect(exporter: Running) -> None:
    exporter.track()
    right = signature(url=URL, timestamp=f"{NOW:.0f}", key=KEY)
    signatures = (None, "", right[:-1], right + "0", "0" * 32, "x" * 5000, cast("str", b"\xff"))
    timestamps = (None, "", "x", f"{NOW - 1:.0f}", f"{NOW:.1f}", cast("str", b"\xff"))
    cases: list[dict[str, Any]] = [
        *({"X_VOD_SIGNATURE": one} for one in signatures),
        *({"X_VOD_TIMESTAMP": one} for one in timestamps),
    ]
    for headers in cases:
        answer = exporter.send(STREAM, **headers)
        assert answer.status_code == 401, headers
        assert "X-VOD-SIGNATURE does not match" in error(answer)
        assert answer.headers["WWW-Authenticate"]
        assert right not in answer.text
    assert exporter.rejected(401) == len(cases)
    assert exporter.events("StreamTranscodeComplete") in (None, 0)
    assert exporter.ledger.work().prioritized_jobs == ()


def test_the_signature_of_another_address_or_key_is_401(serve: Callable[..., Any]) -> None:
    others = (Callback(url=URL + "/", key=Key(KEY.get_secret_value())), Callback(url=URL, key=Key("other")))
    for callback in others:
        assert Running(serve, callbacks={"prod": callback}).send(STREAM).status_code == 401


def test_an_event_of_over_five_minutes_ago_or_ahead_is_401_and_has_no_effect(exporter: Running) -> None:
    exporter.track()
    for age in (301, -301, 86400):
        answer = exporter.send(STREAM, age=age)
        assert (answer.status_code, error(answer)) == (
            401,
            "X-VOD-TIMESTAMP differs from the clock of this machine by more than 5 minutes",
        )
    assert exporter.ledger.work().prioritized_jobs == ()
    assert exporter.send(STREAM, age=299).status_code == 200
    assert exporter.send(STREAM, age=-299).status_code == 200


def test_an_event_sent_again_after_five_minutes_is_401(exporter: Running) -> None:
    assert exporter.send(STREAM).status_code == 200
    exporter.now += 301
    assert exporter.send(STREAM, age=301).status_code == 401


def test_an_unknown_account_is_404_and_one_without_a_key_403(exporter: Running) -> None:
    for path in ("/callback/nobody", "/callback/PROD", "/callback/prod%00", "/callback/%ff"):
        assert exporter.send(STREAM, path=path).status_code == 404
    answer = exporter.send(STREAM, path="/callback/deaf")
    assert answer.status_code == 403
    assert "set its callback" in error(answer)
    assert (exporter.rejected(404), exporter.rejected(403)) == (4, 1)


def test_a_changed_key_file_counts_at_once_and_a_broken_one_lets_nobody_in(
    serve: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    exporter = Running(serve, callbacks={"prod": Callback(url=URL, key=Key(path))})
    statuses = []
    for text in (KEY.get_secret_value(), "another", "", None, "a b", KEY.get_secret_value()):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        statuses.append(exporter.send(STREAM).status_code)
    assert statuses == [200, 401, 503, 503, 503, 200]
    assert len(caplog.records) == 3
    assert KEY.get_secret_value() not in caplog.text


def test_an_empty_key_lets_nobody_in(serve: Callable[..., Any], tmp_path: Path) -> None:
    """Anybody can compute a signature with the empty key."""
    path = tmp_path / "key"
    path.touch()
    exporter = Running(serve, callbacks={"prod": Callback(url=URL, key=Key(path))})
    made = signature(url=URL, timestamp=f"{NOW:.0f}", key=SecretText(""))
    assert exporter.send(STREAM, X_VOD_SIGNATURE=made).status_code == 503


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_what_is_no_json_is_400(exporter: Running) -> None:
    bodies = (b"", b"no", b"\xff\xfe", b'{"a":', b'{"a":' * 100_000, b"[" * 100_000, b"EventType=x", b"===")
    for body in bodies:
        answer = exporter.send(body)
        assert (answer.status_code, error(answer)) == (400, "the body is neither JSON nor JSON in Base64"), body[:20]
    assert exporter.rejected(400) == len(bodies)


def test_a_body_over_the_limit_is_413_however_it_comes(exporter: Running) -> None:
    body = json.dumps(STREAM).encode().ljust(MAX_BODY_BYTES)
    assert exporter.send(body).status_code == 200
    assert exporter.send(body + b" ").status_code == 413
    timestamp = f"{NOW:.0f}"
    headers = {"X-VOD-TIMESTAMP": timestamp, "X-VOD-SIGNATURE": signature(url=URL, timestamp=timestamp, key=KEY)}
    answer = requests.post(exporter.served.url + PATH, data=iter([body, b" "]), headers=headers, timeout=20)
    assert answer.status_code == 413


def test_a_stranger_is_refused_before_the_body_is_there(exporter: Running) -> None:
    """So a body takes up memory only for those who know the key."""
    client = exporter.served.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_only_post_is_answered(exporter: Running) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = requests.request(method, exporter.served.url + PATH, timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_no_event_makes_a_log_line(exporter: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody may send one, and nobody fills the log."""
    exporter.send(STREAM | {"JobId": "a\nb", "VideoId": "\x1b[2J"})
    exporter.send(b"\n\x1b[2J")
    exporter.send(STREAM, X_VOD_SIGNATURE=None)
    exporter.send(STREAM, path="/callback/%0a%1b")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG and record.name != "urllib3"] == []
