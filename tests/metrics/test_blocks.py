"""The exposition with kept lines is the collector's, byte for byte, whatever changes; and it keeps nothing else."""

from __future__ import annotations

import gc
import gzip
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from exporter.deadline import NO_DEADLINE, Deadline
from exporter.metrics import blocks, catalog
from exporter.metrics.collector import TranscodeCollector
from exporter.metrics.counts import Own
from exporter.metrics.exposition import OPENMETRICS, TEXT, Exposition, Format, Together
from exporter.metrics.lines import lines
from exporter.metrics.rows import Row, job_rows
from exporter.model import Job, Task
from exporter.snapshot import AccountSnapshot, HistogramView, LedgerView, ShownJob, ShownTask, Snapshot
from tests.conftest import examples
from tests.metrics.conftest import IDS, NUMBERS, SHOWN_JOBS, SHOWN_TASKS, TEXTS, TOTALS

FORMATS = (TEXT, OPENMETRICS)
both = pytest.mark.parametrize("form", FORMATS, ids=["text", "openmetrics"])
Shown = TypeVar("Shown")


@st.composite
def histories(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots one after another, with records that stay, change, come, go and move."""
    jobs, tasks = draw(st.lists(SHOWN_JOBS, max_size=8)), draw(st.lists(SHOWN_TASKS, max_size=4))
    names = draw(st.lists(IDS, max_size=2, unique=True))
    snapshots = []
    for _ in range(3):
        accounts = [
            AccountSnapshot(
                name,
                draw(TEXTS),
                draw(TEXTS),
                up=draw(st.none() | st.booleans()),
                view=LedgerView(
                    tasks=tuple(draw(evolved(tasks, SHOWN_TASKS))),
                    jobs=tuple(
                        replace(job, job=replace(job.job, progress=draw(NUMBERS))) if draw(st.booleans()) else job
                        for job in draw(evolved(jobs, SHOWN_JOBS))
                    ),
                    job_counts=draw(st.dictionaries(st.tuples(TEXTS, TEXTS), st.integers(0, 10**9), max_size=2)),
                    oldest_unfinished=draw(st.dictionaries(TEXTS, st.floats(0), max_size=2)),
                    totals=draw(TOTALS),
                ),
            )
            for name in draw(st.permutations(names))
        ]
        snapshots.append(Snapshot(tuple(accounts)))
    return snapshots


@st.composite
def evolved(draw: st.DrawFn, records: Sequence[Shown], new: st.SearchStrategy[Shown]) -> list[Shown]:
    kept = [record for record in draw(st.permutations(records)) if draw(st.integers(0, 3))]
    return kept + draw(st.lists(new, max_size=2))


def own() -> Own:
    others = CollectorRegistry()
    Counter("own", "Help.", ["label"], registry=others).labels('"').inc()
    Histogram("own_seconds", "Help.", registry=others).observe(1)
    rows: list[Row] = [
        (catalog.API_REQUESTS, ("prod", '"'), 7.0),
        (catalog.API_REQUESTS, ("test", ""), 0.0),
        (catalog.API_DURATION, ("prod", "GetTranscodeTask"), HistogramView((0.1, 1.0), (0, 3, 1), 4.5)),
    ]
    return Own((catalog.API_REQUESTS, catalog.API_ERRORS, catalog.API_DURATION), lambda: rows, others=others)


OWN = own()


def reference(snapshot: Snapshot, form: Format) -> bytes:
    return form.encode(Together(TranscodeCollector(lambda: snapshot), OWN))


def render(exposition: Exposition, snapshot: Snapshot, form: Format) -> bytes:
    return exposition.render(snapshot, OWN, form, gzip=False)


@pytest.mark.slow
@examples(0.4)
@given(histories(), st.sampled_from([1, 2, 64]))
def test_any_history_is_rendered_as_the_collector_would(history: list[Snapshot], size: int) -> None:
    """In both formats, plain and compressed, whatever was rendered before. `size` is the mean number of records."""
    exposition = Exposition()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", size)
        for snapshot in [*history, history[0]]:
            for form in FORMATS:
                expected = reference(snapshot, form)
                assert expected == render(exposition, snapshot, form)
                assert expected == gzip.decompress(exposition.render(snapshot, OWN, form, gzip=True))


# -- examples --------------------------------------------------------------------------------------------------------


def shown(number: int, *, progress: float | None = 0.5) -> ShownJob:
    return ShownJob(Job(f"j{number}", "HD", "Transcoding", progress), f"t{number}", "v")


def snapshot_of(jobs: Sequence[ShownJob], *, name: str = "prod", truncated: int = 0) -> Snapshot:
    return Snapshot((AccountSnapshot(name, "r", "e", view=LedgerView(jobs=tuple(jobs), truncated_jobs=truncated)),))


@both
def test_equal_values_that_are_written_differently_are_distinguished(form: Format) -> None:
    """0.0 equals -0.0, and so do the jobs that have them."""
    jobs, tasks, task = Exposition(), Exposition(), Task("t")
    for progress in (0.0, -0.0, None, 0.0):
        snapshot = snapshot_of([shown(1, progress=progress)])
        assert reference(snapshot, form) == render(jobs, snapshot, form)
        view = LedgerView(tasks=(ShownTask(task, progress),))
        snapshot = Snapshot((AccountSnapshot("prod", "r", "e", view=view),))
        assert reference(snapshot, form) == render(tasks, snapshot, form)


@both
def test_changes_of_the_task_of_a_job_are_seen(form: Format) -> None:
    exposition, job = Exposition(), shown(1)
    for changed in (job, replace(job, task_id="other"), replace(job, video_id="other")):
        snapshot = snapshot_of([changed])
        assert reference(snapshot, form) == render(exposition, snapshot, form)


@pytest.mark.parametrize("jobs", [0, 1000], ids=["empty", "many"])
def test_compressed_answer_is_one_member(jobs: int) -> None:
    """Prometheus reads several, curl only the first."""
    snapshot = snapshot_of([shown(number) for number in range(jobs)])
    body = Exposition().render(snapshot, OWN, TEXT, gzip=True)

    decompressor = zlib.decompressobj(31)
    assert reference(snapshot, TEXT) == decompressor.decompress(body)
    assert decompressor.eof
    assert decompressor.unused_data == b""


@pytest.mark.no_cover
def test_unchanged_records_are_not_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it where jobs before it come, go or move."""
    rendered: list[int] = []

    def counted(rows: Iterable[Row]) -> dict[str, bytes]:
        rendered.append(1)
        return lines(rows)

    monkeypatch.setattr(blocks, "lines", counted)
    jobs = [shown(number) for number in range(200)]
    exposition = Exposition()
    counts = []
    for now in (
        jobs,
        jobs,
        [shown(200), *jobs],
        [*reversed(jobs)],
        [*jobs[:100], shown(100, progress=0.7), *jobs[101:]],
    ):
        rendered.clear()
        assert reference(snapshot_of(now), TEXT) == render(exposition, snapshot_of(now), TEXT)
        counts.append(len(rendered))

    assert counts == [200, 0, 1, 0, 1]


@pytest.mark.no_cover
def test_part_that_did_not_change_is_kept_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of one figure of one job in a thousand, only the block of that figure is compressed again."""
    jobs = [shown(number) for number in range(1000)]
    exposition = Exposition()
    exposition.render(snapshot_of(jobs), OWN, TEXT, gzip=True)
    before = set(map(id, kept_parts()))
    jobs[500] = shown(500, progress=0.7)
    exposition.render(snapshot_of(jobs), OWN, TEXT, gzip=True)

    new = [part for part in kept_parts() if id(part) not in before]
    assert [part.text.partition(b"{")[0].decode() for part in new] == ["vod_transcode_job_progress_ratio"]


def kept_parts() -> list[blocks.Part]:
    """Those of records; what stands above families is kept too."""
    gc.collect()
    return [
        part
        for part in gc.get_objects()
        if isinstance(part, blocks.Part) and b"j500" in part.text and not part.text.startswith(b"#")
    ]


def test_records_that_are_not_shown_are_not_kept() -> None:
    """Neither records nor their lines: memory is given back when jobs, tasks and accounts leave."""
    exposition = Exposition()
    tasks = tuple(ShownTask(Task(f"gone{number}"), 0.5) for number in range(300))
    view = LedgerView(tasks=tasks, jobs=tuple(shown(number) for number in range(300)))
    gone = AccountSnapshot("gone", "r", "e", view=view)
    stays = AccountSnapshot("stays", "r", "e", view=replace(view, tasks=tasks[:1], jobs=view.jobs[:1]))
    exposition.render(Snapshot((stays, gone)), OWN, TEXT, gzip=True)
    exposition.render(Snapshot((replace(stays, view=LedgerView(jobs=stays.view.jobs)),)), OWN, TEXT, gzip=True)

    kept = list(reachable(exposition))
    assert [held.job.id for held in kept if isinstance(held, ShownJob)] == ["j0"]
    assert not [held for held in kept if isinstance(held, ShownTask)]
    assert not [held for held in kept if isinstance(held, bytes) and (b"gone" in held or b'"j1"' in held)]


def reachable(root: object) -> Iterator[object]:
    """What the object holds by its own attributes and containers, not what classes and modules hold."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        held = waiting.pop()
        if id(held) in seen or isinstance(held, type) or callable(held):
            continue
        seen[id(held)] = held
        waiting += gc.get_referents(held)
    yield from seen.values()


@pytest.mark.no_cover
def test_scrapes_at_the_same_time_do_not_disturb_each_other() -> None:
    exposition = Exposition()
    snapshots = [snapshot_of([shown(n, progress=n % part / 7) for n in range(300)]) for part in (3, 5, 7)]
    expected = [reference(snapshot, TEXT) for snapshot in snapshots]
    wrong: list[int] = []

    def scrape(which: int) -> None:
        for _ in range(8):
            body = gzip.decompress(exposition.render(snapshots[which], OWN, TEXT, gzip=True))
            if body != expected[which]:
                wrong.append(which)

    threads = [threading.Thread(target=scrape, args=(which,)) for which in (0, 1, 2, 0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- deadlines ---------------------------------------------------------------------------------------------------------


@examples(1.0)
@given(st.lists(st.tuples(st.booleans(), st.dictionaries(st.integers(0, 9), st.sampled_from([0.1, 0.2]))), max_size=6))
def test_after_the_deadline_a_body_has_the_lines_that_are_ready(history: list[tuple[bool, dict[int, float]]]) -> None:
    """The next body in time is whole. Jobs that are left out count as truncated."""
    records = {(number, at): shown(number, progress=at) for number in range(10) for at in (0.1, 0.2)}
    exposition, ready = Exposition(), set[tuple[int, float]]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_BLOCK", 2)
        patch.setattr(blocks, "_ALWAYS", 0)
        for late, jobs in history:
            ready = ready & set(jobs.items()) if late else set(jobs.items())
            left_out = len(jobs) - len(ready)
            part = snapshot_of([records[job] for job in jobs.items() if job in ready], truncated=left_out)
            whole = snapshot_of([records[job] for job in jobs.items()])
            deadline = Deadline.after(-1) if late else NO_DEADLINE

            assert gzip.decompress(exposition.render(whole, OWN, TEXT, gzip=True, deadline=deadline)) == reference(
                part, TEXT
            )
            assert exposition.left_out == left_out


def test_many_records_are_rendered_even_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a busy machine would show nothing. With each scrape there are more."""
    monkeypatch.setattr(blocks, "_ALWAYS", 100)
    exposition, snapshot = Exposition(), snapshot_of([shown(number) for number in range(1000)])
    left_out = [1000]
    while left_out[-1] and len(left_out) < 11:
        exposition.render(snapshot, OWN, TEXT, gzip=False, deadline=Deadline.after(-1))
        left_out.append(exposition.left_out)

    assert left_out[-1] == 0
    assert all(before - after >= min(100, before) for before, after in pairwise(left_out))


def test_a_view_that_is_shown_again_costs_nothing_for_each_job() -> None:
    looked_at: list[int] = []

    def keys(records: Sequence[ShownJob]) -> list[str]:
        looked_at.append(len(records))
        return [record.job.id for record in records]

    kept = blocks.Blocks(keys=keys, rows=lambda job: job_rows("prod", job))
    jobs = tuple(shown(number) for number in range(100))
    first = kept.arrange(jobs)
    again = kept.arrange(jobs)
    other = kept.arrange((*jobs,)[:99])

    assert first == again != other
    assert looked_at == [100, 99]
