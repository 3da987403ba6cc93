"""Discovery: which lists of videos it asks for, when, and how it continues interrupted ones."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from exporter.tracking.discovery import Discovery, VideoQuery
from exporter.tracking.videos import Videos
from tests.conftest import NOW, Clock
from tests.tracking.conftest import due

INTERVAL = 30.0
LOOKBACK = 86_400.0


@pytest.fixture
def videos(clock: Clock) -> Videos:
    return Videos(interval=INTERVAL, lookback=LOOKBACK, clock=clock)


@pytest.fixture
def discovery(videos: Videos, clock: Clock) -> Discovery:
    return Discovery(videos, interval=INTERVAL, lookback=LOOKBACK, clock=clock)


def make_all(discovery: Discovery) -> tuple[VideoQuery, ...]:
    """Make all queries that are due. All are answered."""
    queries = discovery.due()
    for query in queries:
        discovery.asked(query)
        discovery.done(query, ())
    return queries


def windows(queries: tuple[VideoQuery, ...]) -> list[tuple[float, float]]:
    return sorted(query.created for query in queries if query.created is not None)


def test_the_first_queries_cover_the_lookback_and_all_videos_that_are_transcoding(
    discovery: Discovery,
) -> None:
    queries = make_all(discovery)
    parts = windows(queries)

    assert VideoQuery() in queries
    assert VideoQuery().statuses == ("Transcoding",)
    assert parts[0][0] == NOW - LOOKBACK
    assert parts[-1][1] >= NOW
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert all(end - start <= 3600.0 for start, end in parts)


def test_later_queries_cover_new_videos_with_an_overlap(discovery: Discovery, clock: Clock) -> None:
    make_all(discovery)
    clock.now += INTERVAL
    ((start, end),) = windows(make_all(discovery))

    assert NOW - 1200 < start < NOW
    assert end >= clock.now


def test_no_query_is_made_twice_within_the_interval(discovery: Discovery, clock: Clock) -> None:
    for query in discovery.due():
        discovery.asked(query)
    clock.now += INTERVAL - 1

    assert discovery.due() == ()


def test_a_query_that_was_not_answered_is_made_again(discovery: Discovery, clock: Clock) -> None:
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


def test_an_interrupted_query_continues_with_the_oldest_video_that_was_read(discovery: Discovery, clock: Clock) -> None:
    """With a budget of a few pages per scrape, the same first pages must not be read again and again."""
    cut = discovery.due()[3]
    assert cut.created is not None
    start, end = cut.created
    for oldest in (end - 60, math.inf, end - 120, end - 90):
        discovery.read(cut, oldest=oldest)
    clock.now += INTERVAL
    again = discovery.due()

    assert cut in again
    assert discovery.unread(cut) == (start, end - 119)
    discovery.read(cut, oldest=start - 60)
    assert discovery.unread(cut) == (start, start + 1)
    discovery.done(cut, ())
    assert discovery.unread(cut) == cut.created
    assert cut not in discovery.due()


def test_the_list_of_transcoding_videos_is_always_read_from_its_start(discovery: Discovery) -> None:
    """Only a whole list shows which videos are not transcoding now."""
    discovery.read(VideoQuery(), oldest=NOW - 60)

    assert discovery.unread(VideoQuery()) is None


def test_the_total_of_the_transcoding_videos_is_known_while_it_is_recent(discovery: Discovery, clock: Clock) -> None:
    before = discovery.totals
    discovery.counted(VideoQuery(), 6000)
    discovery.counted(VideoQuery((NOW - 60, NOW)), 7000)
    known = discovery.totals
    clock.now += INTERVAL + 301

    assert (before, known, discovery.totals) == ({}, {"Transcoding": 6000}, {})


def test_after_hours_without_answers_there_are_no_more_queries_than_hours(discovery: Discovery, clock: Clock) -> None:
    for _ in range(500):
        for query in discovery.due():
            discovery.asked(query)
        clock.now += INTERVAL

    assert len(discovery.due()) <= LOOKBACK / 3600 + 2


def test_a_found_video_is_listed_and_again_when_its_transcoding_has_ended(discovery: Discovery, videos: Videos) -> None:
    discovery.found("v", status="Transcoding", created=NOW - 5000)
    assert due(videos) == ("v",)
    videos.listed("v", ())
    assert due(videos) == ()
    discovery.done(VideoQuery(), ())
    assert due(videos) == ("v",)
