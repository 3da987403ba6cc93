"""The error answers of the service."""

from __future__ import annotations

# https://www.alibabacloud.com/help/en/vod/developer-reference/service-error-codes; 400 where nothing says otherwise.
_STATUS = {
    "InternalError": 500,
    "ServiceUnavailable": 503,
    "ServiceUnAvailable": 503,
    "InvalidAccessKeyId.NotFound": 404,
    "InvalidAction.NotFound": 404,
    "InvalidSecurityToken.Expired": 403,
    "Forbidden": 403,
    "Forbidden.RAM": 403,
    "NoSuchResource": 404,
    "InvalidVideo.NotFound": 404,
}


def usual_status(code: str) -> int:
    """The HTTP status an error code comes with."""
    return _STATUS.get(code, 400)


class Refusal(Exception):
    """The service does not do what was asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = usual_status(code)


def missing(parameter: str) -> Refusal:
    return Refusal("MissingParameter", f"The input parameter {parameter} that is mandatory is not supplied.")


def invalid(parameter: str) -> Refusal:
    return Refusal("InvalidParameter", f"The specified parameter {parameter} is not valid.")
