"""Scenarios: how many tasks arrive, how long they take and how many fail. Times are world seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import count
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`duration_scale` stretches the life of a job; `history` is how long the world has run when it starts."""

    tasks_per_minute: float = 5.0
    burst_every: float | None = None
    burst_tasks: int = 0
    job_failure_share: float = 0.04
    task_failure_share: float = 0.005
    bad_source_share: float = 0.01
    retranscode_share: float = 0.04
    asynchronous_share: float = 0.2
    duration_scale: float = 1.0
    history: float = 3600.0


SCENARIOS = {
    "steady": Scenario(),
    "burst": Scenario(tasks_per_minute=1.0, burst_every=900.0, burst_tasks=80),
    "failures": Scenario(job_failure_share=0.3, task_failure_share=0.1, bad_source_share=0.15),
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
