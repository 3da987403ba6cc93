"""Ids that may not be read, and operations that may not be called."""

from __future__ import annotations

import pytest

from exporter.scrape import forbidden
from exporter.scrape.forbidden import Forbidden

GET, LIST = "GetTranscodeTask", "ListTranscodeTask"


def test_an_id_is_forbidden_after_two_refusals_with_an_answer_in_between() -> None:
    ids = Forbidden()
    ids.answered(GET, "other")
    first = ids.refused(GET, "id")
    ids.answered(GET, "other")

    assert (first, ids.refused(GET, "id")) == (False, True)


def test_without_an_answer_in_between_the_operation_is_forbidden() -> None:
    """A permission that is taken away while the exporter runs must not cost any task."""
    ids = Forbidden()
    for number in range(100):
        ids.answered(GET, f"id-{number}")
    refused = [ids.refused(GET, f"id-{number}") for number in range(100) for _ in range(3)]
    ids.answered(LIST, "video")

    assert not any(refused)
    assert not ids.refused(GET, "id-0")


def test_an_answer_about_the_id_itself_ends_its_refusal() -> None:
    ids = Forbidden()
    ids.refused(GET, "id")
    ids.answered(GET, "id")

    assert not ids.refused(GET, "id")


def test_a_batch_is_split_if_the_last_call_of_the_operation_was_answered() -> None:
    ids = Forbidden()
    ids.answered(GET)

    assert [ids.refused_batch(GET) for _ in range(3)] == [True, False, False]
    ids.answered(GET)
    assert ids.refused_batch(GET)


def test_the_witness_is_the_last_id_that_was_answered_and_not_refused_since() -> None:
    ids = Forbidden()
    witnesses = [ids.witness(GET)]
    ids.answered(GET, "a")
    ids.answered(GET, "b")
    ids.answered(LIST, "video")
    ids.refused(GET, "c")
    witnesses.append(ids.witness(GET))
    ids.refused(GET, "b")

    assert (witnesses, ids.witness(GET), ids.witness(LIST)) == ([None, "b"], None, "video")


def test_the_memory_of_refused_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden, "_MAX_IDS", 10)
    ids = Forbidden()
    for number in range(100):
        ids.refused(GET, f"id-{number}")

    assert len(ids._refused) <= 10
