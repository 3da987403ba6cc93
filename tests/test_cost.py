"""What outputs cost, from the JSON of VOD to the product of the metrics, by the price list of VOD."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from exporter import config
from exporter.metrics import catalog
from exporter.metrics.rows import account_rows
from exporter.metrics.telemetry import Telemetry
from exporter.snapshot import AccountSnapshot
from exporter.tracking.ledger import Ledger
from exporter.vod.payloads import task_reply

MINUTES = 60

# "Basic service billing" of ApsaraVideo VOD, US dollars per minute in the Chinese mainland, as of July 2021. It is the
# newest price list of VOD itself that we could read whole:
# https://www.alibabacloud.com/help/en/vod/product-overview/billing-of-basic-services
CONFIGURATION = """
accounts:
  - {name: prod, region: cn-shanghai}
billing:
  currency: USD
  prices:
    Audio: 0.0009
    H264.LD: 0.0034
    H264.SD: 0.0050
    H264.HD: 0.0101
    H265.SD: 0.0252
    H264.SD.NarrowBandHDV1: 0.0150
  templates:
    narrowband-720p: H264.SD.NarrowBandHDV1
"""

# Definition, codec, width, height -> specification and cents of an hour.
OUTPUTS = [
    ("FD", "h264", "640", "360", "H264.LD", 20.4),
    ("HD-MP4", "h264", "1280", "720", "H264.SD", 30.0),
    ("HD", "h264", "1920", "1080", "H264.HD", 60.6),
    ("LD", "h264", "854", "480", "H264.SD", 30.0),
    ("SD", "hevc", "1280", "720", "H265.SD", 151.2),
    ("SD", "h264", "1280", "720", "H264.SD.NarrowBandHDV1", 90.0),
    ("SQ", "", "", "", "Audio", 5.4),
    ("AUTO", "h264", "1920", "1080", "H264.HD", 60.6),
]
TOTAL = 4.48  # US dollars


def answer(outputs: list[tuple[str, str, str, str, str, float]]) -> dict[str, Any]:
    """GetTranscodeTask, with the streams as JSON in a string."""
    jobs = []
    for number, (definition, codec, width, height, specification, _) in enumerate(outputs):
        file: dict[str, object] = {
            "Duration": str(60 * MINUTES),
            "VideoStreamList": json.dumps([{"Index": "0", "CodecName": codec}] if codec else []),
            "AudioStreamList": json.dumps([{"Index": "1", "CodecName": "aac"}]),
        }
        if width:
            file |= {"Width": width, "Height": height}
        job = {
            "TranscodeJobId": f"job-{number}",
            "TranscodeJobStatus": "TranscodeSuccess",
            "TranscodeTemplateId": "narrowband-720p" if "NarrowBand" in specification else f"template-{number}",
            "Definition": definition,
            "OutputFile": file,
        }
        jobs.append(job)
    task = {"TranscodeTaskId": "task", "TaskStatus": "CompleteAllSucc", "TranscodeJobInfoList": jobs}
    return {"RequestId": "1", "TranscodeTask": task}


@pytest.fixture
def settings(tmp_path: Path) -> config.Settings:
    path = tmp_path / "config.yml"
    path.write_text(CONFIGURATION)
    return config.load(path, environ={})


def cost(settings: config.Settings, *answers: dict[str, Any]) -> dict[str, float]:
    """US dollars by specification: the counted minutes times the price, as the query in docs/metrics.md."""
    ledger = Ledger("prod", templates=settings.billing.templates)
    for body in answers:
        task = task_reply(body).task
        assert task is not None
        ledger.name("configuration", [task.id], source="tasks")
        ledger.observe_task(task.id, task)
    telemetry = Telemetry()
    telemetry.price(settings.billing.currency or "", settings.billing.prices)
    price = {
        sample.labels["specification"]: sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if family.name == catalog.PRICE.name
    }
    account = AccountSnapshot("prod", "", "", view=ledger.view())
    return {
        labels[1]: seconds / 60 * price[labels[1]]
        for metric, labels, seconds in account_rows(account)
        if metric is catalog.BILLED and isinstance(seconds, float)
    }


def test_eight_outputs_cost_what_the_price_list_says_to_the_cent(settings: config.Settings) -> None:
    """The definition decided the price before, which made 1.69 of it: FD and HD-MP4 were free, and HD was 720p."""
    costs = cost(settings, answer(OUTPUTS))
    expected: dict[str, float] = {}
    for *_, specification, cents in OUTPUTS:
        expected[specification] = expected.get(specification, 0.0) + cents
    assert {name: round(100 * dollars, 6) for name, dollars in costs.items()} == expected
    assert round(sum(costs.values()), 2) == TOTAL


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: f"{output[0]} {output[4]}")
def test_each_output_costs_its_price(settings: config.Settings, output: tuple[str, str, str, str, str, float]) -> None:
    *_, specification, cents = output
    assert cost(settings, answer([output])) == {specification: pytest.approx(cents / 100)}


def test_a_failed_job_is_free(settings: config.Settings) -> None:
    failed = answer(OUTPUTS)
    failed["TranscodeTask"]["TaskStatus"] = "CompleteAllFail"
    for job in failed["TranscodeTask"]["TranscodeJobInfoList"]:
        job["TranscodeJobStatus"] = "TranscodeFail"
    assert cost(settings, failed) == {}
