"""Marks: every change the store needs, and none it does not need."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

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
    marks.take()
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


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["put", "drop", "save", "fail"]), st.sampled_from("abc")), min_size=1, max_size=30
    )
)
def test_marks_tell_the_store_what_there_is_though_some_saves_fail(steps: list[tuple[str, str]]) -> None:
    """A save takes the marks, then more is marked, then the save succeeds or fails."""
    marks, present, store = Marks(), dict[str, int](), {"a": 0}
    present |= store
    taken: Marks | None = None

    def finish(*, saved: bool) -> None:
        nonlocal taken
        if taken is None:
            return
        if saved:
            assert set(taken.dropped) <= store.keys()
            store.update({key: values[key] for key in taken.changed})
            for key in taken.dropped:
                del store[key]
        else:
            marks.restore(taken)
        taken = None

    for number, (step, name) in enumerate(steps, 1):
        if step == "put":
            (marks.change if name in present else marks.add)(name)
            present[name] = number
        elif step == "drop":
            if present.pop(name, None) is not None:
                marks.drop(name)
        else:
            finish(saved=step == "save")
            taken, values = marks.take(), dict(present)
    finish(saved=True)
    taken, values = marks.take(), dict(present)
    finish(saved=True)

    assert store == present
