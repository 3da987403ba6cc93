"""HTTP answers of VOD: the JSON of a successful call, or an exception."""

from __future__ import annotations

from collections.abc import Sequence

from exporter.errors import MalformedResponse
from exporter.jsontext import JsonError, decode
from exporter.masks import mask
from exporter.vod.payloads import error_reply
from exporter.vod.refusals import bare_refusal, refusal
from exporter.vod.transport import Answer

_SUCCESSES = ("200", "ok", "success")
_BODY_KINDS = {"empty": "empty", "html": "HTML", "not_json": "not JSON"}


def body(action: str, answer: Answer, *, secrets: Sequence[str]) -> dict[str, object]:
    """Return the JSON object of a successful call of `action`. `secrets` are removed from every error message.

    Raises `MalformedResponse` for an answer that is not from the API, and the `ServiceError` that its error code means.
    """
    status = answer.status
    retry_after = _retry_after(answer)
    try:
        found = decode(answer.content)
    except JsonError:
        if status != 200:
            raise bare_refusal(action, status=status, retry_after=retry_after) from None
        kind = _kind(answer.content)
        text = f"{action}: HTTP 200 with a body that is {_BODY_KINDS[kind]}; check the endpoint"
        raise MalformedResponse(text, code=kind) from None
    # An error code counts even with status 200. Some products of Alibaba Cloud send a code with every answer.
    error = error_reply(found) and error_reply(_masked(found, secrets))
    if error is not None and not (status == 200 and error.code.lower() in _SUCCESSES):
        message = f"{error.message} [RequestId {error.request_id}]" if error.request_id else error.message
        raise refusal(action, status=status, code=error.code, message=message, retry_after=retry_after)
    if status != 200:
        raise bare_refusal(action, status=status, retry_after=retry_after)
    if not isinstance(found, dict):
        text = f"{action}: HTTP 200 with JSON that is not an object; check the endpoint"
        raise MalformedResponse(text, code="not_object")
    return found


def _kind(content: bytes) -> str:
    text = content.strip()
    if not text:
        return "empty"
    return "html" if text.startswith(b"<") else "not_json"


def _retry_after(answer: Answer) -> float | None:
    """The seconds to wait, from `Retry-After` in seconds or from the gateway's `x-acs-retry-after` in milliseconds.

    The larger one if both are there. The other form of `Retry-After`, a date, counts as absent. The SDKs of Alibaba
    Cloud wait for `x-acs-retry-after` (`get_throttling_time_left` of alibabacloud-tea-openapi).
    """
    given = [
        float(header) * unit
        for name, unit, digits in (("Retry-After", 1.0, 5), ("x-acs-retry-after", 0.001, 8))
        if (header := answer.headers.get(name, "")).isascii() and header.isdigit() and len(header) <= digits
    ]
    return max(given, default=None)


def _masked(found: object, secrets: Sequence[str]) -> object:
    """Remove the secrets from an error body: VOD quotes a request that it cannot verify, including the security token.

    This comes before texts are cut to a length, because a secret that is cut may be too short to be found.
    """
    if not isinstance(found, dict):
        return found
    return {name: mask(value, secrets=secrets) if isinstance(value, str) else value for name, value in found.items()}
