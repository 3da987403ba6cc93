"""A cheap way to ask that VOD refuses: for how long it is left, and which refusals say that it does not exist."""

from __future__ import annotations

import pytest

from exporter.errors import AccountRefused, CredentialsError, PermissionDenied, RequestRejected, VodError
from exporter.scrape.fallback import Fallback, refuses_operation
from tests.conftest import Clock

REFUSAL = RequestRejected("JobIds is not known", code="MissingParameter")


def test_a_refused_way_is_left_for_an_hour_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    way = Fallback("prod", "one call per task", clock=clock)
    usable = [way.usable]
    way.refused(REFUSAL)
    for seconds in (0, 3600, 1):
        clock.now += seconds
        usable.append(way.usable)
    way.refused(REFUSAL)

    assert usable == [True, False, False, True]
    assert [record.message for record in caplog.records] == ["one call per task"]


def test_a_way_that_vod_accepts_again_is_logged_at_its_next_refusal(caplog: pytest.LogCaptureFixture) -> None:
    way = Fallback("prod", "one call per task", clock=Clock())
    way.refused(REFUSAL)
    way.accepted()
    again = way.usable
    way.refused(REFUSAL)

    assert again
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (REFUSAL, True),
        (PermissionDenied("", code="Forbidden.RAM"), True),
        (AccountRefused("", code="UnsupportedOperation"), True),
        (AccountRefused("", code="InvalidAction.NotFound"), True),
        (AccountRefused("", code="OperationDenied.Suspended"), False),
        (AccountRefused("", code="NeverHeardOf"), False),
        (CredentialsError("", code="SignatureDoesNotMatch"), False),
    ],
)
def test_only_some_refusals_say_that_there_is_no_such_operation(error: VodError, refused: bool) -> None:
    assert refuses_operation(error) is refused
