"""Decides how many accounts a replica takes, so that the replicas get even shares without a scheduler."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence


def to_take(
    free: Mapping[str, float], *, replica: str, held: int, wanted: int, replicas: int, heartbeat: float
) -> tuple[Sequence[str], int]:
    """The free accounts in the order in which this replica tries to take them, and how many of them it takes.

    `free` has for each how many seconds it has been free. Up to an even share is taken at once, the remainder of the
    division one by one, and what was free for two heartbeats by anybody. Each replica has its own order, so that two
    rarely try the same account.
    """
    share, remainder = divmod(wanted, replicas)
    order = sorted(free, key=lambda name: (-(free[name] >= 2 * heartbeat), _place(replica, name)))
    count = max(0, share - held)
    if held == share and 0 < len(free) <= remainder and max(free.values()) >= heartbeat:
        count = 1
    return order, max(count, sum(seconds >= 2 * heartbeat for seconds in free.values()))


def _place(replica: str, account: str) -> bytes:
    return hashlib.sha256(f"{replica} {account}".encode()).digest()
