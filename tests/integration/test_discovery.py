"""Discovery finds all tasks of listed videos within two intervals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.simulator.scenario import SCENARIOS
from tests.integration.lab import INTERVAL, lab


@pytest.mark.slow
def test_every_task_of_a_listed_video_is_found_within_two_intervals() -> None:
    """Also tasks from before the start, new tasks, and tasks of videos that stay `Normal` while they transcode."""
    with lab(replace(SCENARIOS["steady"], history=600.0)) as made:
        made.scrape()
        made.live(20 * INTERVAL)
        known = list(made.simulator.world.tasks)
        made.live(2 * INTERVAL)
        found = {shown.task.id for shown in made.ledger.view().tasks}

    assert len(known) > 60
    assert any(task.video.asynchronous for task in known)
    assert {task.id for task in known} - found == set()
