"""Marks: every change the store needs, and none it does not need."""

from __future__ import annotations

from exporter.tracking.marks import Marks


def of(marks: Marks) -> tuple[list[str], list[str]]:
    return list(marks.changed), list(marks.dropped)


def test_a_record_that_is_added_and_dropped_before_a_save_leaves_no_mark() -> None:
    marks = Marks()
    marks.add("a")
    marks.change("a")
    marks.drop("a")

    assert of(marks) == ([], [])
    assert not marks


def test_a_saved_record_is_dropped_even_if_it_is_added_and_dropped_again() -> None:
    marks = Marks()
    marks.add("a")
    marks.clear()
    marks.drop("a")
    dropped = of(marks)
    marks.add("a")
    back = of(marks)
    marks.drop("a")

    assert dropped == ([], ["a"])
    assert back == (["a"], [])
    assert of(marks) == ([], ["a"])


def test_a_loaded_record_can_be_changed_and_dropped() -> None:
    marks = Marks()
    marks.change("a")
    changed = of(marks)
    marks.drop("a")

    assert changed == (["a"], [])
    assert of(marks) == ([], ["a"])
