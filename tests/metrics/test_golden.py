"""The whole exposition of the documented samples, byte for byte, and what the ecosystem's own parsers say of it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.errors import VodError
from exporter.metrics.catalog import COLLECTED
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.exposition import OPENMETRICS, TEXT, Format, Together
from exporter.metrics.telemetry import Telemetry
from exporter.model import EndedJob
from exporter.snapshot import AccountSnapshot, Snapshot
from exporter.tracking.ledger import Ledger
from exporter.tracking.view import Limits
from exporter.vod.payloads import task_reply

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden"
SAMPLES = sorted((TESTS / "data" / "vod-api" / "samples").glob("get-task-*.json"))
NOW = 1_551_169_800.0  # 2019-02-26 08:30 UTC, when the jobs of the samples ran
LOOKBACK = 60 * 86_400.0  # seconds; longer than from the oldest sample to NOW
EVENT_JOB = "921e1657713a9f955141138eb47e3eee"  # of the samples, one that succeeded
EVENT_STARTED = NOW - 163.0  # a second after its creation
UPDATE = "GOLDEN_UPDATE"

FORMATS = pytest.mark.parametrize(
    ("name", "form"), [("samples.prom", TEXT), ("samples.om", OPENMETRICS)], ids=["text", "openmetrics"]
)

# design: media people read bitrates in bits; the linter wants bytes.
BITRATES = (
    "vod_transcode_job_output_bitrate_bits_per_second",
    "vod_transcode_job_output_stream_bitrate_bits_per_second",
    "vod_transcode_output_bitrate_bits_per_second",
)
LINT = [f'{name} use base unit "bytes" instead of "bits"' for name in BITRATES]


def collector() -> TranscodeCollector:
    """What is shown once every sample of GetTranscodeTask was answered, as one account."""
    moments = [0.0]  # the state is older than the samples, so that they are counted
    # The samples' tasks ended a month before NOW. With the default lookback they would be shown but not counted.
    ledger = Ledger(limits=Limits(lookback=LOOKBACK), clock=lambda: moments[-1])
    moments.append(NOW)
    for path in SAMPLES:
        task = task_reply(json.loads(path.read_text(encoding="utf-8"))["body"]).task
        assert task is not None
        ledger.name(path.stem, [task.id], source="tasks")
        ledger.observe_task(task.id, task)
    ledger.observe_event(EndedJob(EVENT_JOB, processing=2.5, started=EVENT_STARTED))
    account = AccountSnapshot(
        name="prod",
        region="cn-shanghai",
        endpoint="https://vod.cn-shanghai.aliyuncs.com",
        up=True,
        last_success=NOW,
        refresh_duration=0.25,
        videos={"Transcoding": 2},
        pending_calls={"GetTranscodeTask": 3, "ListTranscodeTask": 0, "GetTranscodeSummary": 0, "GetVideoList": 0},
        budget={"GetTranscodeTask": 7.5},
        usage={"H264.LD": 24.5},
        view=ledger.view(),
    )
    return TranscodeCollector(lambda: Snapshot((account,)))


def openmetrics_families() -> list[Metric]:
    text = (GOLDEN / "samples.om").read_text(encoding="utf-8")
    return list(parse_openmetrics(text))  # type: ignore[no-untyped-call]


def lint(promtool: str, exposition: bytes) -> list[str]:
    """The lines that `promtool check metrics` writes, sorted."""
    run = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, check=False, timeout=30)
    assert run.returncode in (0, 3), run.stderr.decode()  # 1: it cannot be parsed; 3: the linter has a remark
    return sorted((run.stdout + run.stderr).decode().splitlines())


@FORMATS
def test_exposition_of_the_documented_samples_is_the_golden_one(name: str, form: Format) -> None:
    """Set GOLDEN_UPDATE=1 to rewrite the file, and review the difference before you commit it."""
    registry = CollectorRegistry()
    registry.register(collector())
    exposition = form.encode(registry)
    if os.environ.get(UPDATE):
        (GOLDEN / name).write_bytes(exposition)

    assert exposition == (GOLDEN / name).read_bytes(), (
        f"tests/golden/{name} differs; if that is meant: {UPDATE}=1 .venv/bin/pytest tests/metrics/test_golden.py"
    )


def test_golden_text_and_openmetrics_say_the_same() -> None:
    """Every sample line of one file stands in the other, in the same order; exemplars in OpenMetrics alone."""

    def samples(name: str) -> list[str]:
        text = (GOLDEN / name).read_text(encoding="utf-8")
        return [line.partition(" # ")[0] for line in text.splitlines() if line[0] != "#"]

    assert " # {" not in (GOLDEN / "samples.prom").read_text(encoding="utf-8")

    assert samples("samples.prom") == samples("samples.om")


def test_golden_text_is_read_by_the_text_parser() -> None:
    families = {family.name: family for family in parse_text((GOLDEN / "samples.prom").read_text(encoding="utf-8"))}

    assert {name: family.type for name, family in families.items()} == {
        metric.family: metric.type for metric in COLLECTED
    }


def test_golden_openmetrics_is_read_by_the_openmetrics_parser() -> None:
    """With the types, units and helps of the catalog."""
    families = openmetrics_families()

    assert [(metric.family, metric.type, metric.unit, metric.help) for metric in COLLECTED] == [
        (family.name, family.type, family.unit, family.documentation) for family in families
    ]


def test_golden_file_shows_every_metric() -> None:
    """The samples bring a value for each: no metric goes unseen here."""
    assert [family.name for family in openmetrics_families() if not family.samples] == []


def test_promtool_only_recommends_bytes_in_place_of_bits(tool: Callable[[str], str]) -> None:
    assert lint(tool("promtool"), (GOLDEN / "samples.prom").read_bytes()) == LINT


def test_promtool_has_no_remark_on_the_metrics_of_the_exporter(tool: Callable[[str], str]) -> None:
    telemetry = Telemetry()
    account = telemetry.account("prod")
    account.called(action="GetTranscodeTask", seconds=0.1, error=VodError("refused", code="Throttling.User"))
    account.malformed(["Filesize"])
    telemetry.rejected(path="/metrics", reason="503")
    whole = TEXT.encode(Together(collector(), telemetry.registry))

    assert lint(tool("promtool"), whole) == LINT
    assert lint(tool("promtool"), TEXT.encode(telemetry.registry)) == []
