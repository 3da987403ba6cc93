"""Plans relate bitrate, size, duration and time as real outputs do, and fail as often as the scenario says."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.plan import ERRORS, Task, plan_group, plan_task, plan_video
from exporter.simulator.scenario import SCENARIOS, Scenario


def _task(seed: int, scenario: Scenario = SCENARIOS["steady"]) -> Task:
    rng = Random(seed)
    video = plan_video(rng, uploaded=100.0, scenario=scenario)
    return plan_task(rng, video=video, group=plan_group(rng, video), trigger="Auto", created=100.0, scenario=scenario)


@given(st.integers(0, 10**9))
def test_output_figures_fit_each_other(seed: int) -> None:
    for job in _task(seed).jobs:
        output = job.output
        ratio = output.size / (output.kilobits * 1000 * output.duration / 8)
        assert 1 <= ratio < 1.03, "the size is bitrate times duration, and a little for the container"
        assert 0 < output.video_bits + output.audio_bits <= output.kilobits * 1000
        if output.video_bits:
            assert {output.width % 2, output.height % 2} == {0}
            assert output.fps > 0
            assert (output.height > output.width) == _task(seed).video.portrait
        else:
            assert (output.fps, output.width, output.height) == (0, 0, 0)
            assert job.template.definition in ("SQ", "HQ")


@given(st.integers(0, 10**9))
def test_jobs_run_one_to_eight_minutes_and_the_task_ends_with_the_last(seed: int) -> None:
    task = _task(seed)
    assert task.created < task.ends
    for job in task.jobs:
        assert task.created == job.created < job.starts < job.ends <= task.ends
        if not job.error_code:
            assert 59.999 < job.ends - job.starts < 480.001
            assert job.reached == 100
        else:
            assert job.error_code in ERRORS
            assert 5 <= job.reached <= 95
    assert not task.jobs or task.ends == max(job.ends for job in task.jobs)


@pytest.mark.no_cover
def test_failures_are_as_frequent_as_the_scenario_says() -> None:
    tasks = [_task(seed) for seed in range(1500)]
    jobs = [job for task in tasks for job in task.jobs]
    assert 0.03 < sum(bool(job.error_code) for job in jobs) / len(jobs) < 0.06
    assert 0.005 < sum(task.video.bad for task in tasks) / len(tasks) < 0.02
    assert all(bool(task.jobs) is not task.video.bad for task in tasks)
    assert {len(task.jobs) for task in tasks} == {0, 2, 3, 4, 6}


def test_duration_scale_stretches_every_time() -> None:
    short, long = _task(3), _task(3, Scenario(duration_scale=10))
    assert [10 * (job.ends - job.created) for job in short.jobs] == [
        pytest.approx(job.ends - job.created) for job in long.jobs
    ]


@pytest.mark.no_cover
def test_stuck_jobs_stop_on_the_way_and_their_tasks_never_end() -> None:
    tasks = [_task(seed, SCENARIOS["stuck"]) for seed in range(400)]
    jobs = [job for task in tasks for job in task.jobs]
    stuck = [job for job in jobs if math.isinf(job.ends)]
    assert 0.08 < len(stuck) / len(jobs) < 0.12
    for job in stuck:
        assert 5 <= job.reached <= 95
        assert job.starts < job.stops < job.starts + 480
        assert not job.error_code
    assert all(job.stops == job.ends for job in jobs if math.isfinite(job.ends))
    assert all(math.isinf(task.ends) == any(job in stuck for job in task.jobs) for task in tasks)


def test_odd_outputs_are_empty_truncated_or_have_another_bitrate() -> None:
    tasks = [_task(seed, SCENARIOS["failures"]) for seed in range(2000)]
    jobs = [job for task in tasks for job in task.jobs]
    low = {"HD": 1800 / 5, "SD": 900 / 5, "LD": 420 / 5}
    ordinary = [job for job in jobs if job.template.definition in low]
    empty = {job.id for job in jobs if job.output.size == 0}
    thin = {job.id for job in ordinary if job.output.kilobits < low[job.template.definition]}
    wrong = {job.id for job in jobs if 0 < job.output.size < job.output.kilobits * 125 * job.output.duration / 2}
    short = {job.id for task in tasks for job in task.jobs if job.output.duration < task.video.duration}

    assert all(0.007 < len(group) / len(jobs) < 0.018 for group in (empty, wrong, short))
    assert 0.007 < len(thin) / len(ordinary) < 0.018
    assert len(empty | thin | wrong | short) == sum(map(len, (empty, thin, wrong, short)))
