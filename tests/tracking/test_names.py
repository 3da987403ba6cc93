"""Names: which tasks sources name now, and which of them must not be tracked."""

from __future__ import annotations

import pytest

from exporter.tracking.names import Names


@pytest.fixture
def names() -> Names:
    return Names()


def test_a_key_names_its_last_tasks_and_no_others(names: Names) -> None:
    names.name("x", ["a", "b"])
    names.name("y", ["b", "c"])
    both = names.current()
    names.name("x", [])

    assert both == {"a", "b", "c"}
    assert names.current() == {"b", "c"}


def test_a_dropped_task_is_not_allowed_while_the_same_keys_name_it(names: Names) -> None:
    names.name("x", ["a", "b"])
    names.drop("a")
    names.name("x", ["a", "b", "c"])
    names.current()

    assert [names.allowed(task_id) for task_id in "abc"] == [False, True, True]


@pytest.mark.parametrize("key", ["x", "y"], ids=["a key that named it before", "another key"])
def test_a_dropped_task_is_allowed_when_a_key_starts_to_name_it(names: Names, key: str) -> None:
    names.name("x", ["a"])
    names.drop("a")
    if key == "x":
        names.name("x", [])
    names.name(key, ["a"])

    assert names.allowed("a")


def test_a_dropped_task_is_allowed_on_request(names: Names) -> None:
    names.name("x", ["a", "b"])
    names.drop("a")
    names.drop("b")
    names.allow(["a", "never dropped"])

    assert (names.allowed("a"), names.allowed("b")) == (True, False)


def test_a_dropped_task_that_nothing_names_needs_no_mark(names: Names) -> None:
    """Otherwise a process that runs for years would keep every id that was ever deleted."""
    names.name("x", ["a"])
    names.drop("a")
    names.drop("never named")
    names.name("x", [])
    names.current()

    assert names._dropped == set()
