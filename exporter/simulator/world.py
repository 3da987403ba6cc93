"""The simulated account: its tasks up to now, planned from the seed, with lookups by task, job and video id."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from random import Random
from threading import RLock

from exporter.simulator.clock import Clock
from exporter.simulator.plan import Job, Task, Video, plan_group, plan_priority, plan_task, plan_video
from exporter.simulator.scenario import Scenario, arrivals
from exporter.simulator.shelves import Shelves
from exporter.simulator.state import video_status
from exporter.simulator.templates import TemplateGroup


class World:
    """Tasks, jobs and videos. Hold `lock` from `advance` to the last read, so that all reads show the same moment.

    `tasks` limits the number of planned tasks; submitted tasks do not count.
    """

    def __init__(self, *, seed: int, scenario: Scenario, clock: Clock, tasks: int | None = None) -> None:
        self.clock = clock
        self.lock = RLock()
        self.tasks: list[Task] = []
        self.shelves = Shelves()
        self._seed = seed
        self._scenario = scenario
        self._arrivals: Iterator[float] = islice(arrivals(scenario, seed=seed), tasks)
        self._next = next(self._arrivals, None)
        self._planned: list[Task] = []
        self._submitted = 0
        self._tasks: dict[str, Task] = {}
        self._jobs: dict[str, tuple[Task, Job]] = {}
        self._videos: dict[str, tuple[Video, list[Task]]] = {}
        self._unfinished: list[tuple[float, str]] = []

    def advance(self) -> float:
        """Add the tasks that have arrived and update the shelves. Returns the present world second."""
        with self.lock:
            now = self.clock.now()
            while self._next is not None and self._next <= now:
                self._add(self._plan(self._next), now)
                self._next = next(self._arrivals, None)
            while self._unfinished and self._unfinished[0][0] <= now:
                self._shelve(self._tasks[heapq.heappop(self._unfinished)[1]], now)
            return now

    def unix_seconds(self, second: float) -> int:
        """A world second as the API reports it: Unix time in whole seconds."""
        return int(self.clock.wall(second))

    def task(self, task_id: str) -> Task | None:
        """The task with this id."""
        return self._tasks.get(task_id)

    def job(self, job_id: str) -> tuple[Task, Job] | None:
        """The job with this id, after its task."""
        return self._jobs.get(job_id)

    def video(self, video_id: str) -> tuple[Video, list[Task]] | None:
        """The video and its tasks, oldest first."""
        return self._videos.get(video_id)

    def answers_about(self, task: Task, now: float) -> bool:
        """Whether the service knows the task at the world second `now`: see `Scenario.visible_after`."""
        return now - task.created >= self._scenario.visible_after

    def submit(self, *, video: Video, group: TemplateGroup, priority: str, trigger: str = "Manual") -> Task:
        """Add a task that starts now, and its video if that is not there yet."""
        with self.lock:
            now = self.advance()
            rng = Random(f"{self._seed}/submitted/{self._submitted}")
            self._submitted += 1
            task = plan_task(
                rng,
                video=video,
                group=group,
                trigger=trigger,
                created=now,
                scenario=self._scenario,
                priority=priority,
            )
            self._add(task, now)
            return task

    def _plan(self, created: float) -> Task:
        number = len(self._planned)
        rng = Random(f"{self._seed}/task/{number}")
        # The task of such an old video has usually finished.
        earlier = number - rng.randint(60, 200)
        again = rng.random() < self._scenario.retranscode_share and earlier >= 0
        if again and not self._planned[earlier].video.bad:
            video, trigger = self._planned[earlier].video, "Manual"
        else:
            video, trigger = plan_video(rng, uploaded=created, scenario=self._scenario), "Auto"
        group = plan_group(rng, video)
        task = plan_task(
            rng,
            video=video,
            group=group,
            trigger=trigger,
            created=created,
            scenario=self._scenario,
            priority=plan_priority(Random(f"{self._seed}/priority/{number}"), self._scenario),
        )
        self._planned.append(task)
        return task

    def _add(self, task: Task, now: float) -> None:
        self.tasks.append(task)
        self._tasks[task.id] = task
        self._jobs.update({job.id: (task, job) for job in task.jobs})
        self._videos.setdefault(task.video.id, (task.video, []))[1].append(task)
        heapq.heappush(self._unfinished, (task.ends, task.id))
        self._shelve(task, now)

    def _shelve(self, task: Task, now: float) -> None:
        video, tasks = self._videos[task.video.id]
        self.shelves.put((self.unix_seconds(video.created), video.id), video_status(video, tasks, now))
