"""The problems of an account: kind, words, and the jobs and runbook that they link to."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import Job, Task
from exporter.web.listing import State
from exporter.web.troubles import CODES_NAMED, Trouble, slowed_down, troubles
from tests.web.conftest import account_snapshot

NOW = 1700000000.0


def kinds(**described: Any) -> list[tuple[str, str]]:
    return [(trouble.kind, trouble.title) for trouble in troubles(account_snapshot(**described))]


def test_a_healthy_account_has_no_troubles() -> None:
    assert kinds() == []


@pytest.mark.parametrize(
    ("described", "kind", "title"),
    [
        ({"up": False}, "problem", "cannot be read"),
        ({"up": None}, "note", "has not been scraped yet"),
        ({"view": {"durable": False}}, "problem", "the state is not stored"),
        ({"view": {"stale_jobs": 1200}}, "warning", "1,200 jobs stale"),
        ({"budget": {"GetTranscodeTask": 1.0, "GetVideoList": 2.0}}, "warning", "is throttled by VOD"),
        ({"view": {"truncated_jobs": 1}}, "note", "1 job not listed"),
    ],
)
def test_each_fault_is_a_trouble_of_its_kind(described: dict[str, Any], kind: str, title: str) -> None:
    assert kinds(**described) == [(kind, title)]


def test_an_unreadable_account_shows_its_last_error_and_when() -> None:
    (trouble,) = troubles(account_snapshot(up=False, last_error="no route", last_error_at=NOW))
    assert trouble == Trouble("problem", "prod", "cannot be read", "no route", NOW, runbook="VodAccountUnreachable")


def test_failed_jobs_are_counted_by_code_the_most_frequent_first() -> None:
    codes = [code for number in range(CODES_NAMED + 1) for code in [f"Code{number}"] * (number + 1)]
    jobs = [Job(f"j{number}", status="TranscodeFail", error_code=code) for number, code in enumerate(codes)]
    (trouble,) = troubles(account_snapshot([Task("other", status="CompleteAllFail")], jobs))
    assert trouble.title == f"{len(jobs)} jobs and 1 task without jobs failed"
    assert trouble.detail.replace("\u00a0", " ") == "5 × Code4, 4 × Code3, 3 × Code2, 2 × Code1, other codes"
    assert trouble.state == State.FAILED


def test_slowed_down_operations_are_those_below_the_largest_budget() -> None:
    account = account_snapshot(budget={"GetTranscodeTask": 2.5, "GetVideoList": 10.0})
    assert slowed_down(account) == {"GetTranscodeTask": 2.5}
    assert slowed_down(account_snapshot()) == {}
