"""An exporter and the simulator on one clock, which a test moves: hours of both take seconds."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from exporter.config import MOST_CALLS
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.simulator.plan import Task, Video, plan_video
from exporter.simulator.scenario import Scenario
from exporter.simulator.server import Simulator
from exporter.simulator.templates import GROUPS
from exporter.tracking.discovery import Discovery
from exporter.tracking.ledger import Ledger
from exporter.tracking.store import MemoryStore
from exporter.tracking.videos import Videos
from exporter.tracking.view import Limits
from exporter.vod.client import Client
from exporter.vod.credentials import ConfiguredKeys
from exporter.vod.limiter import Limiter
from exporter.vod.sender import Observer
from tests.conftest import make_account

INTERVAL = 30.0
LOOKBACK = 86_400.0
SCRAPE = 15.0
SHORT, SOME, LONG = 0.01, 0.5, 10_000.0  # as `duration_scale`: a task takes seconds, a minute or more, or months
OF_DISCOVERY = ("GetVideoList", "ListTranscodeTask", "GetTranscodeSummary")
_GROUP = next(group for group in GROUPS if group.name == "original")


class Lab:
    """Both start without a video, unless a scenario is given. Close it at the end, or use `lab`.

    `takes` is the `duration_scale` of a task.
    """

    def __init__(self, scenario: Scenario | None = None) -> None:
        self._rng = Random(1)
        self._second = 0.0
        self.simulator = Simulator(
            scenario=scenario or _QUIET,
            tasks=None if scenario else 0,
            quota=math.inf,
            monotonic=lambda: self._second,
        )
        self.simulator.start()
        self._store = MemoryStore()
        self._start_exporter()

    def _start_exporter(self) -> None:
        self.ledger = Ledger(limits=Limits(), store=self._store, clock=self.now)
        self.videos = Videos(interval=INTERVAL, lookback=LOOKBACK, clock=self.now)
        self.account = make_account(
            self._connect,
            self.ledger,
            Telemetry().account("prod"),
            videos=self.videos,
            discovery=Discovery(self.videos, interval=INTERVAL, lookback=LOOKBACK, clock=self.now),
            clock=self.now,
        )

    def _connect(self, limiter: Limiter, observer: Observer) -> Client:
        keys = ConfiguredKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
        return Client(
            endpoint=self.simulator.url,
            credentials=keys,
            limiter=limiter,
            timeout=10.0,
            connections=MOST_CALLS,
            observer=observer,
        )

    def restart(self) -> None:
        """Restart the exporter. Its state stays."""
        self.account.close()
        self._start_exporter()

    def close(self) -> None:
        self.account.close()
        self.simulator.stop()

    def now(self) -> float:
        """Unix seconds of the exporter and of the simulator."""
        return self.simulator.clock.wall(self._second)

    def upload(self, *, age: float = 0.0, asynchronous: bool = False, takes: float = LONG) -> Task:
        """Add a video of this age in seconds, whose automatic task starts now."""
        video = plan_video(self._rng, uploaded=self._second - age, scenario=_QUIET)
        video = replace(video, created=self._second - age, asynchronous=asynchronous, sound=False)
        return self._start(video, "Auto", takes)

    def submit(self, video: Video, *, takes: float = LONG) -> Task:
        """Start a task of the video by hand."""
        return self._start(video, "Manual", takes)

    def _start(self, video: Video, trigger: str, takes: float) -> Task:
        world = self.simulator.world
        world._scenario = replace(world._scenario, duration_scale=takes)
        return world.submit(video=video, group=_GROUP, priority="6", trigger=trigger)

    def hide(self, *, seconds: float) -> None:
        """VOD knows a task only so many seconds after its start, but reports its video as transcoding at once."""
        world = self.simulator.world
        world._scenario = replace(world._scenario, visible_after=seconds)

    def forget(self, video: Video) -> None:
        """Delete the video in VOD, with its tasks."""
        world = self.simulator.world
        _, tasks = world._videos.pop(video.id)
        for task in tasks:
            del world._tasks[task.id]
            for job in task.jobs:
                del world._jobs[job.id]
        shelves = world.shelves
        shelves._shelves[shelves._status.pop(video.id)].remove((world.unix_seconds(video.created), video.id))

    def scrape(self) -> None:
        self.account.refresh().result(60)
        self.ledger.view()

    def live(self, seconds: float, *, every: float = SCRAPE) -> None:
        """Time passes, with a scrape `every` so many seconds."""
        end = self._second + seconds
        while self._second < end:
            self.rest(min(end - self._second, every))
            self.scrape()

    def until_next_second(self) -> None:
        """Time passes up to the next whole second, without a scrape."""
        self.rest(1.01 - self.now() % 1)

    def rest(self, seconds: float) -> None:
        """Time passes, without a scrape."""
        self._second += seconds

    def has_ended(self, task: Task) -> bool:
        return task.ends <= self._second

    def tracks(self, task: Task) -> bool:
        return task.id in {task_id for task_id, *_ in self.ledger.tasks()}

    def shows(self, task: Task) -> bool:
        return task.jobs[0].id in {shown.job.id for shown in self.ledger.view().jobs}

    def describes(self, task: Task, *, within: float) -> float:
        """Seconds until VOD has described the task; infinite if it does not do so within this time."""
        began = self._second
        while self._second < began + within and not self.shows(task):
            self.live(SCRAPE)
        return self._second - began if self.shows(task) else math.inf

    def finds(self, task: Task, *, within: float, every: float = SCRAPE) -> float:
        """Seconds until the exporter tracks the task; infinite if it does not do so within this time."""
        began = self._second
        while self._second < began + within and not self.tracks(task):
            self.live(every, every=every)
        return self._second - began if self.tracks(task) else math.inf

    def calls(self) -> Counter[str]:
        """The calls since the last call of this method, by operation."""
        calls = Counter(self.simulator.quota.calls)
        self.simulator.quota.calls.clear()
        return calls


_QUIET = Scenario(job_failure_share=0.0, task_failure_share=0.0, bad_source_share=0.0, history=0.0)


@contextlib.contextmanager
def lab(scenario: Scenario | None = None) -> Iterator[Lab]:
    """A lab, closed at the end."""
    made = Lab(scenario)
    try:
        yield made
    finally:
        made.close()
