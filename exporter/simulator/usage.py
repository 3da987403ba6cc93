"""What the simulated VOD has billed: seconds of successful outputs, by specification and by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from exporter.simulator.plan import Job, Task
from exporter.simulator.state import job_state
from exporter.simulator.templates import GRADES
from exporter.simulator.world import World

HOUR = 3600


def billed(tasks: Iterable[Task], now: float) -> Counter[str]:
    """Seconds by specification, up to the world second `now`. Failed jobs are free."""
    seconds: Counter[str] = Counter()
    for job, _ in _successes(tasks, now):
        seconds[GRADES[job.template.definition].billed] += job.output.duration
    return seconds


def by_hour(world: World, now: float, *, start: int, end: int) -> dict[int, Counter[str]]:
    """Seconds by specification for each closed hour that starts from `start` to `end`, all in Unix seconds."""
    closed = world.unix_seconds(now) // HOUR * HOUR
    hours: dict[int, Counter[str]] = {}
    for job, completed in _successes(world.tasks, now):
        hour = world.unix_seconds(completed) // HOUR * HOUR
        if start <= hour <= end and hour < closed:
            hours.setdefault(hour, Counter())[GRADES[job.template.definition].billed] += job.output.duration
    return dict(sorted(hours.items()))


def _successes(tasks: Iterable[Task], now: float) -> Iterator[tuple[Job, float]]:
    """Each job that has succeeded, and the world second when it did."""
    for task in tasks:
        for job in task.jobs:
            state = job_state(job, now)
            if state.status == "TranscodeSuccess" and state.completed is not None:
                yield job, state.completed
