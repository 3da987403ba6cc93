"""Saves are timed, and an error says that the state does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.errors import StateError
from exporter.tracking.measured import MeasuredStore
from exporter.tracking.sqlite import SqliteStore
from exporter.tracking.store import Changes


def test_each_save_is_timed_and_an_error_is_reported_until_the_next_answer(tmp_path: Path) -> None:
    answers: list[bool] = []
    saves: list[float] = []
    file = SqliteStore(tmp_path / "state.db")
    store = MeasuredStore(file, answered=answers.append, saved=saves.append)
    store.load("prod", now=1.0)
    store.save("prod", Changes(now=1.0))
    assert store.remembered("prod", ["t"]) == {}

    assert (answers, len(saves)) == ([True] * 4, 1)

    store.close()
    with pytest.raises(StateError):
        store.save("prod", Changes(now=1.0))

    assert (answers[-1], len(saves)) == (False, 1)
