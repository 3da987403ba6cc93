"""The thresholds of the status page, compared with the rules and alerts."""

from __future__ import annotations

from pathlib import Path

import yaml

from exporter.web.thresholds import (
    BITRATE_FACTOR,
    BITRATE_MINIMUM,
    FAILURE_RATIO,
    FAILURE_RATIO_MINIMUM,
    NOTHING_MINIMUM,
    NOTHING_SECONDS,
    OLD_SECONDS,
    SLOW_FACTOR,
    SLOW_MINIMUM,
    SLOW_SECONDS,
    STUCK_SECONDS,
    UNASKED_SECONDS,
    WAITING_SECONDS,
)

ROOT = Path(__file__).parents[2]


def test_thresholds_are_those_of_the_alerts() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/vod-transcode.alerts.yml").read_text())
    waits = {rule["alert"]: rule.get("for") for group in rules["groups"] for rule in group["rules"]}
    alerts = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    assert waits["VodDataStale"] == f"{UNASKED_SECONDS / 60:.0f}m"
    assert alerts["VodOldestJobTooOld"].rstrip().endswith(f"> {OLD_SECONDS:.0f}")
    assert alerts["VodBudgetExhausted"].rstrip().endswith(f"> {WAITING_SECONDS:.0f}")
    assert f"> {FAILURE_RATIO}" in alerts["VodJobFailureRatioHigh"]
    assert f">= {FAILURE_RATIO_MINIMUM}" in alerts["VodJobFailureRatioHigh"]
    assert f"> {FAILURE_RATIO}" in alerts["VodTaskFailureRatioHigh"]
    assert f">= {FAILURE_RATIO_MINIMUM}" in alerts["VodTaskFailureRatioHigh"]
    nothing = alerts["VodNothingFinished"]
    assert (nothing.count("[20m"), waits["VodNothingFinished"]) == (2, f"{NOTHING_SECONDS / 60 - 20:.0f}m")
    assert nothing.rstrip().endswith(f">= {NOTHING_MINIMUM}")
    recorded = yaml.safe_load((ROOT / "deploy/prometheus/vod-transcode.rules.yml").read_text())
    records = {rule["record"]: rule["expr"] for group in recorded["groups"] for rule in group["rules"]}
    unchanged = records["job_account_definition_job_id:vod_transcode_job_progress_ratio:unchanged30m"]
    assert f"offset {STUCK_SECONDS / 60:.0f}m" in unchanged
    slow = records["job_account_definition_job_id:vod_transcode_job_age_seconds:slow"]
    assert f"> {SLOW_SECONDS:.0f}\n" in slow
    assert f"{SLOW_FACTOR:.0f} * job_account_definition:" in slow
    usual = records["job_account_definition:vod_transcode_job_duration_seconds:p95_increase1d"]
    assert usual.rstrip().endswith(f">= {SLOW_MINIMUM}")
    assert usual.count("[1d:") == 2
    unlikely = records["job_account_definition_job_id:vod_transcode_job_output:suspicious"]
    assert f"{BITRATE_FACTOR:.0f} * job_account_definition:" in unlikely
    assert f":mean_increase1d / {BITRATE_FACTOR:.0f}" in unlikely
    mean = records["job_account_definition:vod_transcode_output_bitrate_bits_per_second:mean_increase1d"]
    assert mean.count("[1d:") == 2
    assert mean.rstrip().endswith(f") >= {BITRATE_MINIMUM})")
