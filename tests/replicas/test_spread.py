"""How many accounts a replica takes."""

from __future__ import annotations

import pytest

from exporter.replicas.spread import to_take

NAMES = [f"account-{number}" for number in range(10)]


def taken(*, free: int, held: int, replicas: int, seconds: float = 0.0) -> int:
    order, count = to_take(
        dict.fromkeys(NAMES[:free], seconds), replica="a", held=held, wanted=10, replicas=replicas, heartbeat=2.0
    )
    assert sorted(order) == sorted(NAMES[:free])
    return min(count, free)


@pytest.mark.parametrize(
    ("free", "held", "replicas", "seconds", "expected"),
    [
        (10, 0, 1, 0.0, 10),
        (10, 0, 3, 0.0, 3),  # an even share
        (4, 3, 3, 0.0, 0),
        (4, 3, 3, 2.0, 0),  # others have not taken theirs yet
        (1, 3, 3, 0.0, 0),
        (1, 3, 3, 2.0, 1),  # one of the remainder, after a heartbeat
        (4, 4, 3, 2.0, 0),
        (4, 4, 3, 4.0, 4),  # nobody else has taken them for two heartbeats
        (5, 5, 1, 0.0, 5),  # the other replica has ended
        (2, 0, 20, 0.0, 0),
        (2, 0, 20, 2.0, 1),
    ],
)
def test_a_replica_takes_its_even_share_and_what_stays_free(
    free: int, held: int, replicas: int, seconds: float, expected: int
) -> None:
    assert taken(free=free, held=held, replicas=replicas, seconds=seconds) == expected


def test_each_replica_tries_accounts_in_an_order_of_its_own_and_the_longest_free_first() -> None:
    free = dict.fromkeys(NAMES, 0.0) | {"account-7": 9.0}
    orders = [to_take(free, replica=name, held=0, wanted=10, replicas=2, heartbeat=2.0)[0] for name in ("a", "b")]

    assert orders[0] != orders[1]
    assert [order[0] for order in orders] == ["account-7"] * 2
