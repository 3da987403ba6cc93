"""Lines are those of `prometheus_client`, byte for byte: escapes, numbers, histograms and exemplars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalog
from exporter.metrics.exposition import OPENMETRICS, TEXT, Format
from exporter.metrics.lines import lines
from exporter.metrics.rows import account_rows
from exporter.snapshot import AccountSnapshot, HistogramView, LedgerView, Total, TotalsView
from tests.conftest import growth
from tests.metrics.conftest import (
    SHOWN_JOBS,
    SHOWN_TASKS,
    TEXTS,
    TOTALS,
    account,
    collector,
    exemplified_account,
)

FORMATS = pytest.mark.parametrize("form", [TEXT, OPENMETRICS], ids=["text", "openmetrics"])
ACCOUNTS = st.builds(
    AccountSnapshot,
    TEXTS,
    TEXTS,
    TEXTS,
    view=st.builds(
        LedgerView,
        tasks=st.lists(SHOWN_TASKS, max_size=2).map(tuple),
        jobs=st.lists(SHOWN_JOBS, max_size=2).map(tuple),
        totals=TOTALS,
    ),
)


def lines_of(shown: AccountSnapshot, form: Format) -> bytes:
    """All lines of an account, in the order of the exposition."""
    by_name = lines(account_rows(shown), exemplars=form.exemplars)
    return b"".join(by_name.get(metric.name, b"") for metric in catalog.COLLECTED)


def reference(shown: AccountSnapshot, form: Format) -> bytes:
    """The sample lines of `prometheus_client`."""
    exposition = form.encode(collector(shown))
    return b"".join(line + b"\n" for line in exposition.split(b"\n") if line and not line.startswith(b"#"))


@given(ACCOUNTS)
def test_lines_of_any_account_are_those_of_prometheus_client(shown: AccountSnapshot) -> None:
    for form in (TEXT, OPENMETRICS):
        assert lines_of(shown, form) == reference(shown, form)


def up(name: str, value: float = 1) -> str:
    return lines([(catalog.UP, (name,), value)])["vod_up"].decode()


@pytest.mark.parametrize(
    ("name", "written"),
    [("prod", "prod"), ("a\\", r"a\\"), ('a"b', r"a\"b"), ("a\nb", r"a\nb"), ("%s\u2028\r", "%s\u2028\r"), ("", "")],
)
def test_backslashes_quotes_and_line_feeds_are_escaped_and_nothing_else(name: str, written: str) -> None:
    assert up(name) == f'vod_up{{account="{written}"}} 1.0\n'


def test_numbers_are_written_as_prometheus_client_does() -> None:
    for value, written in [
        (True, "1.0"),
        (0, "0.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (999_999.5, "999999.5"),
        (1_000_000, "1e+06"),
        (123_456_789.5, "1.234567895e+08"),
        (1e21, "1e+21"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ]:
        assert up("prod", value) == f'vod_up{{account="prod"}} {written}\n'


def test_labels_are_sorted_by_name() -> None:
    row = (catalog.ACCOUNT_INFO, ("prod", "cn-shanghai", "https://vod"), 1)

    line = b'vod_account_info{account="prod",endpoint="https://vod",region="cn-shanghai"} 1.0\n'
    assert lines([row]) == {"vod_account_info": line}


def test_rows_of_a_metric_are_together_and_a_row_without_a_value_has_no_line() -> None:
    rows = [
        (catalog.UP, ("a",), 1),
        (catalog.STALE_JOBS, ("a",), 2),
        (catalog.UP, ("b",), None),
        (catalog.UP, ("c",), 0),
    ]

    assert lines(rows) == {
        "vod_up": b'vod_up{account="a"} 1.0\nvod_up{account="c"} 0.0\n',
        "vod_exporter_stale_jobs": b'vod_exporter_stale_jobs{account="a"} 2.0\n',
    }


@FORMATS
@pytest.mark.parametrize("bounds", [(), (0.0,), (-1.0, 2.5)], ids=["none", "zero", "negative"])
def test_histogram_without_or_with_negative_bounds_is_written(bounds: Sequence[float], form: Format) -> None:
    """`prometheus_client` writes neither `_count` nor `_sum` if a bound is negative."""
    counts = HistogramView(tuple(bounds), (3,) * (len(bounds) + 1), 1.5)
    shown = account(LedgerView(totals=TotalsView(histograms={(Total.TASK_FIRST_OUTPUT, ()): counts})))

    assert lines_of(shown, form) == reference(shown, form)
    assert (b"task_first_output_seconds_sum" in lines_of(shown, form)) == (min(bounds, default=0) >= 0)


def test_exemplars_stand_at_the_end_of_lines_in_openmetrics() -> None:
    exposition = lines_of(exemplified_account(), OPENMETRICS).decode()
    found = [line.removeprefix("vod_transcode_") for line in exposition.splitlines() if " # " in line]

    of, failures = 'definition="HD"', 'job_failures_total{account="prod",cause="unknown"'
    duration = 'job_duration_seconds_bucket{account="prod"'
    assert found == [
        f'{failures},{of},error_code="Bad"}} 2.0 # {{job_id="a"}} 1.0 1700000000.0',
        f'{duration},{of},le="60.0",status="TranscodeFail"}} 2.0 # {{job_id="b"}} 59.5 1700000000.25',
        f'{duration},{of},le="+Inf",status="TranscodeFail"}} 3.0 # {{job_id="c"}} 400.0 1700000000.0',
        'task_duration_seconds_bucket{account="prod",le="60.0",priority="low"} 2.0 # {task_id="t"} 60.0 1700000000.0',
    ]


def test_the_text_format_has_no_exemplars() -> None:
    assert b" # " not in lines_of(exemplified_account(), TEXT)


@pytest.mark.no_cover
def test_lines_of_many_accounts_take_time_in_proportion_to_their_number() -> None:
    """Strings were joined one by one, so twice as many accounts took four times as long."""

    def writing(accounts: int) -> Callable[[], object]:
        rows = [(catalog.UP, (f"{number:0500}",), 1) for number in range(accounts)]
        return lambda: lines(rows)

    assert growth(writing(1_500), writing(6_000), rounds=5) < 10
