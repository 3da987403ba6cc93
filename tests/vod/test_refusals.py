"""Error codes become exceptions by `Code` and not by HTTP status, and have a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import (
    AccountRefused,
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    PermissionDenied,
    RequestRejected,
    ServiceError,
    TemporaryError,
    Throttled,
    TokenExpired,
)
from exporter.vod.refusals import bare_refusal, refusal


def refused(code: str, status: int = 400, **changed: Any) -> ServiceError:
    arguments = {"message": "because", "retry_after": None} | changed
    return refusal("GetTranscodeTask", status=status, code=code, **arguments)


def test_a_code_means_its_error() -> None:
    """The code is kept as VOD wrote it; its meaning does not depend on upper or lower case."""
    for code, status, kind in [
        ("Throttling", 400, Throttled),
        ("Throttling.User", 400, Throttled),
        ("Throttling.Api", 429, Throttled),
        ("Throttling.User", 503, Throttled),
        ("FlowControlError", 400, Throttled),
        ("Rejected.Throttling", 400, Throttled),
        ("RequestsTooFrequent", 400, Throttled),
        ("SystemBusy", 503, Throttled),
        ("InternalError", 500, TemporaryError),
        ("ServiceUnavailable", 503, TemporaryError),
        ("ServiceUnAvailable", 503, TemporaryError),
        ("ServiceUnAvailable", 400, TemporaryError),
        ("SignatureNonceUsed", 400, TemporaryError),
        ("InvalidTimeStamp.Expired", 400, CredentialsError),
        ("InvalidAccessKeyId.NotFound", 404, CredentialsError),
        ("InvalidAccessKeyId.Inactive", 400, CredentialsError),
        ("SignatureDoesNotMatch", 400, CredentialsError),
        ("SignatureDoesNotMatch", 403, CredentialsError),
        ("IncompleteSignature", 400, CredentialsError),
        ("InvalidSecurityToken.Expired", 403, TokenExpired),
        ("InvalidSecurityToken.Malformed", 400, CredentialsError),
        ("MissingSecurityToken", 400, CredentialsError),
        ("Forbidden", 403, PermissionDenied),
        ("Forbidden.RAM", 403, PermissionDenied),
        ("NoPermission", 403, PermissionDenied),
        ("Forbidden.OperateApp", 403, PermissionDenied),
        ("Forbidden.NeverHeardOf", 403, PermissionDenied),
        ("Forbidden.Overdue", 403, AccountRefused),
        ("Forbidden.RiskControl", 403, AccountRefused),
        ("InsufficientBalance", 400, AccountRefused),
        ("NoSuchResource", 404, NotFoundError),
        ("InvalidVideo.NotFound", 404, NotFoundError),
        ("MissingParameter", 400, RequestRejected),
        ("InvalidParameter", 400, RequestRejected),
        ("InvalidParameter.TranscodeTaskId", 400, RequestRejected),
        ("InvalidParameterValue", 400, RequestRejected),
        ("MissingParameter.JobIds", 400, RequestRejected),
        ("OperationDenied", 403, AccountRefused),
        ("OperationDenied.Suspended", 403, AccountRefused),
        ("InvalidAction.NotFound", 404, AccountRefused),
        ("InvalidVersion", 400, AccountRefused),
        ("InvalidProduct.NotFound", 404, AccountRefused),
        ("NeverHeardOf", 400, AccountRefused),
        ("NeverHeardOf", 404, AccountRefused),
        ("NeverHeardOf", 429, Throttled),
        ("NeverHeardOf", 502, TemporaryError),
    ]:
        for written in (code, code.lower(), code.upper()):
            error = refused(written, status)
            assert type(error) is kind, code
            assert error.code == written, code


def test_errors_that_an_operator_can_correct_name_the_remedy() -> None:
    for code, remedy in [
        ("InvalidAccessKeyId.NotFound", "check access_key_id"),
        ("SignatureDoesNotMatch", "check access_key_secret"),
        ("InvalidTimeStamp.Expired", "correct this machine's clock"),
        ("InvalidSecurityToken.Expired", "renew the security token"),
        ("MissingSecurityToken", "add security_token"),
        ("Forbidden.RAM", "grant this RAM user or role the action vod:GetTranscodeTask"),
        ("Forbidden.OperateApp", "a policy of the VOD application"),
        ("Forbidden.Overdue", "pay the bill"),
        ("Forbidden.RiskControl", "ask the support of Alibaba Cloud"),
        ("NoSuchResource", "is it of another region or account, or a video id?"),
        ("OperationDenied", "activate ApsaraVideo VOD"),
        ("OperationDenied.Suspended", "pay the bill"),
        ("InvalidAction.NotFound", "check endpoint and region"),
        ("InvalidVersion", "check endpoint and region"),
        ("NeverHeardOf", "look it up in the error codes of ApsaraVideo VOD"),
    ]:
        assert f"GetTranscodeTask: {code}: because (" in str(refused(code))
        assert remedy in str(refused(code))


def test_a_404_about_credentials_is_not_a_missing_id() -> None:
    assert not isinstance(refused("InvalidAccessKeyId.NotFound", 404), NotFoundError)


@pytest.mark.parametrize("code", ["Throttling.User", "ServiceUnavailable"])
def test_a_pause_lasts_at_least_as_long_as_retry_after(code: str) -> None:
    assert refused(code, 503, retry_after=3.0).retry_after == 3.0


def test_without_a_message_the_text_is_the_code() -> None:
    assert str(refused("InternalError", 500, message="")) == "GetTranscodeTask: InternalError"


def test_a_status_without_an_error_code_is_not_an_answer_of_vod() -> None:
    """A 404 or 403 of a proxy means neither a missing id nor wrong keys."""
    for status, kind, code in [
        (301, MalformedResponse, "redirect"),
        (302, MalformedResponse, "redirect"),
        (307, MalformedResponse, "redirect"),
        (204, MalformedResponse, "http_204"),
        (403, MalformedResponse, "http_403"),
        (404, MalformedResponse, "http_404"),
        (407, MalformedResponse, "http_407"),
        (429, Throttled, "http_429"),
        (500, TemporaryError, "http_500"),
        (502, TemporaryError, "http_502"),
        (503, TemporaryError, "http_503"),
    ]:
        error = bare_refusal("GetVideoList", status=status, retry_after=2.0)
        assert (type(error), error.code) == (kind, code), status
        assert str(error).startswith("GetVideoList: HTTP "), status
        assert getattr(error, "retry_after", 2.0) == 2.0, status


@given(code=st.text(min_size=1, max_size=64), message=st.text(), status=st.integers(100, 599))
def test_any_code_and_message_make_an_error(code: str, message: str, status: int) -> None:
    """Braces and percent signs are not formatted."""
    error = refused(code, status, message=message)
    assert error.code == code
    assert message in str(error)
