"""What the queries make of restarts, new pods, two exporters and first times: promtool runs them on made series."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from exporter.metrics.catalog import JOB_FAILURES, JOBS, JOBS_FINISHED, REJECTED_REQUESTS, UP
from grafana import money
from grafana.queries import counted, increase, of_exporters, one, rate, readable, share, total
from tests.grafana.expressions import interpolated

ALL = {"job": ".+", "instance": ".+", "account": ".+", "definition": ".+", "__rate_interval": "10m"}
FAILURES = 'vod_transcode_job_failures_total{job="vod",instance="%s",account="a",definition="HD",error_code="Bad"}'
ACCOUNT = 'vod_account_info{job="vod",instance="%s",account="a",region="cn-shanghai",endpoint=""}'
IN_AN_HOUR = total(counted(JOB_FAILURES, window="1h"), "error_code")

Check = Callable[..., None]


@pytest.fixture
def check(tool: Callable[[str], str], tmp_path: Path) -> Check:
    """That `expression`, two hours after `series` began, is `value`; series have a sample a minute."""

    def found(series: Mapping[str, str], expression: str, value: float | None, labels: str = "{}") -> None:
        samples = [] if value is None else [{"labels": labels, "value": value}]
        query = {"expr": interpolated(expression, ALL), "eval_time": "2h", "exp_samples": samples}
        given = [{"series": name, "values": values} for name, values in series.items()]
        test = {"interval": "1m", "input_series": given, "promql_expr_test": [query]}
        file = tmp_path / "test.yml"
        file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": [test]}))
        done = subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    return found


@pytest.mark.parametrize(
    ("values", "failed"),
    [
        pytest.param("_x90 1x40", 1, id="a code's first failure, which increase() does not see"),
        pytest.param("3x70 5x60", 2, id="two more, as whole numbers"),
        pytest.param("3x130", 0, id="none"),
        pytest.param("3x40 _x30 5x60", 2, id="an outage as the hour begins"),
        pytest.param("7x70 0x10 2x50", 2, id="a counter that was lost: what it has counted since"),
        pytest.param("3x70 5x45 _x20", 2, id="an exporter that was here five minutes ago"),
    ],
)
def test_failures_of_an_hour_are_counted(check: Check, values: str, failed: float) -> None:
    check({ACCOUNT % "one": "1x130", FAILURES % "one": values}, IN_AN_HOUR, failed, '{error_code="Bad"}')


@pytest.mark.parametrize(
    ("account", "values", "failed"),
    [
        pytest.param("_x70 1x60", "_x70 5000000x60", 0, id="all that was counted before Prometheus came is not new"),
        pytest.param("_x70 1x60", "_x70 5000000x20 5000003x40", 3, id="but what was counted since then is"),
        pytest.param("_x70 1x60", "_x80 1x50", 1, id="a code's first failure after that"),
        pytest.param("_x70 1x60", "_x70 5000000x20 0x10 2x30", 2, id="a counter that was lost after that"),
        pytest.param("_x70 1x9 _x20 1x40", "_x70 500x9 _x20 502x40", 2, id="an outage after that"),
    ],
)
def test_failures_are_counted_since_prometheus_first_saw_the_account(
    check: Check, account: str, values: str, failed: float
) -> None:
    check({ACCOUNT % "one": account, FAILURES % "one": values}, IN_AN_HOUR, failed, '{error_code="Bad"}')


def test_an_exporter_with_an_empty_state_does_not_make_all_that_another_counted_new(check: Check) -> None:
    """Prometheus came to both within the hour; the other one's count is the higher, and has not grown."""
    series = {ACCOUNT % "one": "_x70 1x60", FAILURES % "one": "_x70 500x60"}
    series |= {ACCOUNT % "two": "_x75 1x55", FAILURES % "two": "_x85 1x45"}
    check(series, IN_AN_HOUR, 0, '{error_code="Bad"}')


def test_new_pod_continues_if_prometheus_saw_the_old_pod_first_within_the_hour(check: Check) -> None:
    series = {ACCOUNT % "old": "_x70 1x20", FAILURES % "old": "_x70 3x10 5x10"}
    series |= {ACCOUNT % "new": "_x92 1x40", FAILURES % "new": "_x92 5x10 8x30"}
    check(series, IN_AN_HOUR, 5, '{error_code="Bad"}')


def test_refused_requests_are_counted_since_prometheus_first_saw_the_exporter(check: Check) -> None:
    exporter = 'vod_exporter_build_info{job="vod",instance="one",version="1",python="3"}'
    refused = 'vod_exporter_rejected_requests_total{job="vod",instance="one",path="/probe",reason="%s"}'
    series = {exporter: "_x70 1x60", refused % "account": "_x70 400x60", refused % "busy": "_x80 2x50"}
    check(series, total(counted(REJECTED_REQUESTS, window="1h")), 2)


