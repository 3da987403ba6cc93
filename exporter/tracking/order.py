"""Ids in the order of a number that mostly grows: a time, or the number of a call."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice, takewhile


class Order:
    """Ids in the ascending order of their numbers; of equal numbers, in the order in which they came.

    Numbers mostly come in ascending order, so that hardly anything is ever sorted: only after the clock was set back.
    Not safe to use from several threads.
    """

    __slots__ = ("_highest", "_numbers", "_sorted")

    def __init__(self) -> None:
        self._numbers: dict[str, float] = {}
        self._highest = -math.inf
        self._sorted = True

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._in_order())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._in_order())

    def put(self, id_: str, number: float) -> None:
        """Give the id this number from now on."""
        numbers = self._numbers
        if id_ in numbers:
            if numbers[id_] == number:
                return
            del numbers[id_]  # so that it comes last
        numbers[id_] = number
        if number >= self._highest:
            self._highest = number
        else:
            self._sorted = False

    def drop(self, id_: str) -> float | None:
        """Forget the id. Returns its number; None if it was not there."""
        return self._numbers.pop(id_, None)

    def lowest(self, *, skip: int = 0) -> float | None:
        """The lowest number, after `skip` others; None if there is none."""
        return next(islice(self._in_order().values(), skip, None), None)

    def first(self, holds: Callable[[float], bool]) -> list[str]:
        """The ids from the lowest number on, as long as this holds of their numbers. Looks at no others."""
        return [id_ for id_, _ in takewhile(lambda item: holds(item[1]), self._in_order().items())]

    def last(self, holds: Callable[[float], bool]) -> list[str]:
        """The ids from the highest number down, as long as this holds of their numbers. Looks at no others."""
        return [id_ for id_, _ in takewhile(lambda item: holds(item[1]), reversed(self._in_order().items()))]

    def _in_order(self) -> dict[str, float]:
        if not self._sorted:
            self._numbers = dict(sorted(self._numbers.items(), key=lambda item: item[1]))
            self._highest = next(reversed(self._numbers.values()), -math.inf)
            self._sorted = True
        return self._numbers
