"""Videos move between shelves and are found by status and time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.shelves import Shelves

moves = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["Transcoding", "Normal", "TranscodeFail"])))
bounds = st.none() | st.integers(-1, 11)


@given(moves, st.sets(st.sampled_from(["Transcoding", "Normal", "TranscodeFail", "Blocked"])), bounds, bounds)
def test_select_is_a_filter_over_all_videos(
    moves: list[tuple[int, str]], statuses: set[str], start: int | None, end: int | None
) -> None:
    shelves = Shelves()
    last: dict[tuple[int, str], str] = {}
    for number, status in moves:
        key = (number // 2, f"video-{number}")
        shelves.put(key, status)
        last[key] = status
    expected = sorted(
        key
        for key, status in last.items()
        if (not statuses or status in statuses)
        and (start is None or start <= key[0])
        and (end is None or key[0] <= end)
    )
    assert expected == shelves.select(statuses, start=start, end=end)
    assert all(shelves.status(key[1]) == status for key, status in last.items())
