"""The order of ids by a number that mostly grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.tracking.order import Order


def order_of(**numbers: float) -> Order:
    order = Order()
    for id_, number in numbers.items():
        order.put(id_, number)
    return order


def test_an_id_with_a_new_number_moves_and_one_with_the_same_number_stays() -> None:
    order = order_of(a=1, b=1, c=2)
    order.put("a", 1)
    stays = list(order)
    order.put("a", 2)

    assert stays == ["a", "b", "c"]
    assert list(order) == ["b", "c", "a"]


def test_only_ids_whose_numbers_hold_are_looked_at() -> None:
    order, seen = order_of(a=1, b=2, c=3, d=4), list[float]()

    def is_low(number: float) -> bool:
        seen.append(number)
        return number < 2

    assert order.first(is_low) == ["a"]
    assert seen == [1, 2]
    assert order.last(lambda number: number > 2) == ["d", "c"]


def test_the_lowest_number_is_none_without_ids() -> None:
    order = order_of(a=3, b=4)

    assert (order.lowest(), order.lowest(skip=1), order.lowest(skip=2)) == (3, 4, None)
    assert (order.drop("a"), order.drop("a")) == (3, None)
    assert (len(order), "a" in order, "b" in order) == (1, False, True)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 5))))
def test_the_order_is_that_of_the_numbers_in_any_history(changes: list[tuple[str, int | None]]) -> None:
    """Also if the numbers become lower, as times do when the clock is set back."""
    order, numbers = Order(), dict[str, int]()
    for id_, number in changes:
        if number is None:
            assert order.drop(id_) == numbers.pop(id_, None)
            continue
        if numbers.get(id_) != number:
            numbers.pop(id_, None)
        numbers[id_] = number
        order.put(id_, number)
        expected = sorted(numbers, key=numbers.__getitem__)
        assert list(order) == expected
        assert list(reversed(order)) == expected[::-1]
        numbers = {id_: numbers[id_] for id_ in expected}
