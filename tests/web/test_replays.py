"""Accepted events are remembered by signature, for as long as the signature is accepted."""

from __future__ import annotations

from exporter.vod.events import MAX_AGE_SECONDS
from exporter.web.replays import Replays, digest

NOW = 1_773_992_957.0
TIMESTAMP = f"{NOW:.0f}"


def test_each_account_and_second_has_events_of_its_own() -> None:
    replays = Replays()
    replays.signed("prod", TIMESTAMP, now=NOW).add(digest(b"{}"))

    assert replays.signed("prod", TIMESTAMP, now=NOW) == {digest(b"{}")}
    assert replays.signed("test", TIMESTAMP, now=NOW) == set()
    assert replays.signed("prod", f"{NOW - 1:.0f}", now=NOW) == set()


def test_different_bodies_have_different_digests_of_the_same_size() -> None:
    assert digest(b"{}") != digest(b"{} ")
    assert len(digest(b"")) == len(digest(b"x" * 2**20))


def test_events_are_forgotten_when_their_signature_is_too_old() -> None:
    """So the memory is bounded."""
    replays = Replays()
    replays.signed("prod", TIMESTAMP, now=NOW).add(digest(b"{}"))
    later = NOW + MAX_AGE_SECONDS
    replays.signed("prod", f"{later:.0f}", now=later)
    kept = replays.signed("prod", TIMESTAMP, now=later)
    replays.signed("prod", f"{later + 1:.0f}", now=later + 1)

    assert kept == {digest(b"{}")}
    assert replays.signed("prod", TIMESTAMP, now=later + 1) == set()
