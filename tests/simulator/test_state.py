"""State only goes forward, and a task's status agrees with its jobs'."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import JOB_FINAL, TASK_FINAL
from exporter.simulator.plan import Task, Video, plan_group, plan_task, plan_video
from exporter.simulator.scenario import SCENARIOS, Scenario
from exporter.simulator.state import State, job_state, task_state, video_status

times = st.lists(st.floats(0, 700), min_size=1, max_size=40).map(sorted)
tasks = st.integers(0, 10**9).map(lambda seed: _task(seed))


def _task(seed: int, scenario: Scenario = SCENARIOS["failures"], **video: bool) -> Task:
    rng = Random(seed)
    source = plan_video(rng, uploaded=0.0, scenario=scenario)
    if video:
        facts = {name: getattr(source, name) for name in Video.__slots__} | video
        source = Video(**facts)
    group = plan_group(rng, source)
    return plan_task(rng, video=source, group=group, trigger="Auto", created=0.0, scenario=scenario)


@given(tasks, times)
def test_jobs_only_go_forward(task: Task, moments: list[float]) -> None:
    for job in task.jobs:
        states = [job_state(job, now) for now in moments]
        progress = [state.progress for state in states]
        assert progress == sorted(progress)
        ended = [state.status in JOB_FINAL for state in states]
        assert ended == sorted(ended)
        for now, state in zip(moments, states, strict=True):
            assert (state.completed is None) == (state.status == "Transcoding")
            assert state.completed is None or state.completed <= now
            assert state.status != "TranscodeSuccess" or state.progress == 100
            assert state.status != "Transcoding" or 0 <= state.progress <= 99


@given(tasks, times)
def test_task_status_agrees_with_its_jobs(task: Task, moments: list[float]) -> None:
    order = ("Processing", "Partial", *TASK_FINAL)
    states = [task_state(task, now) for now in moments]
    ranks = [min(2, order.index(state.status)) for state in states]
    assert ranks == sorted(ranks)
    for now, state in zip(moments, states, strict=True):
        jobs = [job_state(job, now).status for job in task.jobs]
        done = sum(status in JOB_FINAL for status in jobs)
        good = jobs.count("TranscodeSuccess")
        final = state.status in TASK_FINAL
        assert (state.completed is not None) is final
        assert final is (now >= task.ends)
        if jobs:
            assert final is (done == len(jobs))
            assert (state.status == "Partial") is (0 < done < len(jobs))
            assert (state.status == "CompleteAllSucc") is (good == len(jobs))
            assert (state.status == "CompletePartialSucc") is (final and 0 < good < len(jobs))
        else:
            assert state.status in ("Processing", "CompleteAllFail")


@given(tasks)
def test_a_final_state_is_reached_and_kept(task: Task) -> None:
    assert task_state(task, task.ends) == task_state(task, task.ends + 10**6)
    assert task_state(task, task.ends).status in TASK_FINAL


def test_video_shows_a_running_task_unless_asynchronous_or_transcoded_again() -> None:
    steady = SCENARIOS["steady"]
    plain = _task(1, steady, asynchronous=False, bad=False)
    quiet = _task(1, steady, asynchronous=True, bad=False)
    assert video_status(plain.video, [plain], 1.0) == "Transcoding"
    assert video_status(quiet.video, [quiet], 1.0) == "Normal"
    assert video_status(plain.video, [plain], plain.ends) == "Normal"
    group = plan_group(Random(1), plain.video)
    again = plan_task(
        Random(2), video=plain.video, group=group, trigger="Manual", created=plain.ends + 1, scenario=steady
    )
    assert video_status(plain.video, [plain, again], again.created) == "Normal"


def test_video_of_a_bad_source_fails() -> None:
    task = _task(1, bad=True, asynchronous=False)
    assert video_status(task.video, [task], task.ends - 0.1) == "Transcoding"
    assert video_status(task.video, [task], task.ends) == "TranscodeFail"


def test_a_stuck_job_is_transcoding_at_the_same_progress_for_ever() -> None:
    jobs = [job for seed in range(200) for job in _task(seed, SCENARIOS["stuck"]).jobs]
    stuck = [job for job in jobs if job.ends > 10**9]
    assert stuck
    for job in stuck:
        assert job_state(job, job.starts).progress == 0
        states = {job_state(job, job.stops + later) for later in (1, 3600, 10**8)}
        assert states == {State("Transcoding", job.reached, None)}


def test_a_skipped_job_ends_in_an_undocumented_status_and_its_task_is_complete() -> None:
    scenario = Scenario(job_failure_share=0.0, task_failure_share=0.0, bad_source_share=0.0, skipped_share=1.0)
    task = _task(1, scenario)

    assert {job_state(job, task.ends).status for job in task.jobs} == {"TranscodeSkipped"}
    assert task_state(task, task.ends).status == "CompleteAllSucc"
