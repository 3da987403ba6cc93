"""Whatever tasks a video gets, and whenever VOD is asked: each task is found, and nothing is asked for twice."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Task
from exporter.tracking.videos import Videos
from tests.conftest import NOW, Clock

STEP = 0.15  # seconds: several tasks may have the same creation time, which VOD reports in whole seconds
INTERVAL = 30.0

# Each step of a history starts a task, ends one of the running tasks, or asks VOD.
steps = st.lists(st.sampled_from(["start", "ask"]) | st.integers(0, 3), max_size=40)


class Service:
    """VOD with one video. Of several tasks of the same second it calls any the newest, as `ties` says."""

    def __init__(self, ties: list[int]) -> None:
        self.clock = Clock()
        self.tasks: list[Task] = []
        self.videos = Videos(interval=INTERVAL, clock=self.clock)
        self.videos.found("v", created=NOW, transcoding=True, source="discovery")
        self.found: set[str] = set()
        self.lists = 0
        self.ties = ties

    def step(self, step: str | int) -> None:
        self.clock.now += STEP
        running = [task for task in self.tasks if not task.finished]
        if step == "start":
            created = float(int(self.clock.now))
            self.tasks.append(Task(f"t{len(self.tasks)}", "v", "Processing", created=created))
        elif step == "ask":
            self.ask()
        elif running and isinstance(step, int):
            ended = running[step % len(running)]
            if self.clock.now - (ended.created or 0) >= 1:  # a task takes at least a second
                self.tasks[self.tasks.index(ended)] = replace(ended, status="CompleteAllSucc")

    def ask(self) -> None:
        self.videos.summarized(["v"], self.newest())
        if self.videos.due(by_summaries=True).lists:
            self.lists += 1
            self.found = {task.id for task in self.tasks}
            self.videos.listed("v", self.tasks)

    def newest(self) -> list[Task]:
        last = max((task.created or 0 for task in self.tasks), default=0)
        same = [task for task in self.tasks if task.created == last]
        return [replace(same[self.ties.pop() % len(same)] if self.ties else same[-1], id="")] if same else []

    def settle(self) -> None:
        for _ in range(3):
            self.clock.now += 2 * INTERVAL
            self.ask()


@given(steps=steps, ties=st.lists(st.integers(0, 3), max_size=20))
def test_each_task_is_found_and_a_quiet_video_is_not_listed(steps: list[str | int], ties: list[int]) -> None:
    service = Service(ties)
    for step in steps:
        service.step(step)
    service.settle()
    alone = {task.id for task in service.tasks if sum(task.created == other.created for other in service.tasks) == 1}
    lists = service.lists
    service.ties.clear()
    service.settle()
    quiet = service.lists

    assert alone <= service.found
    assert quiet <= lists + 1  # once, if VOD now calls another task of the same second the newest
    service.settle()
    assert service.lists == quiet


@given(steps=steps, ties=st.lists(st.integers(0, 3), max_size=20))
def test_after_its_end_each_task_is_found_even_of_the_same_second(steps: list[str | int], ties: list[int]) -> None:
    service = Service(ties)
    for step in steps:
        service.step(step)
    service.settle()
    service.tasks = [replace(task, status="CompleteAllSucc") for task in service.tasks]
    service.settle()

    assert service.found == {task.id for task in service.tasks}


@given(steps=steps)
def test_a_video_is_listed_at_most_twice_for_each_of_its_tasks(steps: list[str | int]) -> None:
    """When it is new and when it has ended, where VOD always calls the last of several tasks the newest."""
    service = Service([])
    service.ask()
    for step in steps:
        service.step(step)
    service.settle()

    assert service.lists <= 1 + 2 * len(service.tasks)
