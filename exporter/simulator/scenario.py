"""Scenarios: how many tasks arrive, how long they take, how many fail, and how the service itself is.

Times are world seconds, but for those of the service, which are ours: a world that runs faster has no shorter outages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from itertools import count
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Begins `after` seconds, `lasts`, and begins again `every` so many seconds after it began. Seconds of ours."""

    after: float
    lasts: float
    every: float

    def on(self, seconds: float) -> bool:
        """Whether the service is out, `seconds` after its start."""
        return seconds >= self.after and (seconds - self.after) % self.every < self.lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`duration_scale` stretches the life of a job; `history` is how long the world has run when it starts.

    Of the jobs that do not fail, `stuck_share` stop on the way and never end, and `odd_output_share` succeed with an
    output of no bytes or a tenth of its bitrate. `quota_taken` is the share of the account's quota that its other
    applications take, at most. An `outage` is when, after the start, the service goes, for how long, and after how long
    it goes again.
    """

    tasks_per_minute: float = 5.0
    burst_every: float | None = None
    burst_tasks: int = 0
    job_failure_share: float = 0.04
    task_failure_share: float = 0.005
    bad_source_share: float = 0.01
    retranscode_share: float = 0.04
    asynchronous_share: float = 0.2
    stuck_share: float = 0.0
    odd_output_share: float = 0.0
    quota_taken: float = 0.0
    outage: Outage | None = None
    duration_scale: float = 1.0
    history: float = 3600.0


# So that what there is to see in a scenario stands alone.
_FAULTLESS = Scenario(job_failure_share=0.0, task_failure_share=0.0, bad_source_share=0.0)

SCENARIOS = {
    "steady": Scenario(),
    "burst": Scenario(tasks_per_minute=1.0, burst_every=900.0, burst_tasks=80),
    "failures": Scenario(job_failure_share=0.3, task_failure_share=0.1, bad_source_share=0.15, odd_output_share=0.05),
    "stuck": replace(_FAULTLESS, stuck_share=0.1),
    "throttled": replace(_FAULTLESS, tasks_per_minute=20.0, quota_taken=0.95),
    "outage": replace(_FAULTLESS, outage=Outage(after=120.0, lasts=900.0, every=1800.0)),
}


def named(name: str) -> Scenario:
    """Raises `ValueError`, naming the known ones, for an unknown name."""
    try:
        return SCENARIOS[name]
    except KeyError:
        raise ValueError(f"unknown scenario {name!r}; known are {', '.join(sorted(SCENARIOS))}") from None


def arrivals(scenario: Scenario, *, seed: int) -> Iterator[float]:
    """When tasks arrive, in order, without end."""
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
        # A batch upload: all of it within ten seconds.
        begin = number * scenario.burst_every - scenario.history
        yield from sorted(begin + rng.uniform(0, 10) for _ in range(scenario.burst_tasks))
