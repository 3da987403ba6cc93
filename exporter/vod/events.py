"""Event notifications of ApsaraVideo VOD: verifies signatures and parses bodies. Pure functions.

Formats and the signature follow the documentation:
https://www.alibabacloud.com/help/en/vod/developer-reference/overview-of-event-notification and its pages on
HTTP callbacks, StreamTranscodeComplete and TranscodeComplete. The signature covers the callback URL and the time, but
not the body. Somebody who has seen a recent signature can send any body with it. So an event never changes a status.
It only makes the exporter refresh its jobs first. The exporter takes the start of a job, and its time from start to
finish, from the event, because the API does not have the start.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from exporter import jsontext
from exporter.keys import SecretText
from exporter.model import OTHER, EndedJob
from exporter.vod.fields import Fields
from exporter.vod.payloads import BODY, ROWS_LIMIT

STREAM_COMPLETE = "StreamTranscodeComplete"
COMPLETE = "TranscodeComplete"
TYPES = (STREAM_COMPLETE, COMPLETE, OTHER)
"""All values of `Event.type`."""

FIELDS = frozenset((BODY, "EventType", "VideoId", "StreamInfos", "JobId", "StartTime", "FinishTime"))
"""All names that `Event.malformed` can contain."""

MAX_AGE_SECONDS = 300.0  # an older signature may be a replay
MAX_PROCESSING_SECONDS = 30 * 86400.0  # a longer time is caused by a wrong clock, and would distort the sum

_TIMESTAMP = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. The ids of its jobs are present and unique. An event of the type `other` has no video and no jobs."""

    type: str
    video_id: str = ""
    jobs: tuple[EndedJob, ...] = ()
    malformed: tuple[str, ...] = ()


def signature(*, url: str, timestamp: str, key: SecretText) -> str:
    """The `X-VOD-SIGNATURE` header for the callback URL that is configured in VOD. The protocol requires MD5."""
    signed = f"{url}|{timestamp}|{key.get_secret_value()}"
    return hashlib.md5(signed.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def authentic(given: str, *, url: str, timestamp: str, key: SecretText) -> bool:
    """Whether `given` is the signature that VOD would send. The comparison takes constant time."""
    wanted = signature(url=url, timestamp=timestamp, key=key)
    return hmac.compare_digest(wanted.encode(), given.lower().encode("utf-8", "replace"))


def fresh(timestamp: str, *, now: float) -> bool:
    """Whether `X-VOD-TIMESTAMP` (Unix seconds) is at most `MAX_AGE_SECONDS` before or after `now`."""
    return _TIMESTAMP.fullmatch(timestamp) is not None and abs(now - int(timestamp)) <= MAX_AGE_SECONDS


def decode(raw: bytes) -> object:
    """Decode a body of JSON, or of Base64 of JSON as message queues send it. Raises `ValueError` for anything else."""
    text = raw.decode("utf-8-sig")
    if not text.lstrip().startswith("{"):
        try:
            text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("is neither a JSON object nor Base64 of one") from None
    return jsontext.decode(text)


def parse(body: object) -> Event:
    """Parse the decoded JSON of an event. No JSON value makes this function raise an error.

    `{"EventType": "StreamTranscodeComplete", "VideoId", "JobId", "StartTime", "FinishTime", …}` or
    `{"EventType": "TranscodeComplete", "VideoId", "StreamInfos": [{"JobId", …}]}`. An event never has a task id.
    If several entries have the same job, the first entry with a processing time is kept.
    """
    if not isinstance(body, dict):
        return Event(OTHER, malformed=(BODY,))
    malformed: list[str] = []
    fields = Fields(body, malformed)
    kind = fields.name("EventType")
    if kind == STREAM_COMPLETE:
        rows: list[object] = [body]
    elif kind == COMPLETE:
        rows = _rows(body, malformed)
    else:
        return Event(OTHER, malformed=tuple(malformed))
    jobs: dict[str, EndedJob] = {}
    for row in rows:
        job = _job(row, malformed)
        if job is not None and (job.id not in jobs or jobs[job.id].processing is None):
            jobs[job.id] = job
    return Event(kind, fields.id("VideoId"), tuple(jobs.values()), tuple(malformed))


def _rows(body: dict[str, object], malformed: list[str]) -> list[object]:
    value = body.get("StreamInfos")
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > ROWS_LIMIT:
        malformed.append("StreamInfos")
    return value[:ROWS_LIMIT] if isinstance(value, list) else []


def _job(row: object, malformed: list[str]) -> EndedJob | None:
    if not isinstance(row, dict):
        malformed.append("StreamInfos")
        return None
    fields = Fields(row, malformed)
    job_id = fields.id("JobId", required=True)
    started, finished = fields.time("StartTime"), fields.time("FinishTime")
    processing = None
    if started is not None and finished is not None:
        if 0 <= finished - started <= MAX_PROCESSING_SECONDS:
            processing = finished - started
        else:
            fields.report("FinishTime")
            started = None
    return EndedJob(job_id, started, processing) if job_id else None
