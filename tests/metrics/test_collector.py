"""The families of `prometheus_client`: in any registry, and read by its parsers, for any answers of VOD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.catalog import COLLECTED
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.model import JOB_STATUSES, TASK_STATUSES, Job, Output, Stream, Task
from exporter.snapshot import AccountSnapshot, Exemplar, LedgerView, Snapshot, TotalsView
from exporter.tracking.ledger import Ledger
from exporter.tracking.view import Limits
from tests.conftest import NOW, examples
from tests.metrics.conftest import FAILURES, TEXTS, Series, account, collector, exemplified_account, series


class Calls:
    """A snapshot that counts how often it was asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Snapshot:
        self.count += 1
        return Snapshot((account(),))


def test_registering_asks_nothing() -> None:
    """`register` calls `collect` where `describe` is missing, and VOD with it, before anybody scraped."""
    snapshot = Calls()
    registry = CollectorRegistry(auto_describe=True)
    registry.register(TranscodeCollector(snapshot))
    assert snapshot.count == 0

    list(registry.collect())
    assert snapshot.count == 1


def test_describe_returns_the_families_of_collect() -> None:
    families = collector(account())

    described = [(family.name, family.type, family.documentation, family.unit) for family in families.describe()]
    collected = [(family.name, family.type, family.documentation, family.unit) for family in families.collect()]
    assert described == collected
    assert [(metric.family, metric.type, metric.help, metric.unit) for metric in COLLECTED] == described


def test_registry_refuses_a_metric_of_the_same_name() -> None:
    registry = CollectorRegistry()
    registry.register(collector(account()))

    with pytest.raises(ValueError, match="vod_up"):
        Gauge("vod_up", "Somebody else's.", registry=registry)


def test_registry_with_other_metrics_serves_both() -> None:
    registry = CollectorRegistry()
    Gauge("theirs", "Somebody else's.", registry=registry).set(5)
    registry.register(collector(account()))

    assert registry.get_sample_value("theirs") == 5
    assert registry.get_sample_value("vod_up", {"account": "prod"}) == 1


def test_one_metric_can_be_asked_for_by_name() -> None:
    """As prometheus_client's own handler does for `?name[]=`."""
    registry = CollectorRegistry()
    registry.register(collector(account()))

    restricted = TEXT.encode(registry.restricted_registry(["vod_up"]))
    assert b'vod_up{account="prod"} 1.0' in restricted
    assert b"vod_account_info{" not in restricted


def test_collections_do_not_share_samples() -> None:
    """Families are new each time: what is gone from the snapshot is gone from the answer."""
    snapshots = iter([Snapshot((account(),)), Snapshot()])
    changing = TranscodeCollector(lambda: next(snapshots))

    assert series(changing.collect())
    assert series(changing.collect()) == {}


def test_exemplars_change_no_sample_and_the_text_format_has_none() -> None:
    prod = exemplified_account()
    plain = replace(prod, view=replace(prod.view, totals=replace(prod.view.totals, exemplars={})))

    assert b" # " in OPENMETRICS.encode(collector(prod))
    assert TEXT.encode(collector(prod)) == TEXT.encode(collector(plain))
    assert series(collector(prod).collect()) == series(collector(plain).collect())


@pytest.mark.parametrize("job_id", ["a" * 122, "38f0-E_5.13c88"])
def test_exemplar_is_read_by_the_openmetrics_parser(job_id: str) -> None:
    """Also if its id is as long as OpenMetrics allows."""
    totals = TotalsView({FAILURES: 1.0}, exemplars={FAILURES: {0: Exemplar(job_id, 1.0, NOW)}})
    exposition = OPENMETRICS.encode(collector(account(LedgerView(totals=totals)))).decode()
    families: Iterable[Metric] = parse_openmetrics(exposition)  # type: ignore[no-untyped-call]

    exemplars = [sample.exemplar for family in families for sample in family.samples if sample.exemplar]
    assert [exemplar.labels for exemplar in exemplars] == [{"job_id": job_id}]


