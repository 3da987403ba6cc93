"""The tasks and videos that the configuration names."""

from __future__ import annotations

from exporter.tracking.ledger import Ledger
from exporter.tracking.sources import Static
from exporter.tracking.videos import Videos
from tests.conftest import Clock


def test_configured_tasks_and_videos_are_named_with_the_source_of_their_kind() -> None:
    clock = Clock()
    ledger, videos = Ledger(clock=clock), Videos(clock=clock)
    Static(tasks=["t", "u"], videos=["v"]).name(ledger, videos)

    assert ledger.view().tracked_tasks["tasks"] == 2
    assert videos.source("v") == "videos"
    assert videos.is_named("v")


def test_naming_at_each_refresh_adds_nothing_twice() -> None:
    clock = Clock()
    ledger, videos = Ledger(clock=clock), Videos(clock=clock)
    static = Static(tasks=iter(["t"]), videos=iter(["v"]))
    static.name(ledger, videos)
    static.name(ledger, videos)

    assert sum(ledger.view().tracked_tasks.values()) == 1
    assert videos.is_named("v")


def test_a_configuration_without_ids_names_nothing() -> None:
    clock = Clock()
    ledger, videos = Ledger(clock=clock), Videos(clock=clock)
    Static().name(ledger, videos)

    assert not any(ledger.view().tracked_tasks.values())
    assert not videos.is_named("v")
