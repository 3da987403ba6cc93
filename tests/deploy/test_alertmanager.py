"""The routing example is sound for amtool, reaches whom it should, and lets the cause speak for its consequences."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
LOADED: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
GROUPS: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy" / "prometheus" / "vod-transcode.alerts.yml").read_text()
)["groups"]
SEVERITIES: dict[str, str] = {rule["alert"]: rule["labels"]["severity"] for group in GROUPS for rule in group["rules"]}
RECEIVERS = {"critical": "on-call", "warning": "transcoding", "info": "digest"}


def test_amtool_takes_the_example(tool: Callable[[str], str]) -> None:
    done = subprocess.run(
        [tool("amtool"), "check-config", str(CONFIG)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("alert", SEVERITIES)
def test_each_alert_reaches_the_receiver_of_its_severity(alert: str, tool: Callable[[str], str]) -> None:
    severity = SEVERITIES[alert]
    labels = [f"alertname={alert}", f"severity={severity}", "account=prod"]
    assert routed(tool("amtool"), *labels) == RECEIVERS[severity]


def test_alerts_of_others_stay_with_the_default(tool: Callable[[str], str]) -> None:
    assert routed(tool("amtool"), "alertname=NodeDown", "severity=critical") == "transcoding"


def routed(amtool: str, *labels: str) -> str:
    command = [amtool, "config", "routes", "test", f"--config.file={CONFIG}", *labels]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_the_example_has_no_secret() -> None:
    text = CONFIG.read_text()
    assert not re.search(r"(?i)password:|api_key:|token:|routing_key:|service_key:|credentials:", text)
    assert set(re.findall(r"[@/]([\w.-]+\.org)\b", text)) == {"example.org", "alerts.example.org"}


@pytest.mark.parametrize(
    ("cause", "inhibited"),
    [
        ("VodExporterAbsent", set(SEVERITIES) - {"VodExporterAbsent"}),
        ("VodExporterDown", set()),
        ("VodAccountNotHeld", set()),
        (
            "VodAccountUnreachable",
            {"VodThrottled", "VodBudgetExhausted", "VodDataStale", "VodJobStuck", "VodJobSlow", "VodQueueGrowing"}
            | {"VodOldestJobTooOld", "VodNothingFinished"},
        ),
        ("VodThrottled", {"VodBudgetExhausted", "VodDataStale"}),
        ("VodBudgetExhausted", {"VodDataStale"}),
        ("VodNothingFinished", {"VodJobStuck", "VodJobSlow", "VodQueueGrowing", "VodOldestJobTooOld"}),
        ("VodJobStuck", {"VodJobSlow", "VodOldestJobTooOld"}),
    ],
)
def test_a_cause_inhibits_the_alerts_on_its_consequences(cause: str, inhibited: set[str]) -> None:
    assert {alert for alert in SEVERITIES if inhibits(cause, alert)} == inhibited


def test_rejected_credentials_inhibit_the_unreachable_account_but_not_vice_versa() -> None:
    assert inhibits("VodCredentialsRejected", "VodAccountUnreachable")
    assert not inhibits("VodAccountUnreachable", "VodCredentialsRejected")


def test_only_an_absent_exporter_inhibits_alerts_of_several_accounts() -> None:
    for rule in LOADED["inhibit_rules"]:
        everywhere = rule["source_matchers"] == ['alertname="VodExporterAbsent"']
        assert ("account" in rule["equal"]) is not everywhere


def test_inhibition_stays_within_one_scrape_job_and_account() -> None:
    of_accounts = [rule["equal"] for rule in LOADED["inhibit_rules"] if "account" in rule["equal"]]
    assert len(of_accounts) > 1
    assert [equal for equal in of_accounts if "job" not in equal] == []


def inhibits(cause: str, alert: str) -> bool:
    return any(
        matched(rule["source_matchers"], cause) and matched(rule["target_matchers"], alert)
        for rule in LOADED["inhibit_rules"]
    )


def matched(matchers: list[str], alert: str) -> bool:
    """Whether an alert of this name can meet the matchers, which are anchored as Alertmanager's.

    Only VodBudgetExhausted is matched by another label, the operation without whose calls the data become old.
    """
    held = []
    for matcher in matchers:
        if matcher == 'action="GetTranscodeTask"':
            continue
        parts = re.fullmatch(r'alertname(=~|!~|=|!=)"(.+)"', matcher)
        assert parts is not None, matcher
        same = re.fullmatch(parts[2] if "~" in parts[1] else re.escape(parts[2]), alert) is not None
        held.append(same is not parts[1].startswith("!"))
    return all(held)
