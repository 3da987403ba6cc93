"""What the answer of a probe shows."""

from __future__ import annotations

import pytest

from exporter.errors import (
    AccountRefused,
    ConnectionFailed,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    PermissionDenied,
    RequestRejected,
    TemporaryError,
)
from exporter.vod.probes import answered, granted


def test_an_answer_with_a_request_id_is_from_vod() -> None:
    answered("GetVideoList", {"RequestId": "25818875-5F78-4AF6-D7D5-7F3A7C1B3D5E"})


@pytest.mark.parametrize("body", [{}, {"RequestId": 1}, {"requestid": "a"}, [], None])
def test_any_other_answer_is_malformed(body: object) -> None:
    with pytest.raises(MalformedResponse) as caught:
        answered("GetVideoList", body)
    assert caught.value.code == "not_vod"


def test_the_code_of_an_error_shows_whether_the_operation_is_granted() -> None:
    for error, shown in [
        (NotFoundError("", code="NoSuchResource"), True),
        (RequestRejected("", code="InvalidParameter.VideoIds"), True),
        (RequestRejected("", code="MissingParameter"), True),
        (PermissionDenied("", code="Forbidden"), False),
        (PermissionDenied("", code="Forbidden.RAM"), False),
        (AccountRefused("", code="InvalidAction.NotFound"), False),
        (CredentialsError("", code="InvalidAccessKeyId.NotFound"), None),
        (CredentialsError("", code="SignatureDoesNotMatch"), None),
        (AccountRefused("", code="OperationDenied"), None),
        (TemporaryError("", code="ServiceUnavailable"), None),
        (ConnectionFailed("", code="dns"), None),
    ]:
        assert granted("GetTranscodeTask", error) is shown


@pytest.mark.parametrize("action", ["GetVideoList", "DescribeVodTranscodeData"])
def test_a_rejected_parameter_of_a_call_without_id_shows_nothing(action: str) -> None:
    """The exporter would make the same call, and read the account as down."""
    assert granted(action, RequestRejected("", code="InvalidParameter")) is None
