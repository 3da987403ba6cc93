"""The same seed makes the same world, however it is looked at; its indexes agree with its plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.state import task_state, video_status
from exporter.simulator.templates import GROUPS
from exporter.simulator.world import World
from tests.conftest import examples

MakeWorld = Callable[..., tuple[World, Any]]


@pytest.mark.slow
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
@examples(0.2)
@given(seed=st.integers(0, 100), steps=st.lists(st.integers(0, 900), min_size=1, max_size=6))
def test_same_seed_same_world_however_often_it_is_looked_at(
    scenario: str, seed: int, steps: list[int], make_world: MakeWorld
) -> None:
    short = replace(SCENARIOS[scenario], history=600)
    often, clock = make_world(seed=seed, scenario=short)
    for step in steps:
        clock.go(step)
        often.advance()
    once, other = make_world(seed=seed, scenario=short)
    other.go(sum(steps))
    once.advance()
    assert often.tasks == once.tasks
    assert often.shelves.select((), start=None, end=None) == once.shelves.select((), start=None, end=None)


def test_other_seed_other_world(make_world: MakeWorld) -> None:
    first, second = make_world(seed=1)[0], make_world(seed=2)[0]
    first.advance()
    second.advance()
    assert not {task.id for task in first.tasks} & {task.id for task in second.tasks}


def test_a_world_starts_with_running_and_finished_tasks(make_world: MakeWorld) -> None:
    world, _ = make_world()
    now = world.advance()
    statuses = {task_state(task, now).status for task in world.tasks}
    assert {"Processing", "Partial", "CompleteAllSucc", "CompletePartialSucc"} <= statuses
    assert all(-3600 < task.created <= now == 0 for task in world.tasks)


def test_every_task_job_and_video_is_found_by_its_id(make_world: MakeWorld) -> None:
    world, _ = make_world()
    world.advance()
    for task in world.tasks:
        assert world.task(task.id) is task
        assert all(world.job(job.id) == (task, job) for job in task.jobs)
        video, tasks = world.video(task.video.id) or (None, [])
        assert video is task.video
        assert task in tasks
        assert [other.created for other in tasks] == sorted(other.created for other in tasks)
    assert (world.task("none"), world.job("none"), world.video("none")) == (None, None, None)


@pytest.mark.slow
@examples(0.3)
@given(seed=st.integers(0, 20), steps=st.lists(st.floats(0, 600), min_size=1, max_size=8))
def test_shelves_agree_with_the_status_of_every_video(seed: int, steps: list[float], make_world: MakeWorld) -> None:
    world, clock = make_world(seed=seed, scenario=replace(SCENARIOS["failures"], history=600))
    for step in steps:
        clock.go(step)
        now = world.advance()
        for video, tasks in (world.video(task.video.id) or pytest.fail("no video") for task in world.tasks[-100:]):
            assert world.shelves.status(video.id) == video_status(video, tasks, now)


def test_some_videos_are_transcoded_again_by_hand(make_world: MakeWorld) -> None:
    world, clock = make_world()
    clock.go(7200)
    world.advance()
    manual = [task for task in world.tasks if task.trigger == "Manual"]
    assert 0.01 < len(manual) / len(world.tasks) < 0.08
    for task in manual:
        _, tasks = world.video(task.video.id) or pytest.fail("no video")
        assert tasks[0].trigger == "Auto"
        assert tasks.index(task) > 0


def test_the_share_of_the_scenario_has_other_priorities_than_the_default(make_world: MakeWorld) -> None:
    worlds = {share: make_world(scenario=replace(SCENARIOS["steady"], priority_share=share)) for share in (0.0, 0.5)}
    for world, clock in worlds.values():
        clock.go(7200)
        world.advance()
    same, mixed = ([task for task in world.tasks if task.jobs] for world, _ in worlds.values())
    assert {job.priority for task in same for job in task.jobs} == {"6"}
    assert {job.priority for task in mixed for job in task.jobs} == {str(number) for number in range(1, 11)}
    assert all(len({job.priority for job in task.jobs}) == 1 for task in mixed)
    assert 0.4 < sum(task.jobs[0].priority != "6" for task in mixed) / len(mixed) < 0.6
    assert [task.id for task in same] == [task.id for task in mixed], "the rest of the world is the same"


def test_a_finite_world_has_exactly_its_tasks(make_world: MakeWorld) -> None:
    world, clock = make_world(tasks=7)
    clock.go(10**6)
    world.advance()
    assert len(world.tasks) == 7
    assert {task_state(task, 10**6).status for task in world.tasks} <= {"CompleteAllSucc", "CompletePartialSucc"}


def test_submitted_tasks_start_now_and_leave_the_plan_as_it_was(make_world: MakeWorld) -> None:
    world, clock = make_world()
    world.advance()
    clock.go(10)
    task = world.submit(video=world.tasks[0].video, group=GROUPS[0], priority="9")
    assert (task.created, task.trigger, task.group) == (10, "Manual", GROUPS[0])
    assert {job.priority for job in task.jobs} == {"9"}
    assert world.task(task.id) is task
    clock.go(3600)
    world.advance()
    untouched, other = make_world()
    other.go(3610)
    untouched.advance()
    assert [planned for planned in world.tasks if planned is not task] == untouched.tasks
