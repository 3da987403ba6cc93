"""Turns: everything is asked about once in a refresh, what was asked about longest ago first."""

from __future__ import annotations

from exporter.tracking.turns import Turns


def turns_of(**asked: int) -> Turns:
    turns = Turns()
    for id_, number in asked.items():
        turns.put(id_, number)
    return turns


def test_what_the_present_refresh_asked_about_is_due_in_the_next_one() -> None:
    turns = turns_of(a=0, b=0, c=0)
    turns.put("a", 1)
    turns.put("b", 2)
    now = list(turns.due)
    turns.refresh(1)
    some = list(turns.due)
    turns.refresh(2)

    assert (now, some) == (["c"], ["c", "a"])
    assert list(turns.due) == ["c", "a", "b"]


def test_an_id_is_there_once() -> None:
    turns = turns_of(a=0)
    turns.put("a", 1)
    turns.refresh(1)
    turns.put("a", 1)

    assert list(turns.due) == ["a"]
    turns.drop("a")
    assert "a" not in turns
    turns.refresh(2)
    assert list(turns.due) == []
