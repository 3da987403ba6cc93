"""What a snapshot becomes: the right series for each record, for any record, in anybody's registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics.catalog import COLLECTED
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.exposition import OPENMETRICS, TEXT
from exporter.metrics.rows import account_rows, job_rows, task_rows
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
from exporter.tracking.ledger import Ledger
from exporter.tracking.view import Limits

repeatable = settings(deadline=None, derandomize=True)

Series = tuple[str, frozenset[tuple[str, str]]]
NOW = 1_551_169_800.0
LABELS = {"account": "prod", "job_id": "j", "definition": "HD"}

OUTPUT = Output(
    url="http://bucket/out.m3u8",
    format="m3u8",
    encryption="HLSEncryption",
    bitrate=964_000.0,
    size=851_076.0,
    duration=12.0,
    frames_per_second=25.0,
    width=640.0,
    height=360.0,
    streams=(
        Stream("video", "0", "h264", 933_814.0),
        Stream("audio", "1", "aac", 64_533.0),
        Stream("audio", "2", "mp3", None),
        Stream("subtitle", "3", "webvtt", 1000.0),
    ),
)
JOB = Job(
    "j",
    definition="HD",
    status="TranscodeSuccess",
    progress=1.0,
    created=100.0,
    completed=160.0,
    priority="6",
    template_id="tpl",
    input_url="http://bucket/in.mp4",
    error_code="200",
    error_message="ErrorMessage",
    output=OUTPUT,
)
TASK = Task(
    "t",
    video_id="v",
    status="CompleteAllSucc",
    trigger="Auto",
    template_group_id="g",
    created=90.0,
    completed=170.0,
)


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


def of_job(job: Job) -> dict[str, list[tuple[tuple[str, ...], object]]]:
    """The rows of one job that have a value: label values and value, by metric."""
    rows: dict[str, list[tuple[tuple[str, ...], object]]] = {}
    for metric, labels, value in job_rows("prod", ShownJob(job, "t", "v")):
        if value is not None:
            rows.setdefault(metric.name, []).append((tuple(labels), value))
    return rows


def of_task(task: Task, progress: float | None = 0.5) -> dict[str, tuple[tuple[str, ...], object]]:
    rows = task_rows("prod", ShownTask(task, progress))
    return {metric.name: (tuple(labels), value) for metric, labels, value in rows if value is not None}


# -- one job, one task, one account ----------------------------------------------------------------------------------


def test_finished_job_shows_everything_reported() -> None:
    labels = ("prod", "j", "HD")

    assert of_job(JOB) == {
        "vod_transcode_job_info": [((*labels, "t", "v", "tpl", "6"), 1)],
        "vod_transcode_job_status": [((*labels, "TranscodeSuccess"), 1)],
        "vod_transcode_job_progress_ratio": [(labels, 1.0)],
        "vod_transcode_job_created_timestamp_seconds": [(labels, 100.0)],
        "vod_transcode_job_completed_timestamp_seconds": [(labels, 160.0)],
        "vod_transcode_job_output_bitrate_bits_per_second": [(labels, 964_000.0)],
        "vod_transcode_job_output_size_bytes": [(labels, 851_076.0)],
        "vod_transcode_job_output_duration_seconds": [(labels, 12.0)],
        "vod_transcode_job_output_frames_per_second": [(labels, 25.0)],
        "vod_transcode_job_output_width_pixels": [(labels, 640.0)],
        "vod_transcode_job_output_height_pixels": [(labels, 360.0)],
        "vod_transcode_job_output_info": [((*labels, "m3u8", "HLSEncryption", "h264", "aac"), 1)],
        "vod_transcode_job_output_stream_bitrate_bits_per_second": [
            ((*labels, "video", "0"), 933_814.0),
            ((*labels, "audio", "1"), 64_533.0),
        ],
    }


def test_job_without_details_has_only_info_and_unknown_status() -> None:
    """What the service did not say is absent, not zero."""
    assert of_job(Job("j")) == {
        "vod_transcode_job_info": [(("prod", "j", "unknown", "t", "v", "", ""), 1)],
        "vod_transcode_job_status": [(("prod", "j", "unknown", "unknown"), 1)],
    }


@pytest.mark.parametrize("status", ["TranscodeFail", "TranscodeCancelled"])
def test_output_of_a_failed_job_is_left_out(status: str) -> None:
    """A documented sample has an OutputFile of zeros on a failed job: figures of a file that is not there."""
    assert not [name for name in of_job(replace(JOB, status=status)) if "output" in name]


@pytest.mark.parametrize("status", ["Submitted", "Transcoding", "TranscodeSuccess", "Paused", ""])
def test_output_of_any_other_job_is_shown(status: str) -> None:
    """A documented sample has an OutputFile on a job that is Transcoding."""
    assert len([name for name in of_job(replace(JOB, status=status)) if "output" in name]) == 8


@pytest.mark.parametrize("status", ["Submitted", "Transcoding", "Paused", ""])
def test_completion_of_an_unfinished_job_is_not_shown(status: str) -> None:
    """Documented samples carry CompleteTime on jobs and tasks that are not complete."""
    assert "vod_transcode_job_completed_timestamp_seconds" not in of_job(replace(JOB, status=status))


def test_error_code_of_a_job_says_nothing_about_its_status() -> None:
    """ErrorCode "200" stands on jobs that did not fail; the status alone says whether one did."""
    assert of_job(JOB) == of_job(replace(JOB, error_code="InvalidParameter", error_message="text"))


@pytest.mark.parametrize("status", JOB_STATUSES)
def test_known_job_status_is_shown_as_it_is(status: str) -> None:
    rows = of_job(replace(JOB, status=status))["vod_transcode_job_status"]

    assert rows == [(("prod", "j", "HD", status), 1)]


@pytest.mark.parametrize("status", ["Paused", "transcoding", "", "\n"])
def test_undocumented_job_status_is_shown_as_unknown(status: str) -> None:
    rows = of_job(replace(JOB, status=status))["vod_transcode_job_status"]

    assert rows == [(("prod", "j", "HD", "unknown"), 1)]


def test_reported_zeros_are_shown() -> None:
    """Zero and absent are different: a job at 0 % has progress 0."""
    assert of_job(Job("j", progress=0.0))["vod_transcode_job_progress_ratio"][0][1] == 0.0


def test_finished_task_shows_everything_reported() -> None:
    assert of_task(TASK) == {
        "vod_transcode_task_info": (("prod", "t", "v", "g", "Auto"), 1),
        "vod_transcode_task_status": (("prod", "t", "CompleteAllSucc"), 1),
        "vod_transcode_task_progress_ratio": (("prod", "t"), 0.5),
        "vod_transcode_task_created_timestamp_seconds": (("prod", "t"), 90.0),
        "vod_transcode_task_completed_timestamp_seconds": (("prod", "t"), 170.0),
    }


@pytest.mark.parametrize("status", ["Processing", "Partial", "Unheard", ""])
def test_completion_of_an_unfinished_task_is_not_shown(status: str) -> None:
    assert "vod_transcode_task_completed_timestamp_seconds" not in of_task(replace(TASK, status=status))


def test_task_without_jobs_has_no_progress() -> None:
    assert "vod_transcode_task_progress_ratio" not in of_task(TASK, None)


@pytest.mark.parametrize(
    ("reported", "shown"),
    [(status, status) for status in TASK_STATUSES]
    + [("CompleteAllSucces", "CompleteAllSucc"), ("CompeleteAllSucc", "CompleteAllSucc"), ("Odd", "unknown")],
)
def test_task_status_is_the_one_meant_or_unknown(reported: str, shown: str) -> None:
    assert of_task(replace(TASK, status=reported))["vod_transcode_task_status"] == (("prod", "t", shown), 1)


@pytest.mark.parametrize(("up", "expected"), [(True, 1.0), (False, 0.0), (None, None)])
def test_vod_up_is_one_zero_or_absent(up: bool | None, expected: float | None) -> None:
    """Absent as long as nothing was asked: neither good news nor bad."""
    found = series(collector(account(up=up)).collect())

    assert expected == found.get(("vod_up", frozenset({("account", "prod")})))


def test_account_that_was_never_asked_shows_what_is_known_and_no_more() -> None:
    names = {metric.name for metric, _, value in account_rows(account(up=None)) if value is not None}

    assert names == {
        "vod_account_info",
        "vod_exporter_stale_jobs",
        "vod_exporter_truncated_jobs",
        "vod_exporter_state_durable",
    }


# -- exemplars -------------------------------------------------------------------------------------------------------

FAILURES: Key = (Total.JOB_FAILURES, ("HD", "Bad"))


def with_exemplars() -> AccountSnapshot:
    counts = HistogramView((60.0, 300.0), (2, 0, 1), 500.0)
    totals = TotalsView(
        {FAILURES: 2.0},
        {(Total.JOB_DURATION, ("HD",)): counts, (Total.TASK_DURATION, ()): counts},
        {
            FAILURES: {0: Exemplar("a", 1.0, NOW)},
            (Total.JOB_DURATION, ("HD",)): {0: Exemplar("b", 59.5, NOW + 0.25), 2: Exemplar("c", 400.0, NOW)},
            (Total.TASK_DURATION, ()): {0: Exemplar("t", 60.0, NOW)},
        },
    )
    return account(LedgerView(totals=totals))


def test_exemplars_of_failures_and_durations_name_a_job_or_a_task() -> None:
    exposition = OPENMETRICS.encode(collector(with_exemplars())).decode()
    lines = [line.removeprefix("vod_transcode_") for line in exposition.splitlines() if " # " in line]

    assert lines == [
        'job_failures_total{account="prod",definition="HD",error_code="Bad"} 2.0 # {job_id="a"} 1.0 1551169800.0',
        'job_duration_seconds_bucket{account="prod",definition="HD",le="60.0"} 2.0 # {job_id="b"} 59.5 1551169800.25',
        'job_duration_seconds_bucket{account="prod",definition="HD",le="+Inf"} 3.0 # {job_id="c"} 400.0 1551169800.0',
        'task_duration_seconds_bucket{account="prod",le="60.0"} 2.0 # {task_id="t"} 60.0 1551169800.0',
    ]


def test_exemplars_change_no_sample_and_the_text_format_has_none() -> None:
    one = with_exemplars()
    plain = replace(one, view=replace(one.view, totals=replace(one.view.totals, exemplars={})))

    assert TEXT.encode(collector(one)) == TEXT.encode(collector(plain))
    assert series(collector(one).collect()) == series(collector(plain).collect())


@pytest.mark.parametrize("malformed", ["", "a" * 123, 'a"', "a\\", "a\n", "a b", "é", "\ud800"])
def test_id_that_is_too_long_or_needs_escapes_is_no_exemplar(malformed: str) -> None:
    """OpenMetrics takes 128 characters of names and values; what one reader takes for an escape, another does not."""
    found = {one_id: of_id(one_id) for one_id in (malformed, "a" * 122, "38f0-E_5.13c88")}

    assert found == {malformed: [], "a" * 122: ["a" * 122], "38f0-E_5.13c88": ["38f0-E_5.13c88"]}


def of_id(job_id: str) -> list[str]:
    """The ids of exemplars that the OpenMetrics parser finds where a failed job has this one."""
    totals = TotalsView({FAILURES: 1.0}, exemplars={FAILURES: {0: Exemplar(job_id, 1.0, NOW)}})
    exposition = OPENMETRICS.encode(collector(account(LedgerView(totals=totals)))).decode()
    families: Iterable[Metric] = parse_openmetrics(exposition)  # type: ignore[no-untyped-call]
    return [one.exemplar.labels["job_id"] for family in families for one in family.samples if one.exemplar]


# -- the registry ----------------------------------------------------------------------------------------------------


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
    one = collector(account())

    described = [(family.name, family.type, family.documentation, family.unit) for family in one.describe()]
    collected = [(family.name, family.type, family.documentation, family.unit) for family in one.collect()]
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


# -- any snapshot ----------------------------------------------------------------------------------------------------

AWKWARD = st.sampled_from(
    ["", '"', "\\", "\n", "\\n", '\\"', 'a"} 1\nvod_up 1', "{}", "#", "é", "𝄞", "\u2028", " ", "\r"]
)
TEXTS = AWKWARD | st.text(max_size=8)
IDS = st.sampled_from(["a", "b", "c", '"', "\\", "\n", "é"]) | st.text(min_size=1, max_size=4)
NUMBERS = st.none() | st.floats(0, 1e18)
STREAMS = st.builds(
    Stream,
    kind=st.sampled_from(["video", "audio", "subtitle"]),
    index=st.integers(0, 999).map(str),
    codec=TEXTS,
    bitrate=NUMBERS,
)
OUTPUTS = st.builds(
    Output,
    format=TEXTS,
    encryption=TEXTS,
    bitrate=NUMBERS,
    size=NUMBERS,
    duration=NUMBERS,
    frames_per_second=NUMBERS,
    width=NUMBERS,
    height=NUMBERS,
    streams=st.lists(STREAMS, max_size=4, unique_by=lambda one: (one.kind, one.index)).map(tuple),
)
JOBS = st.builds(
    Job,
    id=IDS | st.just(""),
    definition=st.sampled_from(["LD", "HD", "HD-MP4"]) | TEXTS,
    status=st.sampled_from(JOB_STATUSES) | TEXTS,
    progress=st.none() | st.floats(0, 1),
    created=NUMBERS,
    completed=NUMBERS,
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
    created=NUMBERS,
    completed=NUMBERS,
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
                last_success=draw(NUMBERS),
                refresh_duration=draw(NUMBERS),
                view=ledger_view(draw(tasks), draw(LIMITS), late=draw(tasks)),
            )
            for name in names
        )
    )


@pytest.mark.no_cover
@pytest.mark.slow
@settings(repeatable, max_examples=20)
@given(snapshots())
def test_any_snapshot_is_read_back_the_same_from_both_formats(snapshot: Snapshot) -> None:
    """Every label value and figure survives escaping and parsing, and no series is there twice."""
    one = TranscodeCollector(lambda: snapshot)
    expected = series(one.collect())

    assert expected == series(parse_text(TEXT.encode(one).decode()))
    assert expected == series(parse_openmetrics(OPENMETRICS.encode(one).decode()))  # type: ignore[no-untyped-call]


def total(found: dict[Series, float], account_name: str, name: str, **labels: str) -> float:
    wanted = {"account": account_name, **labels}.items()
    return sum(value for (metric, had), value in found.items() if metric == name and set(wanted) <= had)


@pytest.mark.no_cover
@pytest.mark.slow
@settings(repeatable, max_examples=20)
@given(snapshots())
def test_counts_of_any_snapshot_add_up(snapshot: Snapshot) -> None:
    """Jobs counted are jobs shown, stale and cut; every shown one has one status, and tasks are all accounted for."""
    found = series(TranscodeCollector(lambda: snapshot).collect())
    for one in snapshot.accounts:
        view, name = one.view, one.name
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


@pytest.mark.no_cover
@pytest.mark.slow
@settings(repeatable, max_examples=12)
@given(st.lists(TASKS, max_size=4))
def test_accounts_with_the_same_ids_never_collide(tasks: list[Task]) -> None:
    """Each account shows what it would show alone."""
    view = ledger_view(tasks)
    one, two = account(view, name="one"), account(view, name="two")

    assert series(collector(one, two).collect()) == series(collector(one).collect()) | series(collector(two).collect())
    assert len(series(collector(one, two).collect())) == 2 * len(series(collector(one).collect()))


def test_known_statuses_and_definitions_are_zero_from_the_start() -> None:
    """An alert on an increase needs the zero before it."""
    found = series(collector(account(ledger_view([]))).collect())

    jobs = {labels: value for (name, labels), value in found.items() if name == "vod_transcode_jobs"}
    tasks = {labels: value for (name, labels), value in found.items() if name == "vod_transcode_tasks"}
    assert len(jobs) == 10 * 6
    assert len(tasks) == 6
    assert set(jobs.values()) == set(tasks.values()) == {0}


def test_rows_are_pure() -> None:
    """The same account gives the same rows again: what is cached by record stays right."""
    one = account(ledger_view([replace(TASK, jobs=(JOB, Job("k", status="Transcoding")))]))

    assert list(account_rows(one)) == list(account_rows(one))
