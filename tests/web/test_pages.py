"""The status page: safe, self-contained, problems first, and of bounded length."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from exporter.model import Job, Output, Task
from exporter.snapshot import AccountSnapshot, ShownJob, Snapshot
from exporter.web.listing import PAGE_SIZE, REFRESH_SECONDS, Query
from exporter.web.pages import ACCOUNTS_SHOWN, HEADERS, REPOSITORY, TROUBLES_SHOWN, status_page
from exporter.web.site import Site
from tests.web.conftest import FakeScraper, ServeInterface, account_snapshot

HOSTILE = "</td></style><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>\"'&{{7*7}}"
NOW = 1700000000.0
ROOT = Path(__file__).parents[2]


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.source = page
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._text += " "

    def handle_data(self, data: str) -> None:
        self._text += data

    @property
    def text(self) -> str:
        return " ".join(self._text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        return [link["href"] or "" for link in self.all("a")]


def page(*accounts: AccountSnapshot, **query: str) -> Elements:
    shown = status_page(Snapshot(accounts), Query.of(query), Site(), now=NOW)
    return Elements(shown)


def test_text_from_vod_makes_no_markup() -> None:
    """In errors of jobs and accounts, ids, statuses, definitions, URLs and the search."""
    failed = Job(HOSTILE, HOSTILE, "TranscodeFail", error_code=HOSTILE, error_message=HOSTILE, input_url=HOSTILE)
    unknown = Job(HOSTILE, HOSTILE, HOSTILE, output=Output(url=HOSTILE))
    task = Task(id="t", video_id=HOSTILE, status=HOSTILE)
    described = {"up": False, "last_error": HOSTILE, "endpoint": HOSTILE, "region": HOSTILE, "name": HOSTILE}
    shown = page(account_snapshot([task], [failed, unknown], last_error_at=NOW, **described), q=HOSTILE.split()[0])

    plain = Job("j", "HD", "TranscodeFail", error_code="script", error_message="script", input_url="script")
    other = Job("j", "HD", "script", output=Output(url="script"))
    described = {"up": False, "last_error": "script", "endpoint": "script", "region": "script", "name": "script"}
    bare = page(account_snapshot([task], [plain, other], last_error_at=NOW, **described), q="script")
    assert [tag for tag, _ in shown.tags] == [tag for tag, _ in bare.tags]
    assert shown.text.count(HOSTILE) >= 9
    assert not any(name.startswith("on") for _, attributes in shown.tags for name in attributes)


@pytest.mark.parametrize("parameter", ["q", "account", "status", "page", "refresh"])
def test_query_parameters_make_no_markup(parameter: str) -> None:
    shown = page(account_snapshot([Task("t")], [Job("j", "HD", "Transcoding")]), **{parameter: HOSTILE})
    assert "<script>alert" not in shown.source
    assert "<img" not in shown.source


def test_the_page_loads_nothing_and_links_only_here_and_to_the_repository() -> None:
    """Links to the repository send no referrer."""
    output = Output(url="https://bucket.example/a.mp4")
    shown = page(account_snapshot([Task("t")], [Job("j", "HD", "TranscodeSuccess", output=output)], name="a/b&c"))
    for tag, attributes in shown.tags:
        assert tag not in ("img", "iframe", "object", "embed", "base")
        assert "src" not in attributes
        assert "style" not in attributes
    assert [form["action"] for form in shown.all("form")] == ["./#list"]
    assert all((one["href"] or "").startswith("data:") for one in shown.all("link"))
    for link in shown.all("a"):
        href = link["href"] or ""
        assert ("://" not in href) != (href.startswith(f"{REPOSITORY}/") and link.get("rel") == "noreferrer")
        assert not href.startswith("//")
    assert "probe?account=a/b%26c" in shown.links
    assert {"metrics", "sd", "-/healthy", "-/ready", f"{REPOSITORY}/tree/main/docs"} <= set(shown.links)


def test_jobs_link_to_their_dashboard_if_there_is_a_grafana(serve_interface: ServeInterface) -> None:
    """The path of a proxy stays, and the names are those of the shipped dashboards."""
    account = account_snapshot([Task("t")], [Job("j&1", "HD", "Transcoding")], name="a b/ü&c")
    exporter = serve_interface(FakeScraper([account]), site=Site(grafana_url="https://proxy.example/grafana"))
    shown = Elements(requests.get(exporter.url, timeout=10).text)
    linked = {link: urlsplit(link) for link in shown.links if link.startswith("https://proxy.example/grafana/d/")}
    query = {"var-account": ["a b/ü&c"], "var-job_id": ["j&1"]}
    assert [parse_qs(parts.query) for parts in linked.values()] == [{}, query]
    assert all(link["rel"] == "noreferrer" for link in shown.all("a") if link["href"] in linked)
    overview, job = (
        json.loads((ROOT / f"grafana/dashboards/{parts.path.rpartition('/')[2]}.json").read_text())
        for parts in linked.values()
    )
    assert [parts.path for parts in linked.values()] == [f"/grafana/d/{overview['uid']}", f"/grafana/d/{job['uid']}"]
    assert {f"var-{variable['name']}" for variable in job["templating"]["list"]} >= set(query)


def test_without_a_grafana_jobs_are_no_links() -> None:
    shown = page(account_snapshot([Task("t")], [Job("j", "HD", "Transcoding")]))
    assert not any("/d/" in link for link in shown.links)
    assert f"{REPOSITORY}/tree/main/grafana" in shown.links


def test_the_content_security_policy_allows_one_script_and_no_frames(serve_interface: ServeInterface) -> None:
    exporter = serve_interface(FakeScraper())
    answer = requests.get(exporter.url, timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "style-src 'sha256-"):
        assert part in policy
    assert re.search(r"script-src 'sha256-[^ ;]+';", policy)
    assert "unsafe" not in policy


def test_urls_of_jobs_are_masked_text_without_a_link() -> None:
    url, shown = "https://name:SECRET@cdn.example/a.mp4?auth_key=SECRET", "https://cdn.example/a.mp4?…"
    for job in (
        Job("j", "HD", "TranscodeSuccess", output=Output(url=url)),
        Job("j", status="TranscodeFail", input_url=url),
    ):
        found = page(account_snapshot(jobs=[job]))
        assert shown in found.text
        assert "SECRET" not in found.source
        assert not any("cdn.example" in link for link in found.links)


def test_error_messages_are_masked_on_the_page_and_in_the_search() -> None:
    """The message occurs three times: as the error of a job, as that of the account, and as a problem."""
    text = "404 from https://h/a.mp4?auth_key=170-0-SECRET, gone"
    jobs = [Job("j", "HD", "TranscodeFail", error_code="BadFile", error_message=text)]
    found = page(account_snapshot(jobs=jobs, up=False, last_error=text, last_error_at=NOW))
    assert found.text.count("404 from https://h/a.mp4?… gone") == 3
    assert "SECRET" not in found.source
    assert "No job matches" in page(account_snapshot(jobs=jobs), q="SECRET").text


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"up": None}, "Note prod: has not been scraped yet"),
        ({"up": True, "last_success": NOW - 3}, "No problems All accounts can be read"),
        ({"up": True, "last_success": NOW - 3}, "Last success 3 s ago"),
        (
            {"up": False, "last_error": "no route", "last_error_at": NOW - 5, "down_since": NOW - 130},
            "prod: cannot be read what to do no route for 2 min 10 s",
        ),
        ({"up": True, "last_error": "slow", "last_error_at": NOW - 7200}, "Last error 2 h ago: slow"),
        ({"view": {"durable": False}}, "Problem prod: the state is not stored"),
        ({"view": {"stale_jobs": 1, "oldest_refresh": NOW - 400}}, "Warning prod: 1 job stale"),
        ({"view": {"stale_jobs": 1200, "oldest_refresh": NOW - 400}}, "Oldest refresh 6 min ago Stale jobs 1,200"),
        ({"view": {"truncated_jobs": 7}}, "Note prod: 7 jobs not listed"),
        (
            {"budget": {"GetTranscodeTask": 2.5, "GetVideoList": 10.0}},
            "slowed down what to do VOD throttled it, or sent too much: GetTranscodeTask 2.5 requests/s",
        ),
        (
            {"budget": {"GetTranscodeTask": 2.5, "GetVideoList": 10.0}},
            "10 requests/s, GetTranscodeTask slowed down to 2.5",
        ),
        (
            {"budget": {"GetTranscodeTask": 0.5}, "pending_calls": {"GetTranscodeTask": 30, "GetVideoList": 1}},
            "Pending requests 31",
        ),
        ({"view": {"task_counts": {"Processing": 2, "unknown": 1, "CompleteAllSucc": 4}}}, "3 unfinished, 4 finished"),
        ({"view": {"job_counts": {("HD", "Transcoding"): 2, ("SD", "Transcoding"): 1}}}, "Jobs 3 transcoding"),
    ],
)
def test_the_page_shows_the_state_of_an_account(described: dict[str, Any], words: str) -> None:
    assert words in page(account_snapshot(**described)).text


def test_failed_jobs_come_first_with_their_codes_and_a_link() -> None:
    bad = [Job(f"j{n}", "HD", "TranscodeFail", completed=NOW - 60, error_code=f"Code{n // 2}") for n in range(3)]
    source = Task("source", status="CompleteAllFail", completed=NOW - 60)
    shown = page(account_snapshot([source], bad), refresh="0")
    assert "1 issue needs attention Warning prod: 3 jobs and 1 task without jobs failed" in shown.text
    assert "2 × Code0, 1 × Code1" in shown.text
    assert "./?account=prod&status=failed&refresh=0#list" in shown.links
    assert "(1) vod-transcode-exporter" in shown.text


def test_every_problem_links_to_a_runbook() -> None:
    view = {"durable": False, "stale_jobs": 1, "jobs": (ShownJob(Job("j", status="TranscodeFail"), "t", "v"),)}
    shown = page(account_snapshot(up=False, budget={"GetTranscodeTask": 1.0, "GetVideoList": 2.0}, view=view))
    runbooks = [link for link in shown.links if link.startswith("runbooks/")]
    assert len(set(runbooks)) == shown.source.count("<li class=") == 5
    assert all((ROOT / "docs" / f"{path}.md").is_file() for path in runbooks)


def test_accounts_that_cannot_be_read_come_first() -> None:
    shown = page(account_snapshot(name="good"), account_snapshot(name="bad", up=False, last_error="no route"))
    assert shown.text.index("bad Down") < shown.text.index("good Up")


def test_the_page_lists_a_bounded_number_of_accounts_and_problems() -> None:
    many = [account_snapshot(name=f"a{number}", up=False, last_error="e") for number in range(TROUBLES_SHOWN + 7)]
    shown = page(*many)
    assert len(shown.all("article")) == ACCOUNTS_SHOWN
    assert "And 7 more." in shown.text


def test_tasks_and_jobs_are_shown_with_their_progress() -> None:
    shown = page(account_snapshot([Task("t", "v", "Processing")], [Job("j", "HD", "Transcoding", 0.295)]))
    assert shown.all("progress") == [
        {"value": "0.42", "aria-label": "progress of task t"},
        {"value": "0.295", "aria-label": "progress of job j"},
    ]
    assert "Task t 42 % Processing Video v – j HD Transcoding 29 %" in shown.text


def test_a_finished_job_is_shown_with_its_duration_and_output() -> None:
    output = Output(bitrate=1964000.0, size=21478000.0, duration=125.4)
    done = Job("j", "HD", "TranscodeSuccess", created=NOW - 100, completed=NOW - 58, output=output)
    shown = page(account_snapshot(jobs=[done])).text
    assert "ended 58 s ago took 42 s 1,964 kbit/s 21.5 MB 2 min 5 s long" in shown


def test_an_early_completion_time_is_not_the_end_of_a_running_job() -> None:
    """VOD sends a `CompleteTime` with unfinished tasks and jobs too."""
    running = Job("j", "HD", "Transcoding", created=NOW - 100, completed=NOW - 100)
    shown = page(account_snapshot(jobs=[running])).text
    assert "created 1 min ago" in shown
    assert "took" not in shown
    assert "ended" not in shown


def test_a_failed_job_shows_its_error_and_not_its_output() -> None:
    zeros = Output(bitrate=0.0, size=0.0)
    failed = Job("j", status="TranscodeFail", completed=NOW - 200, error_code="Bad", error_message="no", output=zeros)
    shown = page(account_snapshot(jobs=[failed])).text
    assert "ended 3 min ago Bad no" in shown
    assert "kbit/s" not in shown


def test_the_page_refreshes_until_paused_and_keeps_the_query() -> None:
    """The refresh has no URL, so the browser loads the current URL with its query again."""
    shown = page(account_snapshot(jobs=[Job("j")]), q="j", status="unknown")
    assert {"http-equiv": "refresh", "content": str(REFRESH_SECONDS)} in shown.all("meta")
    assert "./?q=j&status=unknown&refresh=0" in shown.links
    paused = page(account_snapshot(jobs=[Job("j")]), q="j", refresh="0")
    assert not any("http-equiv" in one for one in paused.all("meta"))
    assert {"type": "hidden", "name": "refresh", "value": "0"} in paused.all("input")
    assert paused.all("script") == []
    assert "./?q=j" in paused.links


def test_only_one_page_of_many_jobs_is_shown() -> None:
    jobs = [Job(f"job-{number}", "HD", "Transcoding", 0.5) for number in range(3 * PAGE_SIZE + 1)]
    first, last = page(account_snapshot(jobs=jobs)), page(account_snapshot(jobs=jobs), page="4")
    assert len(first.all("progress")) == PAGE_SIZE
    assert f"1 to {PAGE_SIZE} of {len(jobs)}" in first.text
    assert {"./?page=2#list", "./?page=3#list", "./?page=4#list"} <= set(first.links)
    assert len(last.all("progress")) == 1
    assert {"./?page=3#list", "./#list"} <= set(last.links)
    assert [one["aria-label"] for one in last.all("a") if one.get("aria-current")] == ["Page 4"]


def test_a_running_job_shows_its_estimated_end_and_speed() -> None:
    running = Job("j", "HD", "Transcoding", 0.25, created=NOW - 300)
    assert "created 5 min ago about 15 min left 5 % a minute" in page(account_snapshot(jobs=[running])).text


def test_a_job_that_stands_still_says_for_how_long() -> None:
    running = Job("j", "HD", "Transcoding", 0.25, created=NOW - 9000)
    shown = page(account_snapshot(view={"jobs": (ShownJob(running, "t", "v", NOW - 2400),)})).text
    assert "no progress for 40 min" in shown
    assert "min left" not in shown


def test_an_unknown_status_is_named_with_the_ones_to_use() -> None:
    shown = page(account_snapshot(jobs=[Job("j", "HD", "Transcoding")]), status="<fail>").text
    assert "<fail> is not a status of this page, so all are shown. A status is one of: failed, unknown," in shown
    assert "1 to 1 of 1" in shown


def test_the_duration_of_the_last_refresh_is_shown() -> None:
    assert "Refresh duration 2.4 s" in page(account_snapshot(refresh_duration=2.36)).text


def test_a_search_without_matches_says_so() -> None:
    assert (
        "No job matches nowhere, account prod, status failed."
        in page(account_snapshot(jobs=[Job("j")]), q="nowhere", account="prod", status="failed").text
    )


def test_a_page_without_accounts_or_jobs_says_what_is_missing() -> None:
    assert "No account is configured." in page().text
    assert "The list is empty: no task is tracked yet" in page(account_snapshot()).text


@pytest.mark.no_cover
@pytest.mark.no_cover
def test_the_time_for_a_page_grows_no_faster_than_the_number_of_jobs() -> None:
    """A search over ten times the jobs takes about ten times as long; quadratic growth would take a hundred times."""

    def seconds(count: int) -> float:
        jobs = [Job(f"job-{number}", "HD", "Transcoding", 0.5) for number in range(count)]
        many = account_snapshot(jobs=jobs)
        times = []
        for _ in range(3):
            began = time.thread_time()
            page(many, q="transcoding hd")
            times.append(time.thread_time() - began)
        return min(times)

    assert seconds(2_000) < 40 * seconds(200)


def test_a_page_pauses_between_the_parts_of_its_work() -> None:
    pauses: list[None] = []
    status_page(Snapshot(), Query(), Site(), now=NOW, pause=lambda: pauses.append(None))
    assert pauses
