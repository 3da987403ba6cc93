"""Discovery: which lists of videos it asks for, when, and what it makes of interrupted ones."""

from __future__ import annotations

from itertools import pairwise

import pytest

from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.videos import Videos
from tests.conftest import NOW, Clock

INTERVAL = 30.0
LOOKBACK = 86_400.0


@pytest.fixture
def videos(clock: Clock) -> Videos:
    return Videos(interval=INTERVAL, lookback=LOOKBACK, clock=clock)


@pytest.fixture
def discovery(videos: Videos, clock: Clock) -> Discovery:
    return Discovery(videos, interval=INTERVAL, lookback=LOOKBACK, clock=clock)


def look(discovery: Discovery) -> tuple[VideoQuery, ...]:
    """Ask all that is due, with success."""
    queries = discovery.due()
    for query in queries:
        discovery.asked(query)
        discovery.done(query, ())
    return queries


def windows(queries: tuple[VideoQuery, ...]) -> list[tuple[float, float]]:
    return sorted(query.created for query in queries if query.created is not None)


def test_the_first_look_covers_the_lookback_without_a_gap_and_asks_for_what_is_transcoding(
    discovery: Discovery,
) -> None:
    queries = look(discovery)
    parts = windows(queries)

    assert VideoQuery() in queries
    assert VideoQuery().statuses == ("Transcoding",)
    assert parts[0][0] == NOW - LOOKBACK
    assert parts[-1][1] >= NOW
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert all(end - start <= 3600.0 for start, end in parts)


def test_later_looks_cover_what_is_new_with_an_overlap(discovery: Discovery, clock: Clock) -> None:
    look(discovery)
    clock.now += INTERVAL
    ((start, end),) = windows(look(discovery))

    assert NOW - 1200 < start < NOW
    assert end >= clock.now


def test_no_question_is_asked_twice_within_the_interval(discovery: Discovery, clock: Clock) -> None:
    for query in discovery.due():
        discovery.asked(query)
    clock.now += INTERVAL - 1

    assert discovery.due() == ()


def test_what_an_interrupted_look_has_not_seen_the_next_one_covers(discovery: Discovery, clock: Clock) -> None:
    queries = discovery.due()
    lost = windows(queries)[3]
    for query in queries:
        discovery.asked(query)
        if query.created != lost:
            discovery.done(query, ())
    clock.now += INTERVAL
    parts = windows(discovery.due())

    assert len(parts) == 2
    assert parts[0] == lost
    assert parts[-1][0] < NOW < clock.now <= parts[-1][1]


def test_a_query_cut_off_goes_on_with_the_page_that_it_had_come_to(discovery: Discovery, clock: Clock) -> None:
    """A budget of a few pages a scrape must not read the same first pages for ever."""
    cut = discovery.due()[3]
    for _ in range(7):
        discovery.read(cut)
    clock.now += INTERVAL
    again = discovery.due()

    assert cut in again
    assert discovery.next_page(cut) == 8
    discovery.done(cut, ())
    assert discovery.next_page(cut) == 1
    assert cut not in discovery.due()


def test_the_list_of_what_is_transcoding_is_read_from_its_beginning(discovery: Discovery) -> None:
    """Cut in two, it could not tell what has ended."""
    discovery.read(VideoQuery())

    assert discovery.next_page(VideoQuery()) == 1


def test_an_account_that_is_down_for_hours_leaves_no_more_questions_than_the_lookback_has_hours(
    discovery: Discovery, clock: Clock
) -> None:
    for _ in range(500):
        for query in discovery.due():
            discovery.asked(query)
        clock.now += INTERVAL

    assert len(discovery.due()) <= LOOKBACK / 3600 + 2


def test_a_video_found_is_listed_and_one_that_left_the_list_of_transcoding_ones_again(
    discovery: Discovery, videos: Videos
) -> None:
    discovery.found("v", status="Transcoding", created=NOW - 5000)
    assert videos.due() == ("v",)
    videos.listed("v")
    assert videos.due() == ()
    discovery.done(VideoQuery(), ())
    assert videos.due() == ("v",)
