"""The account `day`: many tasks, found by discovery and events while calls fail and the exporter is killed."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import requests

from benchmarks.fidelity.process import KEY, Exporter
from benchmarks.fidelity.series import Part, Series, Values, account, is_total, series
from benchmarks.fidelity.state import counts
from benchmarks.fidelity.totals import totals
from benchmarks.fidelity.watch import SCRAPE_INTERVAL_SECONDS, Watch
from exporter.keys import SecretText
from exporter.metrics import catalog
from exporter.simulator.events import Events
from exporter.simulator.faults import Fault
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator

NAME = "day"
_SCENARIO = replace(
    SCENARIOS["steady"],
    suspicious_output_share=0.1,
    skipped_share=0.03,
    priority_share=0.4,
    task_failure_share=0.05,
    bad_source_share=0.05,
)
_FAULTS = (
    Fault(kind="code", share=0.03, status=400, code="Throttling.User"),
    Fault(kind="code", share=0.02, status=500, code="InternalError"),
    Fault(kind="status", share=0.01, status=502),
    Fault(kind="delay", share=0.05, seconds=0.3),
    Fault(kind="reset", share=0.01),
    Fault(kind="truncated", share=0.01),
    Fault(kind="html", share=0.01),
)
_RUNNING_TASKS = ("Processing", "Partial")
_RUNNING_JOBS = ("Transcoding",)


class Day:
    """`count` tasks arrive, `speed` times faster than real time. `quota` is the calls a second that VOD allows."""

    def __init__(self, count: int, *, seed: int, speed: float, quota: float) -> None:
        self.simulator = Simulator(scenario=_SCENARIO, seed=seed, speed=speed, tasks=count, history=0.0, quota=quota)
        self.simulator.clock.freeze()  # no task ends before the state is created
        self._count = count
        self._stop_at = count // 2  # the number of tasks with which the clock is stopped for a comparison
        self._reported: set[str] = set()
        self._running = Part("running tasks of day", _is_running, self._truth_of_running)
        self.totals = Part("totals of day", lambda of: is_total(of) and account(of) == NAME, self._totals)

    @property
    def size(self) -> str:
        tasks = self.simulator.world.tasks
        return f"{len(tasks)} tasks, {sum(len(task.jobs) for task in tasks)} jobs"

    def live(self, exporter: Exporter, watch: Watch, *, kill_every: float, chance: random.Random) -> float:
        """Let all tasks arrive and end, and kill the exporter at random moments meanwhile. Returns the seconds."""
        started = time.monotonic()
        events = Events(self.simulator.world, url=exporter.callback(NAME), key=SecretText(KEY), tries=100)
        events.start()
        self._go_on()
        end_of_life = started + chance.expovariate(1 / kill_every)
        while not self._over():
            answered = watch.scrape()
            self._report(exporter, watch)
            if self._stop_at and len(self.simulator.world.tasks) >= self._stop_at:
                self._stop_at = 0
                self._stop(exporter, watch)
            now = time.monotonic()
            if math.isinf(end_of_life) and answered:  # a life begins with the first answer
                end_of_life = now + chance.expovariate(1 / kill_every)
            time.sleep(max(0.0, min(end_of_life - now, SCRAPE_INTERVAL_SECONDS)))
            if time.monotonic() >= end_of_life:
                _restart(exporter)
                end_of_life = math.inf
        seconds = time.monotonic() - started
        self.simulator.faults.clear()
        # VOD tries three times. Here each event arrives in the end, so that none is stored without an acknowledgement.
        jobs = sum(len(task.jobs) for task in self.simulator.world.tasks)
        watch.until(lambda: len(events.accepted) >= jobs)
        events.stop()
        self._reported = events.accepted
        _restart(exporter)
        return seconds

    def _go_on(self) -> None:
        for fault in _FAULTS:
            self.simulator.faults.add(fault)
        self.simulator.clock.resume()

    def _stop(self, exporter: Exporter, watch: Watch) -> None:
        """Stop the clock until the exporter shows what runs now."""
        self.simulator.clock.freeze()
        self.simulator.faults.clear()
        _restart(exporter)
        watch.until_equal(self._running)
        self._go_on()

    def _over(self) -> bool:
        """Whether all tasks have arrived and ended."""
        world = self.simulator.world
        with world.lock:
            now = world.advance()
            return len(world.tasks) >= self._count and all(task.ends <= now for task in world.tasks)

    def _truth(self) -> Mapping[str, Any]:
        truth: dict[str, Any] = requests.get(f"{self.simulator.url}/simulator/truth", timeout=60).json()
        return truth

    def _truth_of_running(self) -> Values:
        truth = self._truth()
        return {
            **counts(NAME, truth, job_statuses=_RUNNING_JOBS, task_statuses=_RUNNING_TASKS),
            series(catalog.VIDEOS.name, account=NAME, status="Transcoding"): truth["videos"].get("Transcoding", 0),
            series(catalog.UP.name, account=NAME): 1.0,
        }

    def _totals(self) -> Values:
        return totals(NAME, self._truth(), self.simulator, reported=self._reported)

    def _report(self, exporter: Exporter, watch: Watch) -> None:
        name = catalog.JOBS_FINISHED.name
        counted = sum(value for of, value in watch.samples.items() if of[0] == name and account(of) == NAME)
        arrived = len(self.simulator.world.tasks)
        line = f"{arrived} tasks arrived, {counted:.0f} jobs counted, {exporter.starts - 1} kills"
        print(line, end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def _restart(exporter: Exporter) -> None:
    exporter.kill()
    exporter.start()


def _is_running(of: Series) -> bool:
    """Finished tasks are shown for some seconds, so only what runs has one true number."""
    name, labels = of[0], dict(of[1])
    if labels.get("account") != NAME:
        return False
    if name in (catalog.TASKS.name, catalog.JOBS.name):
        return labels["status"] in (*_RUNNING_TASKS, *_RUNNING_JOBS)
    return name in (catalog.OLDEST_UNFINISHED.name, catalog.VIDEOS.name, catalog.UP.name)
