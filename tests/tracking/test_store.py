"""The contract of `Store`, for every store."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.model import Job, Output, Stream, Task
from exporter.snapshot import HistogramView, Total, TotalsView
from exporter.tracking.records import JobRecord, TaskRecord
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes, Memory, MemoryStore, Store, Stored

NOW = 1_700_000_000.0

TASK = TaskRecord(id="t", source="discovery", since=NOW, task=Task("t", "v", "Processing", "Auto", created=1.5))
JOB = JobRecord(
    job=Job(
        "a",
        "HD",
        "TranscodeSuccess",
        progress=1.0,
        error_message="Zeile 1 \N{FULLWIDTH COMMA} '\"\\%",
        output=Output(url="https://x/y", bitrate=1e6, streams=(Stream("video", "0", "h264"),), watermark_ids=("w",)),
    ),
    task_id="t",
    refreshed=NOW,
    finished_at=NOW + 0.25,
    output_counted=True,
)
TOTALS = TotalsView(
    {(Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")): 3.0, (Total.OUTPUT_DURATION, ('a "quoted" label\n,',)): 0.1},
    {(Total.TASK_DURATION, ("default",)): HistogramView((10, 30.5), (1, 2, 3), 99.5)},
)


class Kept:
    """A store that can be closed and opened again with the same content."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self.store = make()

    def reopen(self) -> Store:
        self.store.close()
        self.store = self._make()
        return self.store


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    if request.param == "memory":
        memory = MemoryStore()
        yield Kept(lambda: memory)
    else:
        made = Kept(lambda: SqliteStore(tmp_path / "state.db"))
        yield made
        made.store.close()


@pytest.fixture
def store(kept: Kept) -> Store:
    kept.store.load("prod", now=NOW)
    return kept.store


def everything(stored: Stored) -> tuple[list[TaskRecord], list[JobRecord], TotalsView]:
    return list(stored.tasks), list(stored.jobs), stored.totals


def test_a_state_is_created_empty_when_it_is_first_loaded(kept: Kept) -> None:
    first = kept.store.load("prod", now=NOW)
    later = kept.reopen().load("prod", now=NOW + 99)

    assert (first.state_created, later.state_created) == (NOW, NOW)
    assert everything(first) == everything(later) == ([], [], TotalsView())


def test_saved_records_and_totals_are_loaded_unchanged(kept: Kept, store: Store) -> None:
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[JOB], totals=TOTALS))

    assert everything(kept.reopen().load("prod", now=NOW)) == ([TASK], [JOB], TOTALS)


def test_a_change_replaces_its_records_and_keeps_their_order(kept: Kept, store: Store) -> None:
    tasks = [replace(TASK, id=task_id) for task_id in "zta"]
    jobs = [replace(JOB, job=replace(JOB.job, id=job_id)) for job_id in "yab"]
    store.save("prod", Changes(now=NOW, tasks=tasks, jobs=jobs, totals=TOTALS))
    task, job = replace(TASK, already_counted=True), replace(JOB, task_id="z")
    key = Total.TASKS_FINISHED, ("CompleteAllSucc", "Auto")
    store.save("prod", Changes(now=NOW, tasks=[task], jobs=[job], totals=TotalsView({key: 4.0})))

    assert everything(kept.reopen().load("prod", now=NOW)) == (
        [tasks[0], task, tasks[2]],
        [jobs[0], job, jobs[2]],
        TotalsView({**TOTALS.counters, key: 4.0}, TOTALS.histograms),
    )


def test_dropped_records_are_gone_and_unknown_ids_are_ignored(kept: Kept, store: Store) -> None:
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[JOB], totals=TOTALS))
    store.save("prod", Changes(now=NOW, dropped_tasks=["t", "never"], dropped_jobs=["a", "never"]))

    assert everything(kept.reopen().load("prod", now=NOW)) == ([], [], TOTALS)


