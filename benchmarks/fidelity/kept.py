"""The account `kept`: its clock stands still between the steps, so that every gauge and count has one true value.

It has old tasks, which the configuration names and VOD has billed, and new tasks, which are registered. Of the new
tasks VOD forbids one, and one is deleted.
"""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import requests

from benchmarks.fidelity.process import AT_ONCE, CURRENCY, KEY, PRICES, RATE, Exporter
from benchmarks.fidelity.series import Outcome, Part, Series, Values, account, is_total, series
from benchmarks.fidelity.state import counts, single
from benchmarks.fidelity.totals import totals
from benchmarks.fidelity.watch import Watch
from exporter import __version__
from exporter.keys import SecretText
from exporter.metrics import catalog
from exporter.model import ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA, GET_TRANSCODE_TASK, JOB_STATUSES, TASK_STATUSES
from exporter.simulator.events import Events
from exporter.simulator.faults import Fault
from exporter.simulator.plan import Task
from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.server import Simulator
from exporter.simulator.templates import GRADES

NAME = "kept"
_OLD_TASKS = 40
_HOUR = 3600
# A task in 40 minutes for 30 hours: some ended before the 24 hours that VOD is asked about.
_SCENARIO = replace(SCENARIOS["steady"], tasks_per_minute=0.025, history=30.0 * _HOUR, task_failure_share=0.0)
_SOON = 40.0  # seconds after which jobs run, and no new task has ended
_OF_STATE = {
    metric.name
    for metric in (
        *(catalog.TASKS, catalog.JOBS, catalog.OLDEST_UNFINISHED, *catalog.TASK, *catalog.JOB),
        *(catalog.TRACKED_TASKS, catalog.UP, catalog.ACCOUNT_INFO, catalog.STATE_DURABLE, catalog.API_BUDGET),
        *(catalog.USAGE, catalog.PRICE, catalog.BUILD_INFO, catalog.RELOAD_SUCCESSFUL),
    )
}
_COUNTED = {
    *(catalog.API_REQUESTS.name, catalog.API_ERRORS.name, f"{catalog.API_DURATION.name}_count"),
    *(catalog.EVENTS.name, catalog.DROPPED_TASKS.name, catalog.REJECTED_REQUESTS.name),
}


