"""Requests that show whether an operation is granted. They change nothing: most ask for an id that does not exist.

VOD's documentation does not say that it checks the permission before it looks for the id. This is an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.config import SHANGHAI
from exporter.errors import MalformedResponse, NotFoundError, PermissionDenied, RequestRejected, VodError
from exporter.model import (
    DESCRIBE_VOD_TRANSCODE_DATA,
    GET_TRANSCODE_SUMMARY,
    GET_TRANSCODE_TASK,
    GET_VIDEO_LIST,
    LIST_TRANSCODE_TASK,
)
from exporter.vod.signing import timestamp

_NO_ID = "0" * 32
_WITHOUT_ID = (GET_VIDEO_LIST, DESCRIBE_VOD_TRANSCODE_DATA)

PROBES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        GET_TRANSCODE_TASK: {"TranscodeTaskId": _NO_ID},
        LIST_TRANSCODE_TASK: {"VideoId": _NO_ID, "PageNo": "1", "PageSize": "10"},
        GET_TRANSCODE_SUMMARY: {"VideoIds": _NO_ID},
        GET_VIDEO_LIST: {"PageNo": "1", "PageSize": "1"},
    }
)
"""The parameters of the probes whose parameters never change."""


def parameters(action: str, *, now: float) -> Mapping[str, str]:
    """The parameters of the probe of an operation. `now` is the Unix time in seconds."""
    if action != DESCRIBE_VOD_TRANSCODE_DATA:
        return PROBES[action]
    hour = now // 3600 * 3600 - 7200  # the last hours are not billed yet
    return {
        "StartTime": timestamp(hour),
        "EndTime": timestamp(hour + 3599),
        "Interval": "hour",
        "Region": SHANGHAI,
    }


def answered(action: str, body: object) -> None:
    """Raise `MalformedResponse` unless `body` is an answer of VOD, which has a `RequestId`."""
    if not isinstance(body, dict) or not isinstance(body.get("RequestId"), str):
        raise MalformedResponse(f"{action}: the answer is not from VOD; check the endpoint", code="not_vod")


def granted(action: str, error: VodError) -> bool | None:
    """Whether the error of a probe shows that the operation is granted, or that it is not; None if it shows neither."""
    # An error about an id comes from an operation that is granted. The lists of videos and of usage have no id: if VOD
    # rejects them, they cannot be used.
    if isinstance(error, NotFoundError) or (isinstance(error, RequestRejected) and action not in _WITHOUT_ID):
        return True
    return False if isinstance(error, PermissionDenied) or error.code == "InvalidAction.NotFound" else None
