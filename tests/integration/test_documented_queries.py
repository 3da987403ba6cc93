"""Every query of the documents holds in Prometheus with one exporter, with two, with replicas that take an account from
each other, after a restart, and for a new account.

The history of each case is in another month of the same storage, so one Prometheus answers all questions.
"""

from __future__ import annotations

import math
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from exporter.errors import VodError
from exporter.metrics.exposition import TEXT
from exporter.metrics.telemetry import Telemetry
from tests.integration.programs import running_prometheus

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "docs" / "metrics.md", *sorted((ROOT / "docs" / "runbooks").glob("*.md")))
HOUR, DAY = 3600, 86400
START = 1_700_000_000
MOMENTS = (*range(-8 * DAY, -26 * HOUR, 4 * HOUR), *range(-26 * HOUR, -HOUR, 20 * 60), *range(-HOUR, 1, 60))
"""Seconds before now at which Prometheus scraped: seldom long ago, each minute in the last hour."""

OF_EXPORTERS = (
    r"\b(up|scrape_\w+|process_\w+|node_\w+|vod_exporter_(build_info|config_\w+|state_\w+))\b|by \(instance|_held == 1"
)
"""Metrics of an exporter itself: a query shows them for each exporter."""

CALLS = r"vod_exporter_api_(requests|errors)_total"
"""Each exporter counts its own calls, so a query adds them."""

TWO_EXPORTERS = "count by (account) (vod_account_info) > 1"
"""A query that finds accounts in two exporters."""

FURTHER = """\
vod_up{account="lost"} 0
vod_account_info{account="lost",region="r",endpoint="e"} 1
vod_transcode_task_status{account="prod",task_id="m",status="CompleteAllFail"} 1
vod_transcode_task_info{account="prod",task_id="m",video_id="v",template_group_id="g",trigger="Manual"} 1
vod_transcode_job_status{account="prod",job_id="empty",definition="LD",status="TranscodeSuccess"} 1
vod_transcode_job_output_size_bytes{account="prod",job_id="empty",definition="LD"} 0
vod_transcode_job_info{account="prod",job_id="empty",definition="LD",task_id="m",video_id="v",template_id="p"} 1
vod_transcode_job_progress_ratio{account="prod",job_id="waits",definition="LD"} 0
vod_transcode_job_progress_ratio{account="prod",job_id="runs",definition="LD"} 0.9
vod_exporter_stale_jobs{account="lost"} 3
vod_exporter_state_durable{account="lost"} 0
vod_exporter_account_held{account="lost"} 0
vod_exporter_config_last_reload_successful 0
up 1
scrape_duration_seconds 0.2
# TYPE vod_transcode_tasks_finished_total counter
vod_transcode_tasks_finished_total{account="prod",status="CompleteAllFail",trigger="Manual"} 1
# TYPE vod_transcode_billed_seconds_total counter
vod_transcode_billed_seconds_total{account="prod",specification="unknown"} 60
node_filesystem_avail_bytes{mountpoint="/"} 1
node_filesystem_size_bytes{mountpoint="/"} 100
"""
"""What the samples of VOD do not have, so that each query finds something."""

Rows = dict[frozenset[tuple[str, str]], list[float]]


@dataclass(frozen=True)
class Case:
    """What Prometheus scraped: the `instances`, a restart of "a", or an account that came two hours ago.

    Where `holders` is not empty, the instances are replicas. Each shows the account from its second before now on,
    after one missed scrape.
    """

    month: int
    instances: tuple[str, ...] = ("a",)
    restarted: float = -math.inf
    since: float = -math.inf
    holders: tuple[tuple[float, str], ...] = ()

    @property
    def now(self) -> int:
        return START + self.month * 40 * DAY

    def restarts(self, instance: str, moment: float) -> bool:
        return instance == "a" and self.restarted <= moment < self.restarted + 180

    def shows_account(self, instance: str, moment: float) -> bool:
        since, holder = self.holder(moment)
        return not self.holders or (instance == holder and moment > since)

    def holder(self, moment: float) -> tuple[float, str]:
        """Since when which replica has the account."""
        return max((took for took in self.holders if took[0] <= moment), default=(-math.inf, ""))