class Kept:
    """The simulator of the account, the steps of its life, and what its series must be meanwhile."""

    def __init__(self, *, seed: int) -> None:
        self._second = 0.0
        self.simulator = Simulator(
            scenario=_SCENARIO, seed=seed, tasks=_OLD_TASKS, quota=math.inf, monotonic=lambda: self._second
        )
        self.simulator.world.advance()
        self.named = [task.id for task in self.simulator.world.tasks]
        self._sources = dict.fromkeys(self.named, "tasks")
        self._counted: frozenset[str] = frozenset()
        self._reported: frozenset[str] = frozenset()
        self._events: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._refused = 0
        self._up = True
        self.state = Part("tasks and jobs of kept", _is_state, self._state)
        self.totals = Part("totals of kept", lambda of: is_total(of) and account(of) == NAME, self._totals)
        self._counters = Part("what the exporter counts", _is_counted, self._counts)

    def live(self, exporter: Exporter, watch: Watch) -> None:
        """The exporter has just started for the first time."""
        self._compare_pending(watch)
        watch.until_equal(self.state)
        tasks = self._register(exporter, ("6", "1", "10", "5"))
        watch.until_equal(self.state)
        self._second += _SOON
        watch.until_equal(self.state)
        forbidden, deleted, *others = tasks
        self._drop(exporter, forbidden, deleted)
        watch.until_equal(self.state)
        events = Events(self.simulator.world, url=exporter.callback(NAME), key=SecretText(KEY), patience=60.0)
        events.start()
        self._end(tasks, events, watch)
        events.stop()
        self._reported = frozenset(events.accepted)
        self._counted = frozenset(task.id for task in others)
        watch.until_equal(self.totals)
        watch.until_equal(self.state)
        for task in others:  # otherwise it would depend on the time how long they are shown
            exporter.delete(task.id)
            del self._sources[task.id]
        self._register(exporter, ("9",))
        watch.until_equal(self.state)
        self._suspend(watch)

    def _compare_pending(self, watch: Watch) -> None:
        """Each old task costs a call. `AT_ONCE` calls wait for their turn in the budget, further ones are pending.

        A call may be made during the scrape, so the number lies between that before the scrape and that after it.
        """
        of = series(catalog.PENDING_CALLS.name, account=NAME, action=GET_TRANSCODE_TASK)
        while True:
            before = self._left()
            watch.scrape(timeout=0.7)
            after, exposed = self._left(), watch.samples.get(of, 0.0)
            if after <= exposed <= before or not after:
                break
        truth = min(max(after, exposed), before)
        watch.outcomes.append(Outcome("calls that wait", {of: truth}, {of: exposed}))

    def _left(self) -> int:
        return max(0, len(self.named) - AT_ONCE - self.simulator.quota.calls.get(GET_TRANSCODE_TASK, 0))

    def _register(self, exporter: Exporter, priorities: Collection[str]) -> list[Task]:
        """Start a task of each priority, and register them."""
        world = self.simulator.world
        tasks = [
            world.submit(video=old.video, group=old.group, priority=priority)
            for old, priority in zip(world.tasks, priorities, strict=False)
        ]
        exporter.register([task.id for task in tasks])
        self._sources |= dict.fromkeys((task.id for task in tasks), "api")
        return tasks

    def _drop(self, exporter: Exporter, forbidden: Task, deleted: Task) -> None:
        ids = (forbidden.id, *(job.id for job in forbidden.jobs))
        self.simulator.faults.add(Fault(kind="code", code="Forbidden", ids=ids))
        exporter.delete(deleted.id)
        exporter.be_refused()
        exporter.be_refused()
        self._refused += 2
        for task, reason in ((forbidden, "forbidden"), (deleted, "deleted")):
            self._dropped[reason] += 1
            del self._sources[task.id]

    def _end(self, tasks: Collection[Task], events: Events, watch: Watch) -> None:
        """Move the clock to the end of the tasks, and wait for the answers to their events."""
        self._second = max(task.ends for task in tasks) + 1
        self._events["StreamTranscodeComplete"] = sum(len(task.jobs) for task in tasks)
        self._events["TranscodeComplete"] = len(tasks)
        watch.until(lambda: len(events.accepted) >= self._events["StreamTranscodeComplete"])

    def _suspend(self, watch: Watch) -> None:
        """VOD refuses every call of an operation, for a reason that speaks of the account and not of an id."""
        fault = Fault(kind="code", action=GET_TRANSCODE_TASK, code="OperationDenied.Suspended", status=403)
        self.simulator.faults.add(fault)
        self._up = False
        watch.until_equal(self.state)
        watch.until_equal(self._counters)
        self.simulator.faults.clear()
        self._up = True
        watch.until_equal(self.state)

    def _truth(self, task_ids: Iterable[str]) -> Mapping[str, Any]:
        truth: dict[str, Any] = requests.get(f"{self.simulator.url}/simulator/truth", timeout=60).json()
        wanted = set(task_ids)
        return truth | {"tasks": [task for task in truth["tasks"] if task["task_id"] in wanted]}

    def _state(self) -> Values:
        truth = self._truth(self._sources)
        found = {
            **counts(NAME, truth, job_statuses=JOB_STATUSES, task_statuses=TASK_STATUSES),
            **single(NAME, truth),
            series(catalog.UP.name, account=NAME): float(self._up),
            series(catalog.ACCOUNT_INFO.name, account=NAME, region="cn-shanghai", endpoint=self.simulator.url): 1.0,
            series(catalog.STATE_DURABLE.name, account=NAME): 1.0,
            series(catalog.RELOAD_SUCCESSFUL.name): 1.0,
            series(catalog.BUILD_INFO.name, version=__version__, python=platform.python_version()): 1.0,
        }
        for source, count in Counter(self._sources.values()).items():
            found[series(catalog.TRACKED_TASKS.name, account=NAME, source=source)] = count
        for action in (*ACTIONS, DESCRIBE_VOD_TRANSCODE_DATA):
            found[series(catalog.API_BUDGET.name, account=NAME, action=action)] = RATE
        for specification, price in PRICES.items():
            found[series(catalog.PRICE.name, specification=specification, currency=CURRENCY)] = price
        for specification, seconds in self._billed().items():
            found[series(catalog.USAGE.name, account=NAME, specification=specification)] = seconds
        return found

    def _billed(self) -> Counter[str]:
        """Seconds of the outputs of the 24 hours that ended between two and three hours ago."""
        end = int(time.time()) // _HOUR * _HOUR - 2 * _HOUR
        seconds: Counter[str] = Counter()
        for task in self._truth(self.named)["tasks"]:
            for job in task["jobs"]:
                if job["output"] and end - 24 * _HOUR <= job["completed"] < end:
                    seconds[GRADES[job["definition"]].billed] += job["output"]["duration"]
        return seconds

    def _totals(self) -> Values:
        """Only new tasks are counted: the old ones ended before the state was created."""
        return totals(NAME, self._truth(self._counted), self.simulator, reported=self._reported)

    def _counts(self) -> Values:
        found: dict[Series, float] = {
            series(catalog.REJECTED_REQUESTS.name, path="/api/v1/tasks", reason="401"): self._refused
        }
        for action, count in dict(self.simulator.quota.calls).items():
            found[series(catalog.API_REQUESTS.name, account=NAME, action=action)] = count
            found[series(f"{catalog.API_DURATION.name}_count", account=NAME, action=action)] = count
        for fault in self.simulator.faults.listed():
            labels = {"action": GET_TRANSCODE_TASK, "code": str(fault["code"])}
            found[series(catalog.API_ERRORS.name, account=NAME, **labels)] = float(str(fault["met"]))
        for event, count in self._events.items():
            found[series(catalog.EVENTS.name, account=NAME, event=event)] = count
        for reason, count in self._dropped.items():
            found[series(catalog.DROPPED_TASKS.name, account=NAME, reason=reason)] = count
        return found


def _is_state(of: Series) -> bool:
    return of[0] in _OF_STATE and account(of) in (NAME, None)


def _is_counted(of: Series) -> bool:
    return of[0] in _COUNTED and account(of) in (NAME, None)
