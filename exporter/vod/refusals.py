"""Translates error codes of VOD into exceptions. The `Code` decides, not the HTTP status: VOD throttles with 400."""

from __future__ import annotations

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
    VodError,
)
from exporter.model import GET_TRANSCODE_TASK, LIST_TRANSCODE_TASK

_TEMPORARY = ("internalerror", "serviceunavailable", "signaturenonceused")
# The gateway and other products of Alibaba Cloud use these codes with the same meaning.
_THROTTLED = ("throttling", "rejected.throttling", "flowcontrolerror", "requeststoofrequent", "systembusy")
_NOT_FOUND = ("nosuchresource", "invalidvideo.notfound")
_OF_PARAMETERS = ("invalidparameter", "missingparameter")
_OTHER_ID = {GET_TRANSCODE_TASK: "a video id", LIST_TRANSCODE_TASK: "a task id"}
_PERMISSION = "grant this RAM user or role the action vod:{action}"
_PAY = "pay the bill of this Alibaba Cloud account: VOD is suspended"
_CREDENTIALS = {
    "invalidaccesskeyid": "check access_key_id: the key does not exist or is disabled",
    "signaturedoesnotmatch": "check access_key_secret: it does not belong to this access_key_id",
    "incompletesignature": "check access_key_id and access_key_secret",
    "invalidsecuritytoken": "renew the security token: it is invalid or has expired",
    "missingsecuritytoken": "add security_token: this access key is a temporary one",
    "invalidtimestamp": "correct this machine's clock: it differs by more than 15 minutes",
    "forbidden": _PERMISSION,
    "nopermission": _PERMISSION,
}
_PERMISSIONS = ("forbidden", "nopermission")
# https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-attachapppolicytoidentity
_REMEDIES = {"forbidden.operateapp": "give this RAM user or role a policy of the VOD application that the media is in"}
_ENDPOINT = "check endpoint and region: this service is not VOD, or has another version of it"
# A whole code comes before its family, which is the part up to the first dot.
_ACCOUNT = {
    "operationdenied": "activate ApsaraVideo VOD for this Alibaba Cloud account",
    "operationdenied.suspended": _PAY,
    "insufficientbalance": _PAY,
    # These refuse the account, not the RAM user: https://help.aliyun.com/document_detail/51132.html
    "forbidden.riskcontrol": "ask the support of Alibaba Cloud: its risk control has blocked this account",
    "forbidden.overdue": _PAY,
    "invalidaction": _ENDPOINT,
    "invalidversion": _ENDPOINT,
    "invalidproduct": _ENDPOINT,
}
_UNKNOWN = "the exporter does not know this code; look it up in the error codes of ApsaraVideo VOD"


def refusal(action: str, *, status: int, code: str, message: str, retry_after: float | None) -> ServiceError:
    """The exception for an error body with this `Code` and `Message`. Its text has the remedy if one is known."""
    lower = code.lower()
    family = lower.partition(".")[0]
    text = f"{action}: {code}: {message}" if message else f"{action}: {code}"
    if lower not in _ACCOUNT and (remedy := _REMEDIES.get(lower) or _CREDENTIALS.get(family)):
        return _credentials_kind(lower, family)(f"{text} ({remedy.format(action=action)})", code=code)
    if remedy := _ACCOUNT.get(lower) or _ACCOUNT.get(family):
        return AccountRefused(f"{text} ({remedy})", code=code)
    if lower in _NOT_FOUND:
        other = f", or {_OTHER_ID[action]}" if action in _OTHER_ID else ""
        return NotFoundError(f"{text} (is it of another region or account{other}?)", code=code)
    if lower.startswith(_THROTTLED) or status == 429:
        return Throttled(text, code=code, retry_after=retry_after)
    if lower in _TEMPORARY or status >= 500:
        return TemporaryError(text, code=code, retry_after=retry_after)
    if family.startswith(_OF_PARAMETERS):
        return RequestRejected(text, code=code)
    return AccountRefused(f"{text} ({_UNKNOWN})", code=code)


def _credentials_kind(code: str, family: str) -> type[CredentialsError]:
    if code == "invalidsecuritytoken.expired":
        return TokenExpired
    return PermissionDenied if family in _PERMISSIONS else CredentialsError


def bare_refusal(action: str, *, status: int, retry_after: float | None) -> VodError:
    """The exception for a status other than 200 without an error code of VOD; most come from a proxy in between."""
    code = f"http_{status}"
    if 300 <= status < 400:
        return MalformedResponse(
            f"{action}: HTTP {status}: redirects are not followed; check the endpoint", code="redirect"
        )
    text = f"{action}: HTTP {status} without an error code of VOD"
    if status == 429:
        return Throttled(text, code=code, retry_after=retry_after)
    if status >= 500:
        return TemporaryError(text, code=code, retry_after=retry_after)
    return MalformedResponse(f"{text}; check the endpoint and the proxy", code=code)
