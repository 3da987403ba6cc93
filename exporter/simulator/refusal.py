"""Refusals: the errors that VOD answers with, and their HTTP statuses."""

from __future__ import annotations

# https://www.alibabacloud.com/help/en/vod/developer-reference/service-error-codes; other codes have 400.
_STATUS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "ServiceUnAvailable": 503,
    "InvalidAccessKeyId.NotFound": 404,
    "InvalidAction.NotFound": 404,
    "OperationDenied": 403,
    "OperationDenied.Suspended": 403,
    "InvalidSecurityToken.Expired": 403,
    "Forbidden": 403,
    "Forbidden.RAM": 403,
    "NoSuchResource": 404,
    "InvalidVideo.NotFound": 404,
}


def usual_status(code: str) -> int:
    """The HTTP status that VOD sends with an error code."""
    return _STATUS.get(code, 400)


class Refusal(Exception):
    """The service refuses a call, with an error `code` of VOD, its `message` and the HTTP `status`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = usual_status(code)


def missing(parameter: str) -> Refusal:
    """The refusal of a call without a required parameter."""
    return Refusal("MissingParameter", f"The input parameter {parameter} that is mandatory is not supplied.")


def invalid(parameter: str) -> Refusal:
    """The refusal of a call with an invalid parameter."""
    return Refusal("InvalidParameter", f"The specified parameter {parameter} is not valid.")
