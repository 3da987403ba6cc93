"""Each oddity stands on its share of ids, independently of the others, and always on the same ones."""

from __future__ import annotations

from itertools import combinations

import pytest

from exporter.simulator.quirks import SHARES, has

_IDS = [f"{number:032x}" for number in range(4000)]


@pytest.mark.no_cover
def test_each_quirk_has_its_share_and_is_always_the_same() -> None:
    for quirk, share in SHARES.items():
        hits = [has(quirk, of) for of in _IDS]
        assert hits == [has(quirk, of) for of in _IDS]
        assert abs(sum(hits) / len(hits) - share) < 0.03, quirk


def test_quirks_are_independent_of_each_other() -> None:
    hits = {quirk: [has(quirk, of) for of in _IDS] for quirk in SHARES}
    for first, second in combinations(SHARES, 2):
        both = sum(a and b for a, b in zip(hits[first], hits[second], strict=True))
        assert both > 0, (first, second)
        assert abs(both / len(_IDS) - SHARES[first] * SHARES[second]) < 0.03, (first, second)
