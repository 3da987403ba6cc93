"""The status page: inert, self-contained, and short however much there is to show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from exporter.model import Job, Task
from exporter.scrape.scraper import Scraper
from exporter.snapshot import AccountSnapshot, LedgerView, ShownJob, ShownTask, Snapshot
from exporter.web.pages import CONTENT_SECURITY_POLICY, MAX_ROWS, status_page

HOSTILE = "</td><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>\"'&{{7*7}}"


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.tags if name == tag)


def page(tasks: Sequence[Task] = (), jobs: Sequence[Job] = (), **account: Any) -> Elements:
    view = LedgerView(
        tasks=tuple(ShownTask(task, 0.42) for task in tasks), jobs=tuple(ShownJob(job, "t", "v") for job in jobs)
    )
    described = {"name": "prod", "region": "cn-shanghai", "endpoint": "https://vod.example", "view": view, **account}
    return Elements(status_page(Snapshot((AccountSnapshot(**described),)), telemetry_path="/metrics"))


def test_text_from_vod_is_inert() -> None:
    """Wherever it comes from: the error of a job or an account, an id, a status, a definition."""
    shown = page(
        tasks=[Task(id=HOSTILE, video_id=HOSTILE, status=HOSTILE)],
        jobs=[Job(HOSTILE, HOSTILE, "TranscodeFail", error_code=HOSTILE, error_message=HOSTILE)],
        up=False,
        last_error=HOSTILE,
        endpoint=HOSTILE,
    )
    bare = page(tasks=[Task(id="t")], jobs=[Job("j", status="TranscodeFail")], up=False, last_error="e")
    assert [tag for tag, _ in shown.tags] == [tag for tag, _ in bare.tags]
    assert shown.text.count(HOSTILE) == 9


def test_nothing_is_loaded_from_elsewhere() -> None:
    shown = page(tasks=[Task(id="t")], jobs=[Job("j", status="TranscodeFail")])
    for tag, attributes in shown.tags:
        assert tag not in ("script", "img", "link", "iframe", "object", "form")
        assert "src" not in attributes
        assert (attributes.get("href") or "/").startswith("/")


def test_it_comes_with_a_policy_that_forbids_scripts_and_frames(serve_interface: Callable[..., Any]) -> None:
    exporter = serve_interface(Scraper([], min_interval=0))
    answer = requests.get(exporter.url, timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"up": None}, "Not asked yet: scrape /metrics"),
        ({"up": True, "last_success": 1700000000.0}, "Up, last answer 2023-11-14 22:13:20 UTC"),
        ({"up": False, "last_error": "no route", "last_error_at": 1700000000.0}, "Down, last answer –"),
        ({"up": False, "last_error": "no route", "last_error_at": 1700000000.0}, "22:13:20 UTC: no route"),
    ],
)
def test_it_tells_how_reading_an_account_goes(account: dict[str, Any], words: str) -> None:
    assert words in " ".join(page(**account).text.split())


def test_it_shows_tasks_with_their_progress() -> None:
    shown = page(tasks=[Task(id="task-1", video_id="video-1", status="Processing")])
    assert ("progress", {"value": "0.42", "aria-label": "progress of task task-1"}) in shown.tags
    assert "42 %" in shown.text


def test_long_tables_are_cut_and_say_so() -> None:
    shown = page(tasks=[Task(id=f"task-{number}") for number in range(MAX_ROWS + 50)])
    assert shown.count("progress") == MAX_ROWS
    assert f"{MAX_ROWS} of {MAX_ROWS + 50}" in shown.text
