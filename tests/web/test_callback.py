"""The event callback on real sockets, over real ledgers: authentication and effects of events."""

from __future__ import annotations

import base64
import json
import logging
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
from exporter.tracking.videos import MAX_HINTS, Videos
from exporter.vod.client import Client
from exporter.vod.events import signature
from exporter.vod.replies import JobsReply
from exporter.web import callback
from exporter.web.callback import Callback
from exporter.web.requests import MAX_BODY_BYTES
from tests.conftest import make_account
from tests.web.conftest import FailingStore, ServeInterface, error

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
    """A VOD without any tasks that records the requests in order."""

    waiting_since = None
    latency = 0.0

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def get_jobs(self, job_ids: Any, deadline: Deadline, *, urgent: bool = False) -> JobsReply:  # noqa: ARG002 - as the client's
        self.asked.append(tuple(job_ids))
        return JobsReply(())

    def get_task(self, task_id: str, deadline: Deadline) -> Any:  # noqa: ARG002 - as the client's
        self.asked.append((task_id,))
        return Task(task_id, status="Processing"), ()

    def list_tasks(self, video_id: str, deadline: Deadline) -> Any:  # noqa: ARG002 - as the client's
        self.asked.append((video_id,))
        return []


class Running:
    """An exporter with the accounts `prod`, which accepts events, and `deaf`, which does not. `now` is its clock."""

    def __init__(self, serve_interface: ServeInterface, **options: Any) -> None:
        self.now = NOW
        self.service = Service()
        self.telemetry = Telemetry()
        self.store = FailingStore()
        self.ledger = Ledger("prod", store=self.store, clock=lambda: self.now)
        self.videos = Videos(dropped=self.telemetry.account("prod").hint_dropped)
        self.accounts = {
            name: make_account(
                lambda *_: self.service,
                ledger,
                self.telemetry.account(name),
                name=name,
                videos=videos,
                concurrency=1,
            )
            for name, ledger, videos in (("prod", self.ledger, self.videos), ("deaf", Ledger("deaf"), None))
        }
        options.setdefault("callbacks", {"prod": Callback(url=URL, key=Key(KEY.get_secret_value()))})
        scraper = Scraper(list(self.accounts.values()), min_interval=0)
        self.served = serve_interface(scraper, self.telemetry, clock=lambda: self.now, **options)

    def track(self) -> None:
        """Track a task with four unfinished jobs that were just refreshed."""
        self.ledger.register(["task-1"], source="api")
        jobs = tuple(Job(f"job-{number}", "HD", "Transcoding", created=NOW) for number in range(4))
        self.ledger.observe_task("task-1", Task("task-1", "video-1", "Processing", created=NOW, jobs=jobs))

    def send(self, body: object, *, path: str = PATH, age: float = 0.0, **headers: str | None) -> requests.Response:
        """Send `body` with a signature that is `age` seconds old, without the headers that are None."""
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
        """The count and the sum in seconds of each histogram of processing times."""
        histograms = self.ledger.view().totals.histograms
        return [(sum(one.counts), one.sum) for key, one in histograms.items() if key[0] is Total.JOB_PROCESSING]

    def refreshed(self) -> list[tuple[str, ...]]:
        """The requests that the next scrape sends to VOD, in order."""
        self.service.asked.clear()
        self.accounts["prod"].refresh().result(20)
        return self.service.asked


@pytest.fixture
def exporter(serve_interface: ServeInterface) -> Running:
    return Running(serve_interface)


# -- effects of an event -----------------------------------------------------------------------------------------------


