"""The records of a snapshot: what stores rely on, and what decides whether two are equal."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from exporter.model import Job
from exporter.snapshot import AccountSnapshot, Exemplar, Key, LedgerView, ShownJob, Total, TotalsView

KEY: Key = (Total.JOBS_FINISHED, ("HD", "TranscodeSuccess"))


def test_names_of_totals_in_stores_do_not_change() -> None:
    """A state that an older version wrote has these names."""
    assert [total.value for total in Total] == [
        *("tasks_finished", "jobs_finished", "job_failures", "task_failures", "suspicious_outputs"),
        *("output_duration", "billed", "job_duration", "task_duration", "task_first_output"),
        *("job_queue", "job_processing", "job_realtime_ratio", "output_bitrate", "output_size"),
    ]


def test_exemplars_and_held_totals_do_not_count_in_a_comparison_of_totals() -> None:
    plain = TotalsView({KEY: 1.0})
    assert plain == replace(plain, exemplars={KEY: {0: Exemplar("a", 1.0, 5.0)}}, held={KEY})
    assert plain != TotalsView({KEY: 2.0})


def test_a_shown_job_is_equal_if_only_the_start_of_its_progress_differs() -> None:
    """That time is not stored, so a job after a restart is the same job."""
    shown = ShownJob(Job("a", "HD"), "t", "v", progress_since=1.0)
    assert shown == replace(shown, progress_since=None)
    assert shown != replace(shown, task_id="u")


def test_a_new_account_knows_nothing_and_has_lost_nothing() -> None:
    account = AccountSnapshot("prod", "cn-shanghai", "https://vod.cn-shanghai.aliyuncs.com")
    assert (account.up, account.last_success, account.refreshed_at, account.view) == (None, None, None, LedgerView())
    assert (account.view.durable, account.view.oldest_refresh, account.view.totals) == (True, None, TotalsView())


def test_records_of_a_snapshot_cannot_be_changed() -> None:
    account = AccountSnapshot("prod", "", "")
    with pytest.raises(FrozenInstanceError):
        account.up = True  # type: ignore[misc]
