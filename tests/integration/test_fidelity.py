"""What the exporter exposes equals the simulator's truth, with events, errors and kills of the exporter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from exporter.metrics import catalog

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]

WITHOUT_TRUTH = {
    catalog.REFRESH_DURATION: "how long the exporter took",
    catalog.LAST_SUCCESS: "when the exporter called; tests/integration/test_up.py has that it stands still",
    catalog.OLDEST_REFRESH: "when the exporter called",
    catalog.DATA_TIME: "when the exporter took what it exposes",
    catalog.STALE_JOBS: "0 while VOD answers",
    catalog.TRUNCATED_JOBS: "0 below series.max_jobs",
    catalog.MALFORMED_FIELDS: "0, because the true answers of the simulator are well-formed",
    catalog.RELOAD_SUCCESS: "when the exporter read its configuration",
    catalog.ACCOUNT_HELD: "1 with a file; tests/web/test_remote.py has replicas",
    catalog.STATE_UP: "whether the store answers; tests/replicas has it",
    catalog.STATE_SAVE_DURATION: "how long the exporter took",
    catalog.CONNECTIONS: "how many clients were connected to the exporter; tests/faults/test_serving.py has it",
    catalog.DROPPED_HINTS: "0 below a thousand videos that only events name; tests/web/test_callback.py has it",
}
"""The metrics that are not compared, and why. The simulator does not know these values, or they are always 0."""

LABELS = {
    catalog.VIDEOS: {"status": {"Transcoding"}},
    catalog.PENDING_CALLS: {"action": {"GetTranscodeTask"}},
    catalog.API_REQUESTS: {"action": {"GetTranscodeTask", "DescribeVodTranscodeData"}},
    catalog.API_ERRORS: {"code": {"Forbidden", "OperationDenied.Suspended"}},
    catalog.DROPPED_TASKS: {"reason": {"forbidden", "deleted"}},
    catalog.EVENTS: {"event": {"StreamTranscodeComplete", "TranscodeComplete"}},
    catalog.TASK_DURATION: {"priority": {"low", "default", "high"}},
    catalog.JOB_DURATION: {"status": {"TranscodeSuccess", "TranscodeFail"}},
    catalog.JOBS_FINISHED: {"status": {"TranscodeSuccess", "TranscodeFail", "unknown"}},
    catalog.JOB_FAILURES: {"cause": {"source", "service"}},
    catalog.TASK_FAILURES: {"cause": {"source"}},
    catalog.SUSPICIOUS_OUTPUTS: {"reason": {"no_bytes", "bitrate", "truncated"}},
    catalog.BILLED: {"specification": {"Audio", "H264.LD", "H264.SD", "H264.HD"}},
    catalog.USAGE: {"specification": {"H264.LD", "H264.SD", "H264.HD"}},
    catalog.PRICE: {"currency": {"USD"}},
    catalog.TRACKED_TASKS: {"source": {"tasks", "api"}},
}
"""Label values that must be in the comparison with another value than 0."""


@pytest.mark.timeout(400)
def test_everything_exposed_equals_the_truth_after_errors_and_kills(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks.fidelity", "--tasks=40", "--speed=60", "--kill-every=4"]
    command += ["--patience=100", f"--report={report}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=390, check=False)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "differences: 0; totals that went down: 0" in run.stdout
    labels = compared(report)
    expected = {metric.name for metric in catalog.CATALOG if metric not in WITHOUT_TRUTH}
    assert labels.keys() == expected
    for metric, wanted in LABELS.items():
        for label, values in wanted.items():
            assert values <= labels[metric.name][label], (metric.name, label)


def compared(report: Path) -> dict[str, dict[str, set[str]]]:
    """The metrics that had a true value other than 0, with the label values for which they had one."""
    families = {metric.name: metric.name for metric in catalog.CATALOG}
    families |= {
        f"{metric.name}_{suffix}": metric.name
        for metric in catalog.CATALOG
        for suffix in ("sum", "count")
        if metric.type == "histogram"
    }
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for _, name, labels, value in json.loads(report.read_text()):
        if value:
            of = found[families[name]]
            for label, label_value in labels:
                of[label].add(label_value)
    return dict(found)
