"""Values of the exporter's metrics, and accounts: some of them as examples, others with any values in their records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import strategies as st
from prometheus_client import Metric

from exporter.errors import VodError
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.telemetry import Telemetry
from exporter.model import JOB_STATUSES, TASK_STATUSES, Job, Output, Stream, Task
from exporter.snapshot import (
    AccountSnapshot,
    Exemplar,
    HistogramView,
    Key,
    LedgerView,
    ShownJob,
    ShownTask,
    Snapshot,
    Total,
    TotalsView,
)
from tests.conftest import NOW

Series = tuple[str, frozenset[tuple[str, str]]]
FAILURES: Key = (Total.JOB_FAILURES, ("HD", "Bad"))
OF_JOBS: Key = (Total.JOB_DURATION, ("HD", "TranscodeFail"))
OF_TASKS: Key = (Total.TASK_DURATION, ("low",))


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def errors(telemetry: Telemetry, account: str = "prod") -> dict[str, float]:
    """Errors of GetTranscodeTask by code."""
    return {
        sample.labels["code"]: sample.value
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "vod_exporter_api_errors_total"
        and (sample.labels["account"], sample.labels["action"]) == (account, "GetTranscodeTask")
    }


def refused(code: str) -> VodError:
    return VodError("refused", code=code)


def series(families: Iterable[Metric]) -> dict[Series, float]:
    """The samples of these families by name and labels; none is there twice."""
    found = [
        ((sample.name, frozenset(sample.labels.items())), sample.value)
        for family in families
        for sample in family.samples
    ]
    assert len(found) == len({key for key, _ in found})
    return dict(found)


def collector(*accounts: AccountSnapshot) -> TranscodeCollector:
    return TranscodeCollector(lambda: Snapshot(accounts))


def account(view: LedgerView | None = None, *, name: str = "prod", up: bool | None = True) -> AccountSnapshot:
    return AccountSnapshot(name, "cn-shanghai", "https://vod.example", up=up, view=view or LedgerView())


def exemplified_account() -> AccountSnapshot:
    """An account with exemplars of each kind."""
    counts = HistogramView((60.0, 300.0), (2, 0, 1), 500.0)
    totals = TotalsView(
        {FAILURES: 2.0},
        {OF_JOBS: counts, OF_TASKS: counts},
        {
            FAILURES: {0: Exemplar("a", 1.0, NOW)},
            OF_JOBS: {0: Exemplar("b", 59.5, NOW + 0.25), 2: Exemplar("c", 400.0, NOW)},
            OF_TASKS: {0: Exemplar("t", 60.0, NOW)},
        },
    )
    return account(LedgerView(totals=totals))


# -- records of any content ------------------------------------------------------------------------------------------

AWKWARD = ["", " ", "\r", '"', "\\", "\n", "\\n", '\\"', 'a"} 1\nvod_up 1', "{}", "#", "%s", "%", "é", "𝄞", "\u2028"]
TEXTS = st.sampled_from(AWKWARD) | st.text(max_size=6)
IDS = st.text(alphabet='abcdefgh"\\\né', max_size=2)
NUMBERS = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 1.0, 1e6, 1e7, 123456789.5, 1e21])
OUTPUTS = st.builds(
    Output,
    format=TEXTS,
    encryption=TEXTS,
    bitrate=NUMBERS,
    size=NUMBERS,
    width=NUMBERS,
    streams=st.lists(
        st.builds(
            Stream,
            kind=st.sampled_from(["video", "audio", "subtitle"]),
            index=st.sampled_from("012"),
            codec=TEXTS,
            bitrate=NUMBERS,
        ),
        max_size=3,
    ).map(tuple),
)
SHOWN_JOBS = st.builds(
    ShownJob,
    job=st.builds(
        Job,
        id=IDS,
        definition=st.sampled_from(["LD", "HD"]) | TEXTS,
        status=st.sampled_from(JOB_STATUSES) | TEXTS,
        progress=NUMBERS,
        created=NUMBERS,
        completed=NUMBERS,
        priority=TEXTS,
        template_id=TEXTS,
        output=st.none() | OUTPUTS,
    ),
    task_id=IDS,
    video_id=TEXTS,
)
SHOWN_TASKS = st.builds(
    ShownTask,
    task=st.builds(
        Task,
        id=IDS,
        video_id=TEXTS,
        status=st.sampled_from(TASK_STATUSES) | TEXTS,
        trigger=TEXTS,
        template_group_id=TEXTS,
        created=NUMBERS,
        completed=NUMBERS,
    ),
    progress=NUMBERS,
)
BOUNDS = st.lists(st.floats(-10, 1e9), max_size=3, unique=True).map(sorted)


@st.composite
def histograms(draw: st.DrawFn) -> HistogramView:
    bounds = draw(BOUNDS)
    counts = draw(st.lists(st.integers(0, 10**9), min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return HistogramView(tuple(bounds), tuple(counts), draw(st.floats()))


JOB_FAILURES = st.tuples(st.just(Total.JOB_FAILURES), st.tuples(TEXTS, TEXTS))
DURATIONS = st.tuples(st.just(Total.TASK_FIRST_OUTPUT), st.just(())) | st.tuples(
    st.just(Total.JOB_DURATION), st.tuples(TEXTS, TEXTS)
)
EXEMPLARS = st.builds(
    Exemplar,
    id=st.sampled_from(["38f0e513c88", "a", "A-b_c.d", "a" * 122, "a" * 123]) | IDS | TEXTS,
    value=st.floats(),
    counted=st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1_551_169_800.0, 0.1]),
)


@st.composite
def totals(draw: st.DrawFn) -> TotalsView:
    """Counters and histograms, some of them with exemplars."""
    view = TotalsView(
        draw(st.dictionaries(JOB_FAILURES, st.floats(0), max_size=3)),
        draw(st.dictionaries(DURATIONS, histograms(), max_size=3)),
    )
    last_bucket = {key: len(histogram.bounds) for key, histogram in view.histograms.items()}
    places = dict.fromkeys(view.counters, 0) | last_bucket
    exemplars = {
        key: draw(st.dictionaries(st.integers(0, last), EXEMPLARS))
        for key, last in places.items()
        if draw(st.booleans())
    }
    return replace(view, exemplars=exemplars)


TOTALS = totals()