def test_one_of_two_exporters_that_reads_the_account_is_enough(check: Check) -> None:
    up = 'vod_up{job="%s",instance="%s",account="a"}'
    series = {up % ("vod", "one"): "0x130", up % ("vod", "two"): "1x130"}
    check(series, readable(), 1, '{job="vod",account="a"}')
    check(series | {up % ("other", "one"): "0x130"}, f"{readable()} == 0", 0, '{job="other",account="a"}')


def test_two_exporters_of_an_account_count_a_failure_once(check: Check) -> None:
    check({FAILURES % "one": "3x70 5x60", FAILURES % "two": "3x72 5x60"}, IN_AN_HOUR, 2, '{error_code="Bad"}')


def test_a_new_pod_goes_on_where_the_old_one_stopped(check: Check) -> None:
    """It kept the state, and is another instance: what it had counted before is not new."""
    check({FAILURES % "old": "3x80", FAILURES % "new": "_x82 4x50"}, IN_AN_HOUR, 1, '{error_code="Bad"}')


def test_a_first_failure_that_a_new_pod_goes_on_with_counts(check: Check) -> None:
    """The new pod has it from its first scrape on, but the account was known before, and without it."""
    series = {ACCOUNT % "old": "1x90", FAILURES % "old": "_x80 1x10"}
    series |= {ACCOUNT % "new": "_x92 1x40", FAILURES % "new": "_x92 1x40"}
    check(series, IN_AN_HOUR, 1, '{error_code="Bad"}')


def test_jobs_that_two_exporters_report_count_once(check: Check) -> None:
    name = 'vod_transcode_jobs{job="vod",instance="%s",account="%s",definition="HD",status="Transcoding"}'
    series = {name % ("one", "a"): "4x130", name % ("two", "a"): "4x130", name % ("two", "b"): "3x130"}
    check(series, total(one(JOBS, 'status="Transcoding"')), 7)


def test_throughput_is_that_of_one_exporter(check: Check) -> None:
    name = (
        'vod_transcode_jobs_finished_total{job="vod",instance="%s",account="a",definition="HD",status="TranscodeFail"}'
    )
    check({name % "one": "0+6x130", name % "two": "0+6x130"}, total(rate(JOBS_FINISHED)), 0.1)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        pytest.param("0+6x130", "_x131", id="one exporter"),
        pytest.param("0+6x130", "0+6x130", id="two exporters with the account"),
        pytest.param("0+6x90", "_x92 552+6x40", id="an account that moved to another replica"),
        pytest.param("0+6x75 _x55", "_x70 420+6x60", id="two replicas that show it for some minutes"),
    ],
)
def test_the_increase_in_an_hour_is_360_with_any_exporters(check: Check, one: str, two: str) -> None:
    name = (
        'vod_transcode_jobs_finished_total{job="vod",instance="%s",account="a",definition="HD",status="TranscodeFail"}'
    )
    series = {name % "one": one, name % "two": two}
    check(series, f"round({total(increase(JOBS_FINISHED, window='1h'))}, 10)", 360)


def test_a_share_of_nothing_is_nothing_rather_than_not_a_number(check: Check) -> None:
    name = 'vod_up{job="vod",instance="one",account="a"}'
    check({name: "0x130"}, share(total(one(UP)), total(one(UP))), None)


def test_up_is_asked_of_exporters_only_and_of_those_that_are_down(check: Check) -> None:
    series = {
        'up{job="vod",instance="one"}': "1x70 0x60",
        'vod_exporter_build_info{job="vod",instance="one",version="1",python="3"}': "1x70",
        'up{job="node",instance="other"}': "1x130",
    }
    expression = of_exporters('up{job=~"$job", instance=~"$instance"}')
    check(series, expression, 0, 'up{job="vod", instance="one"}')


def test_the_cost_is_the_minutes_by_specification_times_their_price(check: Check) -> None:
    """Two exporters count the same outputs and have the same prices; a specification without a price costs nothing."""
    made = {}
    for instance in ("one", "two"):
        target = f'job="vod",instance="{instance}"'
        made[ACCOUNT % instance] = "1x130"
        made[f'vod_transcode_billed_seconds_total{{{target},account="a",specification="H264.HD"}}'] = "0x80 6000x50"
        made[f'vod_transcode_billed_seconds_total{{{target},account="a",specification="Audio"}}'] = "0x80 600x50"
        made[f'vod_transcode_billed_seconds_total{{{target},account="a",specification="unknown"}}'] = "0x80 60x50"
        made[f'vod_transcode_price_per_minute{{{target},specification="H264.HD",currency="USD"}}'] = "0.01x130"
        made[f'vod_transcode_price_per_minute{{{target},specification="Audio",currency="USD"}}'] = "0.001x130"
    check(made, total(money.cost("1h"), "currency"), 1.01, '{currency="USD"}')
    check(made, total(money.unpriced("1h")), 1)