# -- any snapshot ----------------------------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "c", '"', "\\", "\n", "é"]) | st.text(min_size=1, max_size=4)
FIGURES = st.none() | st.floats(0, 1e18)
STREAMS = st.builds(
    Stream,
    kind=st.sampled_from(["video", "audio", "subtitle"]),
    index=st.integers(0, 999).map(str),
    codec=TEXTS,
    bitrate=FIGURES,
)
OUTPUTS = st.builds(
    Output,
    format=TEXTS,
    encryption=TEXTS,
    bitrate=FIGURES,
    size=FIGURES,
    duration=FIGURES,
    frames_per_second=FIGURES,
    width=FIGURES,
    height=FIGURES,
    streams=st.lists(STREAMS, max_size=4, unique_by=lambda stream: (stream.kind, stream.index)).map(tuple),
)
JOBS = st.builds(
    Job,
    id=IDS | st.just(""),
    definition=st.sampled_from(["LD", "HD", "HD-MP4"]) | TEXTS,
    status=st.sampled_from(JOB_STATUSES) | TEXTS,
    progress=st.none() | st.floats(0, 1),
    created=FIGURES,
    completed=FIGURES,
    priority=TEXTS,
    template_id=TEXTS,
    output=st.none() | OUTPUTS,
)
TASKS = st.builds(
    Task,
    id=IDS,
    video_id=TEXTS,
    status=st.sampled_from(TASK_STATUSES) | TEXTS,
    trigger=TEXTS,
    template_group_id=TEXTS,
    created=FIGURES,
    completed=FIGURES,
    jobs=st.lists(JOBS, max_size=4).map(tuple),
)
LIMITS = st.builds(Limits, per_job=st.booleans(), max_jobs=st.integers(1, 6))


def ledger_view(tasks: Iterable[Task], limits: Limits | None = None, *, late: Iterable[Task] = ()) -> LedgerView:
    """What is shown after these tasks were seen, `late` ones after the others have become stale."""
    moments = [NOW]
    ledger = Ledger(limits=limits, clock=lambda: moments[-1])
    for task in tasks:
        ledger.name(task.id, [task.id], source="tasks")
        ledger.observe_task(task.id, task)
    moments.append(NOW + 301)
    for task in late:
        ledger.name(task.id, [task.id], source="videos")
        ledger.observe_task(task.id, task)
    return ledger.view()


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Accounts as any answers of the service would leave them."""
    names = draw(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    tasks = st.lists(TASKS, max_size=4)
    return Snapshot(
        tuple(
            AccountSnapshot(
                name,
                draw(TEXTS),
                draw(TEXTS),
                up=draw(st.none() | st.booleans()),
                last_success=draw(FIGURES),
                refresh_duration=draw(FIGURES),
                view=ledger_view(draw(tasks), draw(LIMITS), late=draw(tasks)),
            )
            for name in names
        )
    )


@pytest.mark.slow
@examples(0.3)
@given(snapshots())
def test_any_snapshot_is_read_back_the_same_from_both_formats(snapshot: Snapshot) -> None:
    """Every label value and figure survives escaping and parsing, and no series is there twice."""
    families = TranscodeCollector(lambda: snapshot)
    expected = series(families.collect())

    assert expected == series(parse_text(TEXT.encode(families).decode()))
    assert expected == series(parse_openmetrics(OPENMETRICS.encode(families).decode()))  # type: ignore[no-untyped-call]


def total(found: dict[Series, float], account_name: str, name: str, **labels: str) -> float:
    wanted = {"account": account_name, **labels}.items()
    return sum(value for (metric, had), value in found.items() if metric == name and set(wanted) <= had)


@pytest.mark.slow
@examples(0.3)
@given(snapshots())
def test_counts_of_any_snapshot_add_up(snapshot: Snapshot) -> None:
    """Counted jobs are shown, stale or truncated, each shown job has one status, and no task is missing."""
    found = series(TranscodeCollector(lambda: snapshot).collect())
    for shown_account in snapshot.accounts:
        view, name = shown_account.view, shown_account.name
        shown = total(found, name, "vod_transcode_job_info")
        hidden = total(found, name, "vod_exporter_stale_jobs") + total(found, name, "vod_exporter_truncated_jobs")
        counted = total(found, name, "vod_transcode_jobs")
        assert shown == len(view.jobs) == total(found, name, "vod_transcode_job_status")
        assert shown + hidden == counted or shown == 0  # without series of their own, none is cut
        assert total(found, name, "vod_transcode_tasks") == total(found, name, "vod_exporter_tracked_tasks")
        assert total(found, name, "vod_transcode_task_info") == total(found, name, "vod_transcode_task_status")
        for status in {job.job.status for job in view.jobs} & set(JOB_STATUSES):
            had = total(found, name, "vod_transcode_job_status", status=status)
            assert 0 < had <= total(found, name, "vod_transcode_jobs", status=status)


@pytest.mark.slow
@examples(0.2)
@given(st.lists(TASKS, max_size=4))
def test_accounts_with_the_same_ids_never_collide(tasks: list[Task]) -> None:
    """Each account shows what it would show alone."""
    view = ledger_view(tasks)
    first, second = account(view, name="first"), account(view, name="second")
    both = series(collector(first, second).collect())

    assert both == series(collector(first).collect()) | series(collector(second).collect())
    assert len(both) == 2 * len(series(collector(first).collect()))