ONE = Case(0)
TWO = Case(1, instances=("a", "b"))
RESTARTED = Case(2, restarted=-20 * 60)
TODAY = Case(3, since=-2 * HOUR)
ONE_OF_TWO_RESTARTED = Case(4, instances=("a", "b"), restarted=-20 * 60)
TAKEN_OVER = Case(
    5,
    instances=("a", "b", "c"),
    holders=((-8 * DAY - 1, "a"), (-5 * HOUR, "b"), (-25 * 60, "a"), (-12 * 60, "c")),
)
CASES = (ONE, TWO, RESTARTED, TODAY, ONE_OF_TWO_RESTARTED, TAKEN_OVER)


@dataclass(frozen=True)
class Query:
    page: str
    text: str

    @property
    def expression(self) -> str:
        """The query without recorded series: each rule is in its place."""
        text = self.text
        while named := re.search(r"\b\w+:vod_\w+:\w+\b", text):
            assert text[named.end() :][:1] != "{", "a rule with a matcher; this test cannot put it into the query"
            text = f"{text[: named.start()]}({recorded()[named[0]]}){text[named.end() :]}"
        return text


Ask = Callable[[Query, Case], Rows]


@cache
def recorded() -> dict[str, str]:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "vod-transcode.rules.yml").read_text())
    return {rule["record"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}


def documented() -> list[Query]:
    blocks = [
        (page.stem, block) for page in PAGES for block in re.findall(r"(?s)```promql\n(.*?)```", page.read_text())
    ]
    return [Query(page, text.strip()) for page, block in blocks for text in block.split("\n\n")]


@pytest.fixture
def prometheus(tool: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    samples = base()
    for case in CASES:
        file = tmp_path / f"{case.month}.om"
        file.write_text("".join(history(case, samples)) + "# EOF\n")
        command = ["tsdb", "create-blocks-from", "--max-block-duration=480h", "openmetrics", str(file), "data"]
        subprocess.run([tool("promtool"), *command], cwd=tmp_path, check=True, capture_output=True, timeout=280)
    with running_prometheus(tool("prometheus"), tmp_path, "{}", "--storage.tsdb.retention.time=100y") as address:
        yield address


def base() -> list[tuple[Sample, bool]]:
    """Each sample of one scrape, and whether it counts: the golden exposition, and an exporter that has made calls."""
    telemetry = Telemetry()
    account = telemetry.account("prod")
    for error in (None, VodError("refused", code="Throttling.User")):
        account.called(action="GetTranscodeTask", seconds=0.1, error=error)
    telemetry.price("USD", {"H264.LD": 0.005})
    golden = (ROOT / "tests" / "golden" / "samples.prom").read_text(encoding="utf-8")
    text = golden + TEXT.encode(telemetry.registry).decode() + FURTHER
    found = {
        (sample.name, *sorted(sample.labels.items())): (sample, family.type in ("counter", "histogram"))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return list(found.values())


def history(case: Case, samples: Iterable[tuple[Sample, bool]]) -> Iterator[str]:
    """The lines of OpenMetrics for a case. Counters grow by 30 times their first value a day."""
    for instance in case.instances:
        for sample, counts in samples:
            labels = {**sample.labels, "job": "vod-transcode", "instance": instance, "pod": f"pod-{instance}"}
            name = sample.name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
            for moment in MOMENTS:
                if moment < case.since or ("account" in labels and not case.shows_account(instance, moment)):
                    continue
                if case.restarts(instance, moment):
                    value = 0.0 if sample.name == "up" else None
                else:
                    value = counted(case, instance, sample, moment) if counts else gauge(case, instance, sample, moment)
                if value is not None:
                    yield f"{name} {value} {case.now + moment}\n"


def gauge(case: Case, instance: str, sample: Sample, moment: float) -> float:
    if sample.name == "process_start_time_seconds":
        return case.now - (0.0 if instance == "a" and moment > case.restarted > -math.inf else 9 * DAY)
    if sample.labels.get("job_id") == "runs":
        return sample.value + moment / (100 * DAY)
    if sample.name.endswith("_timestamp_seconds"):
        return case.now - 3 * HOUR
    return sample.value


def counted(case: Case, instance: str, sample: Sample, moment: float) -> float:
    """The second exporter began to count later than the first. The totals of replicas go on.

    A restart begins with the calls from 0, and so does a replica that takes an account.
    """
    age = moment + 8 * DAY
    if sample.name.startswith("vod_exporter_"):
        if instance == "a" and moment > case.restarted > -math.inf:
            age = moment - case.restarted
        elif case.holders and "account" in sample.labels:
            age = moment - case.holder(moment)[0]
    return sample.value * ((instance == "a" or bool(case.holders)) + age / DAY * 30)


@pytest.fixture
def ask(prometheus: str) -> Iterator[Ask]:
    with requests.Session() as session:

        def rows(query: Query, case: Case) -> Rows:
            data = {"query": query.expression, "time": case.now}
            answer = session.post(f"{prometheus}/api/v1/query", data=data, timeout=30).json()
            assert answer["status"] == "success", f"{answer.get('error')}\n{query.text}"
            return by_labels(answer["data"]["result"], case.now)

        yield rows


def by_labels(result: Iterable[Mapping[str, Any]], now: float) -> Rows:
    """The values by the labels beside those of the target. A Unix time is given as the seconds until now."""
    found: Rows = defaultdict(list)
    for row in result:
        labels = frozenset(item for item in row["metric"].items() if item[0] not in ("instance", "pod"))
        value = float(row["value"][1])
        found[labels].append(now - value if value > START / 2 else value)
    return found


@pytest.mark.timeout(600)
def test_each_query_holds_however_many_exporters_and_restarts_there_are(ask: Ask) -> None:
    """It finds data, the same with two exporters, after a restart and after takeovers.

    What a new account had counted is not new.
    """
    for query in documented():
        if query.text.endswith(TWO_EXPORTERS):
            assert not ask(query, ONE), query
            assert not ask(query, TAKEN_OVER), query
            assert ask(query, TWO), query
        else:
            assert_holds(query, ask)


def assert_holds(query: Query, ask: Ask) -> None:
    expected = ask(query, ONE)
    assert expected, query

    two = ask(query, TWO)
    if re.search(OF_EXPORTERS, query.text):
        assert two.keys() == expected.keys(), query
        assert {len(values) for values in two.values()} == {2}, query
        assert ask(query, TAKEN_OVER).keys() == expected.keys(), query
    else:
        own = 2 if re.search(CALLS, query.text) and "/" not in query.text else 1
        assert two == {labels: [approx(own * value)] for labels, (value,) in expected.items()}, query
        still = {labels: [approx(own * value, 0.1)] for labels, (value,) in expected.items()}
        assert ask(query, ONE_OF_TWO_RESTARTED) == still, query
        share = 0.1 if re.search(CALLS, query.text) else 0.005
        same = {labels: [approx(value, share)] for labels, (value,) in expected.items()}
        assert ask(query, TAKEN_OVER) == same, query

    restarted = ask(query, RESTARTED)
    again = 1 if "changes(" in query.text else 0
    assert restarted == {labels: [approx(value + again, 0.1)] for labels, (value,) in expected.items()}, query

    for labels, (value,) in ask(query, TODAY).items():
        assert math.isnan(value) or value <= expected[labels][0] * 1.001, query  # NaN: nothing was observed


def approx(value: float, share: float = 1e-6) -> object:
    return pytest.approx(value, rel=share, nan_ok=True)
