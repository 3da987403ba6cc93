"""Odd data of VOD: a malformed value costs its field, text is cleaned and bounded, each finish counts once."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator.faults import Fault
from tests.conftest import Simulators, WorldTime, wait_until
from tests.faults.conftest import ExporterProcess, Start, account

pytestmark = pytest.mark.slow

AT_ONCE = "scrape: {min_interval: 0s}\n"
JOB = "vod_transcode_job_"
LABEL_BYTES = 1024


def labels(exporter: ExporterProcess) -> list[dict[str, str]]:
    """The labels of all samples. Fails if the exposition cannot be read, or has a series twice."""
    samples = [sample for family in text_string_to_metric_families(exporter.get().text) for sample in family.samples]
    series = [(sample.name, *sorted(sample.labels.items())) for sample in samples]
    assert len(set(series)) == len(series)
    return [sample.labels for sample in samples]


def test_a_value_that_is_no_number_costs_only_its_field(start: Start, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001, tasks=1)
    odd = {"Bitrate": "abc", "Filesize": True, "Duration": "NaN", "Fps": [1], "Width": "Infinity", "Height": math.nan}
    simulator.faults.add(Fault(kind="replace", fields=odd))
    exporter = start(account(simulator.url, [simulator.world.tasks[0].id]))
    text = exporter.get().text
    for field in odd:
        assert exporter.value(f'vod_exporter_malformed_fields_total{{account="prod",field="{field}"}}'), field
    for name in ("bitrate_bits_per_second", "size_bytes", "duration_seconds", "width_pixels", "height_pixels"):
        assert f"\n{JOB}output_{name}{{" not in text, name
    for name in ("info", "status", "progress_ratio", "output_info"):
        assert f"\n{JOB}{name}{{" in text, name
    assert 'vod_up{account="prod"} 1.0' in text


def test_hostile_text_is_cleaned_and_bounded_in_labels(start: Start, simulators: Simulators) -> None:
    simulator = simulators(speed=0.001, tasks=1)
    hostile = 'a\r\nb"c\\d\0e\ud800f\u2028g{h="i"} 1\n# TYPE j counter\n'
    fields = {
        "Definition": hostile,
        "VideoId": hostile,
        "Trigger": hostile,
        "Format": "x" * 2**18,
        "TranscodeTemplateGroupId": "y" * 2**20,
    }
    simulator.faults.add(Fault(kind="replace", fields=fields))
    exporter = start(account(simulator.url, [simulator.world.tasks[0].id]))
    assert exporter.get().status_code == 200
    found = [value for row in labels(exporter) for value in row.values()]
    assert any(value.startswith("a") and 'b"c\\d' in value for value in found)
    assert all(len(value.encode()) <= LABEL_BYTES for value in found)
    assert all(value.isprintable() for value in found)
    assert len(exporter.get().content) < 200_000
    assert exporter.get("/").status_code == 200


def test_the_same_ids_twice_and_in_two_accounts_make_unique_series(start: Start, simulators: Simulators) -> None:
    """All jobs of a task have the same id, and both accounts have the same tasks."""
    simulator = simulators(speed=0.001, tasks=3)
    simulator.faults.add(Fault(kind="replace", fields={"TranscodeJobId": "same"}))
    text = account(simulator.url, [task.id for task in simulator.world.tasks])
    other = text.partition("\n")[2].replace("name: prod", "name: other")
    exporter = start(text + other)
    found = labels(exporter)
    assert [row["account"] for row in found if row.get("job_id") == "same" and "task_id" in row] == ["prod", "other"]


def test_a_job_that_goes_back_and_shrinks_stays_counted_once(start: Start, simulators: Simulators) -> None:
    """First a job of the task ends. Then VOD says that all of them are transcoding, with less progress and smaller."""
    world_time = WorldTime()
    simulator = simulators(monotonic=world_time)
    running = (task for task in simulator.world.tasks if all(job.ends > 0 for job in task.jobs))
    task = next(task for task in running if len({job.ends for job in task.jobs}) == len(task.jobs) > 1)
    begin = world_time.now or 0
    exporter = start(account(simulator.url, [task.id], more=AT_ONCE))

    def jobs() -> float:
        return exporter.total("vod_transcode_jobs_finished_total")

    assert jobs() == 0
    world_time.now = begin + min(job.ends for job in task.jobs) + 1
    wait_until(lambda: jobs() == 1)
    back = {"TranscodeJobStatus": "Transcoding", "TranscodeProgress": 1, "Filesize": 1, "TaskStatus": "Processing"}
    simulator.faults.add(Fault(kind="replace", fields=back))
    assert [jobs() for _ in range(3)] == [1, 1, 1]
    world_time.now = begin + task.ends + 1
    assert jobs() == 1
    simulator.faults.clear()
    wait_until(lambda: exporter.total("vod_transcode_tasks_finished_total") == 1)
    assert jobs() == len(task.jobs)
    assert exporter.total("vod_transcode_output_size_bytes_count") <= len(task.jobs)
    assert "Traceback" not in exporter.log
