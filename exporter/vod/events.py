"""Events of ApsaraVideo VOD: whether one is authentic, and what it tells. Pure.

Shapes and the signature are those of the documentation:
https://www.alibabacloud.com/help/en/vod/developer-reference/overview-of-event-notification and its pages on
HTTP callbacks, StreamTranscodeComplete and TranscodeComplete. The signature covers the callback's address and the time,
not the body: an event is a hint to look, from somebody who knows the key or has seen a signature of the last minutes.
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
from exporter.model import OTHER
from exporter.vod.fields import Fields
from exporter.vod.payloads import BODY, ROWS_LIMIT

STREAM_COMPLETE = "StreamTranscodeComplete"
COMPLETE = "TranscodeComplete"
TYPES = (STREAM_COMPLETE, COMPLETE, OTHER)
"""Every value of `Event.type`."""

FIELDS = frozenset((BODY, "EventType", "VideoId", "StreamInfos", "JobId", "StartTime", "FinishTime"))
"""Every name that `Event.malformed` can hold."""

MAX_AGE_SECONDS = 300.0
MAX_PROCESSING_SECONDS = 30 * 86400.0

_TIMESTAMP = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that an event says has ended. `processing` is how many seconds it took, where the event knows."""

    id: str
    processing: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Every job has an id, each once; an event that is of no interest here has none, and no video."""

    type: str
    video_id: str = ""
    jobs: tuple[EndedJob, ...] = ()
    malformed: tuple[str, ...] = ()


def signature(*, url: str, timestamp: str, key: SecretText) -> str:
    """`X-VOD-SIGNATURE` for the callback address `url`, as it was configured at VOD. MD5 is the protocol's choice."""
    signed = f"{url}|{timestamp}|{key.get_secret_value()}"
    return hashlib.md5(signed.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def authentic(given: str, *, url: str, timestamp: str, key: SecretText) -> bool:
    """Whether `given` is the signature that VOD would send; takes as long wherever it differs."""
    wanted = signature(url=url, timestamp=timestamp, key=key)
    return hmac.compare_digest(wanted.encode(), given.lower().encode("utf-8", "replace"))


def fresh(timestamp: str, *, now: float) -> bool:
    """Whether `X-VOD-TIMESTAMP`, in Unix seconds, is at most `MAX_AGE_SECONDS` before or after `now`."""
    return _TIMESTAMP.fullmatch(timestamp) is not None and abs(now - int(timestamp)) <= MAX_AGE_SECONDS


def decode(raw: bytes) -> object:
    """The JSON that `raw` is, or holds in Base64 as message queues send it; raises `ValueError` for anything else."""
    text = raw.decode("utf-8-sig")
    if not text.lstrip().startswith("{"):
        try:
            text = base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("neither a JSON object nor Base64 of one") from None
    return jsontext.decode(text)


def parse(body: object) -> Event:
    """What the JSON of an event tells; total.

    `{"EventType": "StreamTranscodeComplete", "VideoId", "JobId", "StartTime", "FinishTime", …}` or
    `{"EventType": "TranscodeComplete", "VideoId", "StreamInfos": [{"JobId", …}]}`. There is never a task id. Of several
    entries for one job the first that knows its times stands.
    """
    if not isinstance(body, dict):
        return Event(OTHER, malformed=(BODY,))
    odd: list[str] = []
    fields = Fields(body, odd)
    kind = fields.name("EventType")
    if kind == STREAM_COMPLETE:
        rows: list[object] = [body]
    elif kind == COMPLETE:
        rows = _rows(body, odd)
    else:
        return Event(OTHER, malformed=tuple(odd))
    jobs: dict[str, EndedJob] = {}
    for row in rows:
        job = _job(row, odd)
        if job is not None and (job.id not in jobs or jobs[job.id].processing is None):
            jobs[job.id] = job
    return Event(kind, fields.id("VideoId"), tuple(jobs.values()), tuple(odd))


def _rows(body: dict[str, object], odd: list[str]) -> list[object]:
    value = body.get("StreamInfos")
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > ROWS_LIMIT:
        odd.append("StreamInfos")
    return value[:ROWS_LIMIT] if isinstance(value, list) else []


def _job(row: object, odd: list[str]) -> EndedJob | None:
    if not isinstance(row, dict):
        odd.append("StreamInfos")
        return None
    fields = Fields(row, odd)
    job_id = fields.id("JobId", required=True)
    started, finished = fields.time("StartTime"), fields.time("FinishTime")
    processing = None
    if started is not None and finished is not None:
        if 0 <= finished - started <= MAX_PROCESSING_SECONDS:
            processing = finished - started
        else:
            fields.note("FinishTime")
    return EndedJob(job_id, processing) if job_id else None
