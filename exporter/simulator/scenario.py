"""Scenarios: how many tasks arrive, how long they take, how many fail, and when the service is down.

Times are world seconds, except those of an outage, which are real seconds: a faster world has no shorter outages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from itertools import count
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The first outage starts after `after` seconds, each lasts `lasts`, and one starts every `every` seconds."""

    after: float
    lasts: float
    every: float

    def on(self, seconds: float) -> bool:
        """Whether the service is down, `seconds` after its start."""
        return seconds >= self.after and (seconds - self.after) % self.every < self.lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scenario. A `share` is a probability from 0 to 1.

    `duration_scale` multiplies the waiting and running time of jobs. `history` is how many world seconds have
    passed at the start. Of the jobs that do not fail, `stuck_share` stop and never end, `suspicious_output_share`
    succeed with a suspicious output, and `skipped_share` end in a status that VOD does not document. `quota_taken`
    is the largest share of the account's quota that other applications use. In the first `visible_after` seconds of
    a task, VOD shows only the status of its video. `priority_share` is the share of tasks
    that have another priority than 6, the default.
    """

    tasks_per_minute: float = 5.0
    burst_every: float | None = None
    burst_tasks: int = 0
    job_failure_share: float = 0.04
    task_failure_share: float = 0.005
    bad_source_share: float = 0.01
    retranscode_share: float = 0.04
    asynchronous_share: float = 0.2
    priority_share: float = 0.2
    stuck_share: float = 0.0
    suspicious_output_share: float = 0.0
    skipped_share: float = 0.0
    quota_taken: float = 0.0
    outage: Outage | None = None
    visible_after: float = 0.0
    duration_scale: float = 1.0
    history: float = 3600.0


# Without other faults, so that each scenario shows only its own.
_FAULTLESS = Scenario(job_failure_share=0.0, task_failure_share=0.0, bad_source_share=0.0)

SCENARIOS = {
    "steady": Scenario(),
    "burst": Scenario(tasks_per_minute=1.0, burst_every=900.0, burst_tasks=80),
    "failures": Scenario(
        job_failure_share=0.3, task_failure_share=0.1, bad_source_share=0.15, suspicious_output_share=0.05
    ),
    "stuck": replace(_FAULTLESS, stuck_share=0.1),
    "throttled": replace(_FAULTLESS, tasks_per_minute=20.0, quota_taken=0.95),
    "outage": replace(_FAULTLESS, outage=Outage(after=120.0, lasts=900.0, every=1800.0)),
    "late": replace(_FAULTLESS, visible_after=90.0),
}


def named(name: str) -> Scenario:
    """Return the scenario of this name. Raises `ValueError`, which lists the names, if there is none."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise ValueError(f"unknown scenario {name!r}; known are {', '.join(sorted(SCENARIOS))}") from None


def arrivals(scenario: Scenario, *, seed: int) -> Iterator[float]:
    """The world seconds at which tasks arrive: an endless iterator in order of time."""
    return merge(_steady(scenario, Random(f"{seed}/steady")), _bursts(scenario, Random(f"{seed}/bursts")))


def _steady(scenario: Scenario, rng: Random) -> Iterator[float]:
    at = -scenario.history
    while True:
        at += rng.expovariate(scenario.tasks_per_minute / 60)
        yield at


def _bursts(scenario: Scenario, rng: Random) -> Iterator[float]:
    if scenario.burst_every is None:
        return
    for number in count(1):
        # A batch upload: all tasks arrive within ten seconds.
        begin = number * scenario.burst_every - scenario.history
        yield from sorted(begin + rng.uniform(0, 10) for _ in range(scenario.burst_tasks))