def test_a_memory_is_known_until_its_time_has_passed(kept: Kept, store: Store) -> None:
    memories = {
        "counted": Memory(NOW + 10, finished=True),
        "given up": Memory(NOW + 20, finished=False),
        "for ever": Memory(math.inf, finished=True),
    }
    store.save("prod", Changes(now=NOW, remembered=memories))
    asked = ["counted", "never", "given up", "for ever"]
    first = kept.reopen().remembered("prod", asked)
    answers = []
    for now in (NOW + 10, NOW + 11, NOW + 1e6):
        kept.store.save("prod", Changes(now=now))
        answers.append(dict(kept.store.remembered("prod", asked)))

    assert first == answers[0] == {"counted": True, "given up": False, "for ever": True}
    assert answers[1:] == [{"given up": False, "for ever": True}, {"for ever": True}]
    assert kept.store.remembered("prod", []) == {}


def test_a_memory_may_be_renewed(store: Store) -> None:
    store.save("prod", Changes(now=NOW, remembered={"t": Memory(NOW + 1, finished=False)}))
    store.save("prod", Changes(now=NOW + 9, remembered={"t": Memory(NOW + 99, finished=True)}))

    assert store.remembered("prod", ["t"]) == {"t": True}


def test_thousands_of_ids_are_looked_up_at_once(store: Store) -> None:
    ids = [f"{number:032x}" for number in range(20_000)]
    store.save("prod", Changes(now=NOW, remembered={one: Memory(NOW, finished=True) for one in ids[::2]}))

    assert store.remembered("prod", ids) == dict.fromkeys(ids[::2], True)


def test_accounts_do_not_mix(kept: Kept, store: Store) -> None:
    store.load("test", now=NOW + 5)
    store.save("prod", Changes(now=NOW, tasks=[TASK], jobs=[JOB], totals=TOTALS))
    store.save("test", Changes(now=NOW, tasks=[replace(TASK, already_counted=True)]))
    store.save("prod", Changes(now=NOW, dropped_jobs=["a"], remembered={"t": Memory(NOW, finished=True)}))
    store.save("test", Changes(now=NOW + 99))
    again = kept.reopen()

    assert everything(again.load("prod", now=NOW)) == ([TASK], [], TOTALS)
    assert everything(again.load("test", now=NOW)) == ([replace(TASK, already_counted=True)], [], TotalsView())
    assert again.load("test", now=NOW).state_created == NOW + 5
    assert (again.remembered("prod", ["t"]), again.remembered("test", ["t"])) == ({"t": True}, {})


def test_several_threads_may_save_and_load(kept: Kept, store: Store) -> None:
    faults: list[BaseException] = []

    def work(account: str) -> None:
        try:
            store.load(account, now=NOW)
            for number in range(50):
                store.save(account, Changes(now=NOW, tasks=[replace(TASK, id=f"{number}")]))
                store.remembered(account, ["t"])
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=work, args=(f"account {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert faults == []
    assert [len(kept.store.load(f"account {number}", now=NOW).tasks) for number in range(4)] == [50] * 4


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.none() | st.floats(0, 1e18)
OUTPUTS = st.builds(
    Output,
    TEXTS,
    TEXTS,
    bitrate=NUMBERS,
    size=NUMBERS,
    streams=st.lists(st.builds(Stream, TEXTS, TEXTS, TEXTS, NUMBERS), max_size=2).map(tuple),
    watermark_ids=st.lists(TEXTS, max_size=2).map(tuple),
)
JOBS = st.builds(Job, TEXTS, TEXTS, TEXTS, NUMBERS, NUMBERS, error_message=TEXTS, output=st.none() | OUTPUTS)


@given(JOBS, st.builds(Task, TEXTS, TEXTS, TEXTS, created=NUMBERS), st.floats(0, 1e12), st.booleans(), TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record_of_the_model_is_loaded_as_it_was_saved(
    kept: Kept, job: Job, task: Task, at: float, flag: bool, label: str
) -> None:
    store = kept.store
    store.load("prod", now=NOW)
    record = TaskRecord(id="t", source=label, since=at, task=task, finished_at=at, already_counted=flag)
    job_record = JobRecord(
        job=replace(job, id="a"), task_id="t", refreshed=at, output_counted=flag, claimed_by=(label,)
    )
    totals = TotalsView({(Total.OUTPUT_DURATION, (label,)): at})
    store.save("prod", Changes(now=NOW, tasks=[record], jobs=[job_record], totals=totals))
    loaded = store.load("prod", now=NOW)

    assert (list(loaded.tasks), list(loaded.jobs)) == ([record], [job_record])
    assert loaded.totals.counters[Total.OUTPUT_DURATION, (label,)] == at
