"""Garbage: Python looks for it between scrapes, and not while the state is loaded."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import pytest

from exporter import garbage
from exporter.garbage import Garbage

DAY = 86_400.0


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of Python's collector."""
    asked: list[Any] = []
    names = ("disable", "enable", "freeze", "unfreeze", "collect")
    fake = {name: lambda name=name: asked.append(name) for name in names}
    thresholds = {"get_threshold": lambda: (700, 10, 10), "set_threshold": lambda *counts: asked.append(counts)}
    monkeypatch.setattr(garbage, "gc", SimpleNamespace(**fake, **thresholds))
    return asked


def test_nothing_is_collected_while_the_state_is_loaded_and_it_is_left_out_later(done: list[Any]) -> None:
    with Garbage().start():
        done.append("loaded")

    assert done == ["disable", "loaded", "freeze", (700, 10, 1000), "enable"]


def test_a_start_that_fails_leaves_the_collector_on() -> None:
    before = gc.get_threshold()
    try:
        with pytest.raises(ValueError, match="no state"), Garbage().start():
            raise ValueError("no state")
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def test_garbage_is_collected_every_ten_minutes_and_all_of_it_once_a_day_and_after_a_reload(done: list[Any]) -> None:
    now = 1000.0
    kept = Garbage(clock=lambda: now)
    collected: list[list[Any]] = []
    for seconds in (599.0, 1.0, 599.0, DAY, 600.0, 1.0):
        now += seconds
        kept.between_scrapes()
        collected.append([*done])
        done.clear()
    kept.reloaded()
    kept.between_scrapes()

    some, everything = ["collect", "freeze"], ["unfreeze", "collect", "freeze"]
    assert collected == [[], some, [], everything, some, []]
    assert done == everything
