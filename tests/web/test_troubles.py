"""The problems of an account: kind, words, and the jobs and runbook that they link to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.model import Job, Output, Task
from exporter.snapshot import Earlier, HistogramView, Key, ShownJob, Total, TotalsView
from exporter.web.listing import State
from exporter.web.thresholds import (
    NOTHING_MINIMUM,
    NOTHING_SECONDS,
    OLD_SECONDS,
    STUCK_SECONDS,
    UNASKED_SECONDS,
)
from exporter.web.troubles import CODES_NAMED, Trouble, exporter_troubles, slowed_down, troubles
from tests.web.conftest import account_snapshot

NOW = 1700000000.0
ROOT = Path(__file__).parents[2]


def kinds(**described: Any) -> list[tuple[str, str]]:
    return [(trouble.kind, trouble.title) for trouble in troubles(account_snapshot(**described), now=NOW)]


def test_a_healthy_account_has_no_troubles() -> None:
    assert kinds() == []


@pytest.mark.parametrize(
    ("described", "kind", "title"),
    [
        ({"up": False}, "problem", "cannot be read"),
        ({"up": None}, "note", "has not been scraped yet"),
        ({"view": {"durable": False}}, "problem", "the state is not stored"),
        ({"view": {"stale_jobs": 1200}}, "warning", "1,200 jobs stale"),
        ({"budget": {"GetTranscodeTask": 1.0, "GetVideoList": 2.0}}, "warning", "is slowed down"),
        ({"view": {"truncated_jobs": 1}}, "note", "1 job not listed"),
        ({"refreshed_at": NOW - UNASKED_SECONDS - 1}, "warning", "has not been scraped"),
        ({"view": {"oldest_unfinished": {"HD": NOW - OLD_SECONDS - 1}}}, "warning", "has old unfinished jobs"),
        (
            {"budget": {"GetTranscodeTask": 2.0}, "pending_calls": {"GetTranscodeTask": 121}},
            "warning",
            "needs more calls than its budget",
        ),
    ],
)
def test_each_fault_is_a_trouble_of_its_kind(described: dict[str, Any], kind: str, title: str) -> None:
    assert kinds(**described) == [(kind, title)]


@pytest.mark.parametrize(
    "described",
    [
        {"refreshed_at": NOW - UNASKED_SECONDS},
        {"view": {"oldest_unfinished": {"HD": NOW - OLD_SECONDS}}},
        {"budget": {"GetTranscodeTask": 2.0}, "pending_calls": {"GetTranscodeTask": 120, "GetVideoList": 5}},
    ],
)
def test_at_the_threshold_there_is_no_trouble_yet(described: dict[str, Any]) -> None:
    assert kinds(**described) == []


def test_an_unreadable_account_shows_its_last_error_and_since_when() -> None:
    account = account_snapshot(up=False, last_error="no route", last_error_at=NOW, down_since=NOW - 600)
    (trouble,) = troubles(account, now=NOW)
    expected = Trouble("problem", "prod", "cannot be read", "no route", NOW - 600, runbook="VodAccountUnreachable")
    assert trouble == expected


def failed(number: int, code: str = "Bad", *, ended: float = NOW - 60) -> Job:
    return Job(f"j{number}", "HD", "TranscodeFail", completed=ended, error_code=code)


def test_failed_jobs_are_counted_by_code_the_most_frequent_first() -> None:
    codes = [code for number in range(CODES_NAMED + 1) for code in [f"Code{number}"] * (number + 1)]
    jobs = [failed(number, code) for number, code in enumerate(codes)]
    source = Task("other", status="CompleteAllFail", completed=NOW - 60)
    (trouble,) = troubles(account_snapshot([source], jobs), now=NOW)
    assert trouble.title == f"{len(jobs)} jobs and 1 task without jobs failed in the last hour"
    assert trouble.detail.replace("\u00a0", " ") == "5 × Code4, 4 × Code3, 3 × Code2, 2 × Code1, other codes"
    assert trouble.state == State.FAILED


def hour(now: Mapping[Key, float], then: Mapping[Key, float] | None = None, **more: Any) -> dict[str, Any]:
    """The fields of a view: totals now and an hour ago."""
    return {"totals": TotalsView(now), "hour_ago": Earlier(NOW - 3600, TotalsView(then or {})), **more}


def ended(failures: float, successes: float, definition: str = "HD") -> dict[Key, float]:
    return {
        (Total.JOBS_FINISHED, (definition, "TranscodeFail")): failures,
        (Total.JOBS_FINISHED, (definition, "TranscodeSuccess")): successes,
    }


def test_failed_jobs_of_the_last_hour_are_counted_beside_all() -> None:
    jobs = [failed(1), failed(2), failed(3, ended=NOW - 4000)]
    (trouble,) = troubles(account_snapshot(jobs=jobs), now=NOW)
    assert trouble.title == "2 jobs failed in the last hour, 3 jobs listed"
    (trouble,) = troubles(account_snapshot(jobs=jobs[2:]), now=NOW)
    assert trouble.title == "no job failed in the last hour, 1 job listed"


def test_failed_jobs_count_for_an_hour_also_if_they_are_not_listed_any_more() -> None:
    """Today only the listed jobs count, so a job that failed 20 minutes ago has not failed in the last hour."""
    code: Key = (Total.JOB_FAILURES, ("HD", "Bad"))
    view = hour({**ended(15, 85), code: 15.0}, {**ended(12, 0), code: 12.0})
    (trouble,) = troubles(account_snapshot(view=view), now=NOW)
    assert (trouble.kind, trouble.title) == ("warning", "3 jobs failed in the last hour, no job listed")
    assert trouble.detail == "3\u00a0×\u00a0Bad"
    assert list(troubles(account_snapshot(view=hour(ended(15, 85), ended(15, 0))), now=NOW)) == []


@pytest.mark.parametrize(
    ("failures", "successes", "kind", "runbook"),
    [
        (2, 18, "warning", "VodJobsFailing"),
        (3, 17, "problem", "VodJobFailureRatioHigh"),
        (19, 0, "warning", "VodJobsFailing"),
        (20, 0, "problem", "VodJobFailureRatioHigh"),
    ],
)
def test_failures_are_a_problem_if_the_alert_would_fire(failures: int, successes: int, kind: str, runbook: str) -> None:
    view = hour(ended(100 + failures, 100 + successes) | ended(0, 500, "SD"), ended(100, 100))
    (trouble,) = troubles(account_snapshot(view=view), now=NOW)
    assert (trouble.kind, trouble.runbook) == (kind, runbook)


@pytest.mark.parametrize(
    ("failures", "others", "shown"), [(2, 18, False), (3, 17, True), (19, 0, False), (20, 0, True)]
)
def test_tasks_that_fail_completely_are_a_problem_if_the_alert_would_fire(
    failures: int, others: int, shown: bool
) -> None:
    """Today the page says nothing of them."""
    counters: dict[Key, float] = {
        (Total.TASKS_FINISHED, ("CompleteAllFail", "Auto")): failures,
        (Total.TASKS_FINISHED, ("CompletePartialSucc", "Auto")): others,
    }
    found = [
        (trouble.kind, trouble.title, trouble.runbook)
        for trouble in troubles(account_snapshot(view=hour(counters)), now=NOW)
    ]
    title = f"{failures} of {failures + others} tasks failed completely in the last hour"
    assert found == ([("problem", title, "VodTaskFailureRatioHigh")] if shown else [])


def idle(*, unfinished: int, since: float, finished: int = 0) -> dict[str, Any]:
    earlier = Earlier(NOW - since, fewest_unfinished=unfinished)
    return {"hour_ago": earlier, "totals": TotalsView(ended(0, finished))}


def test_an_hour_without_a_finish_is_a_problem_if_jobs_are_unfinished() -> None:
    title = [("problem", "no job finished in the last hour")]
    assert kinds(view=idle(unfinished=NOTHING_MINIMUM, since=NOTHING_SECONDS)) == title
    assert kinds(view=idle(unfinished=NOTHING_MINIMUM - 1, since=NOTHING_SECONDS)) == []
    assert kinds(view=idle(unfinished=NOTHING_MINIMUM, since=NOTHING_SECONDS - 1)) == []
    assert kinds(view=idle(unfinished=NOTHING_MINIMUM, since=NOTHING_SECONDS, finished=1)) == []


def test_unlikely_outputs_are_named() -> None:
    job = ShownJob(Job("j", "HD", "TranscodeSuccess", output=Output(size=0)), "t", "v")
    (trouble,) = troubles(account_snapshot(view={"jobs": (job,)}), now=NOW)
    assert (trouble.kind, trouble.title) == ("warning", "1 job with an unlikely output")
    assert trouble.detail.endswith(": j.")


def test_refused_credentials_have_a_runbook_of_their_own() -> None:
    (trouble,) = troubles(account_snapshot(up=False, refused=True), now=NOW)
    assert trouble.runbook == "VodCredentialsRejected"


def test_the_page_shows_each_alert_or_its_document_says_why_not() -> None:
    """Every alert of deploy/ is either the runbook of a trouble, or has a row in docs/status-page.md."""
    source = (ROOT / "exporter/web/troubles.py").read_text()
    shown = set(re.findall(r'"(Vod[A-Za-z]+)"', source))
    page = (ROOT / "docs/status-page.md").read_text()
    explained = set(re.findall(r"^\| `(Vod[A-Za-z]+)` \| \w", page, re.MULTILINE))
    groups = yaml.safe_load((ROOT / "deploy/prometheus/vod-transcode.alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    assert shown | explained == alerts
    assert shown & explained == {"VodThrottled"}  # another condition


def test_the_exporter_has_troubles_of_its_own() -> None:
    assert list(exporter_troubles(reload_failed=False, refused={})) == []
    reload, refused = exporter_troubles(reload_failed=True, refused={"wrong token": 3, "old": 1})
    assert (reload.kind, reload.title, reload.runbook) == ("problem", "the last reload failed", "VodConfigReloadFailed")
    assert refused.title == "4 requests to the API or a callback refused in the last 10 minutes"
    assert refused.detail.replace("\u00a0", " ") == "3 × wrong token; 1 × old"


def test_jobs_without_progress_and_slow_jobs_are_named() -> None:
    durations = HistogramView((100.0,), (20, 0), 0.0)
    totals = TotalsView(histograms={(Total.JOB_DURATION, ("HD", "TranscodeSuccess")): durations})
    jobs = tuple(
        ShownJob(Job(f"j{number}", "HD", "Transcoding", 0.5, created=NOW - 1000), "t", "v", NOW - STUCK_SECONDS)
        for number in range(5)
    )
    still, slow = troubles(account_snapshot(view={"jobs": jobs, "totals": totals}), now=NOW)
    assert (still.title, still.detail) == ("5 jobs without progress", "For 30 min or longer: j0, j1, j2, and others.")
    assert (slow.title, slow.runbook) == ("5 jobs far slower than usual", "VodJobSlow")


def test_slowed_down_operations_are_those_below_the_largest_budget() -> None:
    account = account_snapshot(budget={"GetTranscodeTask": 2.5, "GetVideoList": 10.0})
    assert slowed_down(account) == {"GetTranscodeTask": 2.5}
    assert slowed_down(account_snapshot()) == {}


def test_the_troubles_of_many_jobs_pause_again_and_again() -> None:
    """So the page gives way to scrapes: with a hundred thousand jobs this took half a second at a stretch."""
    for status in ("Transcoding", "TranscodeFail"):
        account = account_snapshot(jobs=[Job(f"j{number}", "HD", status) for number in range(5000)])
        pauses: list[None] = []
        list(troubles(account, now=NOW, pause=lambda pauses=pauses: pauses.append(None)))  # type: ignore[misc]
        assert len(pauses) >= 10 * 4
