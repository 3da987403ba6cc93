"""Every query of every dashboard finds data in Debian's Prometheus, with a simulated service in which much fails."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.keys import SecretText
from exporter.simulator.server import Simulator
from exporter.vod.events import signature
from tests.conftest import Simulators
from tests.grafana.expressions import Expression, dashboards, expressions, panels
from tests.integration.programs import PATIENCE_SECONDS, running_exporter, running_prometheus

pytestmark = pytest.mark.stack

KEY = "key-of-the-callback"
CALLBACK = "http://vod.example.com/callback/prod"
PROMETHEUS = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: vod
    static_configs: [{{targets: ["{target}"]}}]
"""
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "code", "code": "Throttling.User", "share": 0.05},
    {"kind": "replace", "action": "GetTranscodeTask", "fields": {"Bitrate": "fast"}, "share": 0.1},
)

# Shorter time ranges, as a user would choose them with the time picker and the variables.
SHORTENED = {"__rate_interval": "20s", "__interval": "5s", "__range": "10m", "recent": "5s", "before": "60s"}

SHORT_WINDOW = re.compile(r"(\[\d+s):1m")  # steps of a minute are too long for it

# Selects a finished job that has an output with audio and video.
SOME_JOB = """topk(1, vod_transcode_job_completed_timestamp_seconds
  and on (job_id) vod_transcode_job_output_height_pixels > 0
  and on (job_id) vod_transcode_job_output_stream_bitrate_bits_per_second
  and on (job_id) vod_transcode_job_progress_ratio offset 3s)"""

FAILED_JOB = "topk(1, vod_transcode_job_failure_info)"
NEEDS_MORE = (
    *("ALERTS", "vod_usage_transcoded_seconds"),  # rules; billing.usage
    *("offset 30m", "offset 150m", "offset 2m", "Last seen", "Before this range"),  # a longer history
    'status!~"Submitted|Transcoding"',  # an undocumented status
)
"""Parts of queries that tests/grafana/test_states.py tries on a made history."""

Rows = list[dict[str, Any]]
Query = Callable[..., Rows]


def test_every_query_of_every_panel_finds_data(
    tmp_path: Path, tool: Callable[[str], str], simulators: Simulators
) -> None:
    """Each query at some moment, while jobs run and fail, VOD throttles, and events and invalid requests arrive."""
    program = tool("prometheus")
    world = simulators(scenario="failures", speed=20.0, history=120.0)
    with running_exporter(tmp_path, settings(world.url)) as exporter, scraping(program, tmp_path, exporter) as query:
        for fault in FAULTS:
            requests.post(f"{world.url}/simulator/faults", json=fault, timeout=10).raise_for_status()
        found = expressions(SHORTENED | {"job_id": ""})
        left = {(each.place, each.source) for each in found if not any(word in each.source for word in NEEDS_MORE)}
        assert len(left) > 100
        end = time.monotonic() + PATIENCE_SECONDS
        while left:
            assert time.monotonic() < end, f"no data: {sorted(left)}"
            send_event(exporter, world)
            requests.post(f"{exporter}/api/v1/tasks", json={}, timeout=10)
            left -= {(each.place, each.source) for each in with_data(query, left)}
            time.sleep(1.0)  # an interval of scrapes; more queries would only keep the machine busy
        check_counts(query)
        check_exemplars(query)


def with_data(query: Query, left: Collection[tuple[tuple[str, str], str]]) -> Iterator[Expression]:
    """Those of the expressions in `left` that have data now."""
    jobs = (*query(SOME_JOB), *query(FAILED_JOB))
    for each in {each for job in jobs for each in expressions(SHORTENED | {"job_id": job["metric"]["job_id"]})}:
        if (each.place, each.source) in left and any(
            not math.isnan(float(row["value"][1])) for row in query(SHORT_WINDOW.sub(r"\1:1s", each.query))
        ):
            yield each


def check_counts(query: Query) -> None:
    """The overview counts errors, and no more of them than the counter has."""
    (ranked,) = (each.query for each in expressions(SHORTENED) if each.panel == "Error codes")
    counted = "sum by (error_code, cause, definition) (vod_transcode_job_failures_total)"
    assert query(ranked)
    assert not query(f"({ranked}) unless (({ranked}) <= {counted})")  # one query: a scrape may come between two


def check_exemplars(query: Query) -> None:
    """Each panel with exemplars finds some, and they have the ids of jobs or tasks that the exporter shows."""
    with_exemplars = [
        panel["title"] for each in dashboards().values() for panel in panels(each) if has_exemplars(panel)
    ]
    assert len(with_exemplars) == 5
    for title in with_exemplars:
        (first, *_) = (each.query for each in expressions(SHORTENED) if each.panel == title)
        found = [each["labels"] for row in query(first, "query_exemplars") for each in row["exemplars"]]
        assert found, title
        ((name, value),) = found[-1].items()
        assert query(f'last_over_time({{__name__=~"vod_transcode_(job|task)_info",{name}="{value}"}}[10m])'), title


def has_exemplars(panel: Mapping[str, Any]) -> bool:
    return any(target.get("exemplar") for target in panel["targets"])


def send_event(exporter: str, world: Simulator) -> None:
    """VOD sends an event about three running jobs, with their times on the clock of the simulator."""
    truth = requests.get(f"{world.url}/simulator/truth", timeout=10).json()["tasks"]
    jobs = [job for task in truth for job in task["jobs"] if job["status"] == "Transcoding"]
    now = time.time()
    event = {"EventType": "StreamTranscodeComplete", "VideoId": "", "Status": "success"}
    for job in jobs[-3:]:
        times = {"StartTime": utc(job["created"] + 3), "FinishTime": utc(job["created"] + 12)}
        body = json.dumps(event | times | {"JobId": job["job_id"], "Definition": job["definition"]})
        stamp = str(int(now))
        signed = signature(url=CALLBACK, timestamp=stamp, key=SecretText(KEY))
        headers = {"X-VOD-TIMESTAMP": stamp, "X-VOD-SIGNATURE": signed}
        requests.post(f"{exporter}/callback/prod", data=body, headers=headers, timeout=10).raise_for_status()


def utc(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def settings(endpoint: str) -> dict[str, object]:
    account = {
        "name": "prod",
        "endpoint": endpoint,
        "credentials": {"access_key_id": "simulator", "access_key_secret": "simulator"},
        "track": {"discovery": {"interval": "5s", "lookback": "1h"}},
        "callback": {"url": CALLBACK, "key": KEY},
    }
    billing = {"currency": "USD", "prices": {"H264.LD": 0.0033, "H264.SD": 0.005, "H264.HD": 0.0099}}
    return {"accounts": [account], "scrape": {"min_interval": "1s"}, "billing": billing}


@contextlib.contextmanager
def scraping(program: str, folder: Path, exporter: str) -> Iterator[Query]:
    """Runs a Prometheus that scrapes `exporter`. Yields a function that returns the instant vector of an expression.

    With `query_exemplars` as second argument it returns the exemplars of the last ten minutes instead.
    """
    config = PROMETHEUS.format(target=exporter.removeprefix("http://"))
    with running_prometheus(program, folder, config) as address, requests.Session() as session:

        def query(expression: str, what: str = "query") -> Rows:
            now = time.time()
            window = {} if what == "query" else {"start": now - 600, "end": now}
            answer = session.post(f"{address}/api/v1/{what}", data={"query": expression, **window}, timeout=30).json()
            assert answer["status"] == "success", f"{answer['error']} in {expression}"
            rows: Rows = answer["data"]["result"] if what == "query" else answer["data"]
            return rows

        yield query