def test_an_event_gets_an_empty_200_and_sends_no_request_to_vod(exporter: Running) -> None:
    exporter.track()
    answer = exporter.send(STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert exporter.service.asked == []
    assert exporter.events("StreamTranscodeComplete") == 1


def test_the_next_scrape_refreshes_the_job_of_an_event_first(exporter: Running) -> None:
    exporter.track()
    exporter.ledger.register(["task-2"], source="api")
    exporter.send(STREAM)
    first = exporter.refreshed()[0]
    assert first[0] == "job-2"


def test_the_processing_time_of_a_job_is_counted_once(exporter: Running) -> None:
    """However often VOD sends the event, alone or as a part of the event of the task."""
    exporter.track()
    whole = {"EventType": "TranscodeComplete", "VideoId": "video-1", "StreamInfos": [STREAM, {"JobId": "job-3"}]}
    for body in (STREAM, STREAM, whole, whole):
        assert exporter.send(body).status_code == 200
    assert exporter.processing() == [(1, 75.0)]
    assert (exporter.events("StreamTranscodeComplete"), exporter.events("TranscodeComplete")) == (1, 1)


def test_an_event_before_its_job_is_known_counts_once_the_job_is_known(exporter: Running) -> None:
    """Until then, the next scrape lists the tasks of its video."""
    exporter.send(STREAM)
    assert exporter.refreshed() == [("video-1",)]
    exporter.track()
    assert exporter.processing() == [(1, 75.0)]


def test_after_an_event_without_jobs_the_tasks_of_its_video_are_listed(exporter: Running) -> None:
    exporter.send({"EventType": "TranscodeComplete", "VideoId": "video-9", "Status": "fail", "StreamInfos": []})
    assert exporter.refreshed() == [("video-9",)]


def test_a_body_in_base64_is_accepted(exporter: Running) -> None:
    exporter.track()
    assert exporter.send(base64.b64encode(json.dumps(STREAM).encode()), Content_Type="text/plain").status_code == 200
    assert exporter.processing() == [(1, 75.0)]


def test_events_of_other_types_count_as_other_and_have_no_effect(exporter: Running) -> None:
    """VOD sends all types of events to one URL, and repeats an event twice if it is refused."""
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


def test_malformed_fields_are_counted_and_the_other_fields_are_used(exporter: Running) -> None:
    exporter.track()
    whole = {"EventType": "TranscodeComplete", "VideoId": [1], "StreamInfos": [{"JobId": {}}, STREAM, 7]}
    assert exporter.send(whole).status_code == 200
    assert exporter.processing() == [(1, 75.0)]
    for field in ("VideoId", "JobId", "StreamInfos"):
        assert exporter.value("vod_exporter_malformed_fields_total", account="prod", field=field) == 1


# -- authentication ----------------------------------------------------------------------------------------------------


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


def test_a_signature_for_another_url_or_key_is_401(serve_interface: ServeInterface) -> None:
    others = (Callback(url=URL + "/", key=Key(KEY.get_secret_value())), Callback(url=URL, key=Key("other")))
    for other in others:
        assert Running(serve_interface, callbacks={"prod": other}).send(STREAM).status_code == 401


def test_a_timestamp_over_five_minutes_off_is_401_and_has_no_effect(exporter: Running) -> None:
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


def test_a_signature_cannot_be_reused_after_five_minutes(exporter: Running) -> None:
    assert exporter.send(STREAM).status_code == 200
    exporter.now += 301
    assert exporter.send(STREAM, age=301).status_code == 401


def test_an_unknown_account_is_404_and_an_account_without_a_key_is_403(exporter: Running) -> None:
    for path in ("/callback/nobody", "/callback/PROD", "/callback/prod%00", "/callback/%ff"):
        assert exporter.send(STREAM, path=path).status_code == 404
    answer = exporter.send(STREAM, path="/callback/deaf")
    assert answer.status_code == 403
    assert "set its callback" in error(answer)
    assert (exporter.rejected(404), exporter.rejected(403)) == (4, 1)


def test_a_changed_key_file_counts_at_once_and_an_unusable_one_is_503(
    serve_interface: ServeInterface, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "key"
    exporter = Running(serve_interface, callbacks={"prod": Callback(url=URL, key=Key(path))})
    statuses = []
    for text in (KEY.get_secret_value(), "another", "", None, "a b", KEY.get_secret_value()):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        statuses.append(exporter.send(STREAM).status_code)
    assert statuses == [200, 401, 503, 503, 503, 200]
    assert len(caplog.records) == 3
    assert KEY.get_secret_value() not in caplog.text


def test_an_empty_key_is_503(serve_interface: ServeInterface, tmp_path: Path) -> None:
    """Anybody could make a signature with an empty key."""
    path = tmp_path / "key"
    path.touch()
    exporter = Running(serve_interface, callbacks={"prod": Callback(url=URL, key=Key(path))})
    made = signature(url=URL, timestamp=f"{NOW:.0f}", key=SecretText(""))
    assert exporter.send(STREAM, X_VOD_SIGNATURE=made).status_code == 503


# -- events that are sent again, and floods of events ------------------------------------------------------------------


def about(video_id: str) -> dict[str, Any]:
    return {"EventType": "TranscodeComplete", "VideoId": video_id, "StreamInfos": []}


def test_an_event_that_is_sent_again_gets_200_and_has_no_effect(exporter: Running) -> None:
    exporter.send(about("v"))
    first = exporter.refreshed().copy()
    assert exporter.send(about("v")).status_code == 200
    assert (first, exporter.refreshed()) == ([("v",)], [])
    assert exporter.events("TranscodeComplete") == 1


def test_the_same_event_with_a_new_signature_is_another_event(exporter: Running) -> None:
    exporter.send(about("v"))
    exporter.refreshed()
    exporter.send(about("v"), age=1)
    assert exporter.refreshed() == [("v",)]
    assert exporter.events("TranscodeComplete") == 2


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """So many events may share a signature: fewer than in production, to send fewer."""
    monkeypatch.setattr(callback, "MAX_EVENTS", 8)
    return 8


def test_a_signature_authenticates_a_bounded_number_of_events(exporter: Running, few: int) -> None:
    """VOD signs the second, so the events of a second share a signature. A replayed one brings no flood of others."""
    answers = [exporter.send(about(f"v{number}")) for number in range(few + 3)]
    assert [answer.status_code for answer in answers] == [200] * few + [401] * 3
    assert "new key" in error(answers[-1])
    assert exporter.events("TranscodeComplete") == few
    assert exporter.send(about("v0")).status_code == 200  # VOD may send it again
    assert exporter.send(about("v"), age=1).status_code == 200


def test_a_refused_body_does_not_use_up_a_signature(exporter: Running, few: int) -> None:
    answers = [exporter.send(b"{" + b" " * number).status_code for number in range(few + 1)]
    assert answers == [400] * (few + 1)
    assert exporter.send(STREAM).status_code == 200


def test_events_about_unknown_videos_take_turns_with_the_videos_of_the_account(exporter: Running) -> None:
    """Such a flood delayed all other lists until its last video was listed."""
    own = [f"own-{number}" for number in range(5)]
    exporter.videos.name("configuration", own, source="videos")
    for number in range(8):
        exporter.send(about(f"v{number}"))
    asked = [video_id for (video_id,) in exporter.refreshed()]
    assert [video_id in own for video_id in asked[:11]] == [True, False] * 5 + [False]
    assert len(asked) == 8 + len(own)


def test_events_about_too_many_unknown_videos_are_counted(exporter: Running) -> None:
    for number in range(MAX_HINTS):
        exporter.videos.prioritize(f"v{number}", source="events")
    assert exporter.send(about("one-more")).status_code == 200
    assert exporter.value("vod_exporter_dropped_hints_total", account="prod") == 1


# -- bodies ------------------------------------------------------------------------------------------------------------


def test_a_body_that_is_not_json_is_400(exporter: Running) -> None:
    bodies = (b"", b"no", b"\xff\xfe", b'{"a":', b'{"a":' * 100_000, b"[" * 100_000, b"EventType=x", b"===")
    for body in bodies:
        answer = exporter.send(body)
        assert (answer.status_code, error(answer)) == (400, "the body is neither JSON nor JSON in Base64"), body[:20]
    assert exporter.rejected(400) == len(bodies)


def test_a_body_over_the_limit_is_413_also_when_chunked(exporter: Running) -> None:
    body = json.dumps(STREAM).encode().ljust(MAX_BODY_BYTES)
    assert exporter.send(body).status_code == 200
    assert exporter.send(body + b" ").status_code == 413
    timestamp = f"{NOW:.0f}"
    headers = {"X-VOD-TIMESTAMP": timestamp, "X-VOD-SIGNATURE": signature(url=URL, timestamp=timestamp, key=KEY)}
    answer = requests.post(exporter.served.url + PATH, data=iter([body, b" "]), headers=headers, timeout=20)
    assert answer.status_code == 413


def test_a_missing_signature_is_refused_before_the_body_is_read(exporter: Running) -> None:
    """So strangers cannot occupy memory with bodies."""
    client = exporter.served.send(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_other_methods_than_post_get_405(exporter: Running) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = requests.request(method, exporter.served.url + PATH, timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_an_event_that_cannot_be_stored_is_503_and_counts_when_it_is_sent_again(
    exporter: Running, caplog: pytest.LogCaptureFixture
) -> None:
    exporter.track()
    exporter.store.broken = True
    answer = exporter.send(STREAM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "could not be stored" in error(answer)
    assert "disk" not in answer.text
    assert "event could not be stored" in caplog.messages
    exporter.store.broken = False
    assert exporter.send(STREAM).status_code == 200
    assert exporter.processing() == [(1, 75.0)]


def test_an_event_over_the_limit_gets_503_without_effect(
    serve_interface: ServeInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback, "EVENTS_AT_ONCE", 0)
    exporter = Running(serve_interface)
    exporter.track()
    answer = exporter.send(STREAM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "events are in progress" in error(answer)
    assert exporter.ledger.work().prioritized_jobs == ()
    assert exporter.rejected(503) == 1


def test_events_are_not_logged(exporter: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can send events, and nobody may fill the log with them."""
    exporter.send(STREAM | {"JobId": "a\nb", "VideoId": "\x1b[2J"})
    exporter.send(b"\n\x1b[2J")
    exporter.send(STREAM, X_VOD_SIGNATURE=None)
    exporter.send(STREAM, path="/callback/%0a%1b")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG and record.name != "urllib3"] == []
