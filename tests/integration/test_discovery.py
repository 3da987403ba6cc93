"""Discovery finds all tasks of listed videos within two intervals."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from exporter import config, wiring
from exporter.deadline import Deadline
from exporter.keys import Key
from exporter.metrics.telemetry import Telemetry
from exporter.scrape.scraper import Scraper
from exporter.simulator.server import Simulator
from exporter.tracking.store import MemoryStore
from tests.conftest import Simulators

pytestmark = pytest.mark.slow

INTERVAL = 5.0


@pytest.fixture
def simulator(simulators: Simulators) -> Simulator:
    return simulators(quota=math.inf, speed=20.0, history=600.0)


@pytest.fixture
def scraper(simulator: Simulator) -> Iterator[Scraper]:
    keys = config.AccountKeys(access_key_id=Key("simulator"), access_key_secret=Key("simulator"))
    account = config.Account(
        name="prod",
        endpoint=simulator.url,
        credentials=keys,
        requests_per_second=100.0,
        track=config.Track(discovery=config.Discovery(interval=INTERVAL)),
    )
    settings = config.Settings(accounts=(account,), scrape=config.ScrapeSettings(min_interval=0.0))
    with closing(wiring.scraper(settings, Telemetry(), MemoryStore())) as made:
        yield made


def test_every_task_of_a_listed_video_is_found_within_two_intervals(simulator: Simulator, scraper: Scraper) -> None:
    """Also tasks from before the start, new tasks, and tasks of videos that stay `Normal` while they transcode."""
    began = time.monotonic()
    while time.monotonic() < began + INTERVAL:
        scraper.scrape(Deadline.after(10))
        time.sleep(0.5)
    simulator.clock.freeze()
    known = {task.id for task in simulator.world.tasks}
    end = time.monotonic() + 2 * INTERVAL
    while time.monotonic() < end:
        scraper.scrape(Deadline.after(10))
        time.sleep(0.5)
    view = scraper.scrape(Deadline.after(10)).accounts[0].view

    assert len(known) > 60
    assert any(task.video.asynchronous for task in simulator.world.tasks)
    assert known - {shown.task.id for shown in view.tasks} == set()
