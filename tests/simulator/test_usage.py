"""What the simulated VOD has billed: successful outputs, by specification and by closed hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from exporter.simulator.scenario import SCENARIOS
from exporter.simulator.state import job_state
from exporter.simulator.templates import GRADES
from exporter.simulator.usage import HOUR, billed, by_hour
from exporter.simulator.world import World
from tests.simulator.conftest import hand_world

UNIX_ZERO = 1_700_000_000  # world second 0
FAILURES = replace(SCENARIOS["failures"], history=3 * 3600.0)


def grown() -> World:
    """A world with three hours of history."""
    world, _ = hand_world(scenario=FAILURES)
    with world.lock:
        world.advance()
    return world


def test_only_successful_outputs_are_billed_with_their_playing_time() -> None:
    world = grown()
    states = [(job, job_state(job, 0.0).status) for task in world.tasks for job in task.jobs]
    expected: Counter[str] = Counter()
    for job, status in states:
        if status == "TranscodeSuccess":
            expected[GRADES[job.template.definition].billed] += job.output.duration
    assert billed(world.tasks, 0.0) == expected
    assert {"TranscodeSuccess", "TranscodeFail", "Transcoding"} <= {status for _, status in states}


def test_nothing_is_billed_before_the_first_job_has_ended() -> None:
    world = grown()
    assert billed(world.tasks, -FAILURES.history) == Counter()


def test_hours_add_up_to_what_was_billed_before_the_current_hour() -> None:
    world = grown()
    hours = by_hour(world, 0.0, start=0, end=UNIX_ZERO)
    current = UNIX_ZERO // HOUR * HOUR
    assert sum(hours.values(), Counter()) == billed(world.tasks, current - UNIX_ZERO - 0.001)
    assert list(hours) == sorted(hours)
    assert all(hour % HOUR == 0 and hour < current for hour in hours)


def test_only_hours_between_start_and_end_are_reported() -> None:
    world = grown()
    hours = by_hour(world, 0.0, start=0, end=UNIX_ZERO)
    first, second, *_ = hours
    assert list(by_hour(world, 0.0, start=first + 1, end=UNIX_ZERO)) == list(hours)[1:]
    assert list(by_hour(world, 0.0, start=0, end=second - 1)) == [first]
