"""Translates error codes of VOD into exceptions. The `Code` decides, not the HTTP status: VOD throttles with 400."""

from __future__ import annotations

from exporter.errors import (
    CredentialsError,
    MalformedResponse,
    NotFoundError,
    RequestRejected,
    ServiceError,
    TemporaryError,
    Throttled,
    TokenExpired,
    VodError,
)

_TEMPORARY = ("internalerror", "serviceunavailable", "signaturenonceused")
_NOT_FOUND = ("nosuchresource", "invalidvideo.notfound")
_REMEDIES = {
    "invalidaccesskeyid": "check access_key_id: the key does not exist or is disabled",
    "signaturedoesnotmatch": "check access_key_secret: it does not belong to this access_key_id",
    "incompletesignature": "check access_key_id and access_key_secret",
    "invalidsecuritytoken": "renew the security token: it is invalid or has expired",
    "missingsecuritytoken": "add security_token: this access key is a temporary one",
    "invalidtimestamp": "correct this machine's clock: it differs by more than 15 minutes",
    "forbidden": "grant this RAM user or role the action vod:{action}",
    "nopermission": "grant this RAM user or role the action vod:{action}",
}


def refusal(action: str, *, status: int, code: str, message: str, retry_after: float | None) -> ServiceError:
    """The exception for an error body with this `Code` and `Message`. Its text has the remedy if one is known."""
    lower = code.lower()
    family = lower.partition(".")[0]
    text = f"{action}: {code}: {message}" if message else f"{action}: {code}"
    if remedy := _REMEDIES.get(family):
        kind = TokenExpired if lower == "invalidsecuritytoken.expired" else CredentialsError
        return kind(f"{text} ({remedy.format(action=action)})", code=code)
    if lower in _NOT_FOUND:
        return NotFoundError(text, code=code)
    if family == "throttling" or status == 429:
        return Throttled(text, code=code, retry_after=retry_after)
    if lower in _TEMPORARY or status >= 500:
        return TemporaryError(text, code=code, retry_after=retry_after)
    return RequestRejected(text, code=code)


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
