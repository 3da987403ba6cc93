"""Event notifications: their signatures and their bodies."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.keys import SecretText
from exporter.model import OTHER, EndedJob
from exporter.vod.events import (
    COMPLETE,
    FIELDS,
    MAX_AGE_SECONDS,
    MAX_PROCESSING_SECONDS,
    STREAM_COMPLETE,
    TYPES,
    Event,
    authentic,
    decode,
    fresh,
    parse,
)
from exporter.vod.fields import is_id
from exporter.vod.payloads import ROWS_LIMIT

# The documented example.
URL, TIMESTAMP, KEY = "https://www.example.com/your/callback", "1519375990", SecretText("test123")
SIGNATURE = "c72b60894140fa98920f1279219b7ed4"

STARTED = 1773992940.0  # 2026-03-20T07:49:00Z
STREAM = {
    "EventTime": "2026-03-20T07:49:17Z",
    "EventType": "StreamTranscodeComplete",
    "VideoId": "43a2b1c4f4a94b6fb3f6a3ff3a4e2a5b",
    "Status": "success",
    "Bitrate": "748",
    "Definition": "HD-MP4",
    "Duration": 10.0,
    "Encrypt": False,
    "FileUrl": "https://example.com/a.mp4",
    "Format": "mp4",
    "Fps": "25",
    "Height": 480,
    "Width": 640,
    "Size": 937438,
    "JobId": "3d705f385b23438385a2bdd6c4e3a1b2",
    "StartTime": "2026-03-20T07:49:00Z",
    "FinishTime": "2026-03-20T07:49:16Z",
}
INFO = {key: value for key, value in STREAM.items() if key not in ("EventTime", "EventType", "VideoId")}
ALL = {
    "EventTime": "2026-03-20T07:50:01Z",
    "EventType": "TranscodeComplete",
    "VideoId": STREAM["VideoId"],
    "Status": "success",
    "StreamInfos": [
        INFO,
        {"JobId": "b" * 32, "Definition": "FD", "Status": "fail", "ErrorCode": "InvalidParameter"},
    ],
}


def test_the_documented_signature_is_authentic() -> None:
    assert authentic(SIGNATURE, url=URL, timestamp=TIMESTAMP, key=KEY)
    assert authentic(SIGNATURE.upper(), url=URL, timestamp=TIMESTAMP, key=KEY)


@pytest.mark.parametrize(
    "changed",
    [
        {"given": ""},
        {"given": SIGNATURE[:-1]},
        {"given": SIGNATURE + "0"},
        {"given": f" {SIGNATURE}"},
        {"given": "d" + SIGNATURE[1:]},
        {"given": "\xe9" * 32},
        {"given": "\udc80"},
        {"url": URL + "/"},
        {"url": "https://www.example.com/\udc80"},
        {"timestamp": "1519375991"},
        {"timestamp": ""},
        {"key": SecretText("test124")},
        {"key": SecretText("")},
    ],
    ids=str,
)
def test_another_signature_address_time_or_key_is_not_authentic(changed: dict[str, Any]) -> None:
    sent: dict[str, Any] = {"given": SIGNATURE, "url": URL, "timestamp": TIMESTAMP, "key": KEY}
    assert not authentic(**sent | changed)


def test_a_timestamp_is_fresh_for_five_minutes_either_way() -> None:
    now = float(TIMESTAMP)
    assert MAX_AGE_SECONDS == 300
    for age in (-300.0, -299.0, 0.0, 300.0):
        assert fresh(TIMESTAMP, now=now + age), age
    for age in (-301.0, 300.5, 86400.0, -1e12):
        assert not fresh(TIMESTAMP, now=now + age), age


def test_a_timestamp_that_is_not_a_whole_number_is_not_fresh() -> None:
    for text in ["", "now", "-1", "1e9", "nan", "inf", " 1519375990", "1519375990.0", "١٥", "9" * 5000]:
        assert not fresh(text, now=1.0)
        assert not fresh(text, now=float(TIMESTAMP))


def test_a_stream_event_has_its_job_with_start_and_processing_time() -> None:
    job = EndedJob("3d705f385b23438385a2bdd6c4e3a1b2", started=STARTED, processing=16.0)
    assert parse(STREAM) == Event(STREAM_COMPLETE, "43a2b1c4f4a94b6fb3f6a3ff3a4e2a5b", (job,))


def test_the_event_of_a_whole_task_has_all_its_jobs() -> None:
    jobs = (EndedJob("3d705f385b23438385a2bdd6c4e3a1b2", started=STARTED, processing=16.0), EndedJob("b" * 32))
    assert parse(ALL) == Event(COMPLETE, "43a2b1c4f4a94b6fb3f6a3ff3a4e2a5b", jobs)


def test_an_event_without_streams_has_its_video() -> None:
    """A video with a bad source has no jobs."""
    bare: dict[str, object] = {"EventType": "TranscodeComplete", "VideoId": "v", "Status": "fail"}
    for body in (bare, bare | {"StreamInfos": None}, bare | {"StreamInfos": []}):
        assert parse(body) == Event(COMPLETE, "v")


@pytest.mark.parametrize(
    ("times", "started", "seconds", "malformed"),
    [
        ({}, None, None, ()),
        ({"StartTime": "2026-03-20T07:49:00Z"}, STARTED, None, ()),
        ({"FinishTime": "2026-03-20T07:49:00Z"}, None, None, ()),
        ({"StartTime": "2026-03-20T07:49:00Z", "FinishTime": "2026-03-20T07:49:00Z"}, STARTED, 0.0, ()),
        ({"StartTime": "2026-03-20T07:49:00Z", "FinishTime": "2026-03-20T15:49:30+08:00"}, STARTED, 30.0, ()),
        ({"StartTime": "2026-03-20T07:49:01Z", "FinishTime": "2026-03-20T07:49:00Z"}, None, None, ("FinishTime",)),
        ({"StartTime": "2000-01-02T00:00:00Z", "FinishTime": "2099-01-01T00:00:00Z"}, None, None, ("FinishTime",)),
        ({"StartTime": "yesterday", "FinishTime": "2026-03-20T07:49:00Z"}, None, None, ("StartTime",)),
        ({"StartTime": 1.5, "FinishTime": [1]}, None, None, ("StartTime", "FinishTime")),
    ],
)
def test_the_processing_time_needs_two_plausible_times(
    times: dict[str, object], started: float | None, seconds: float | None, malformed: tuple[str, ...]
) -> None:
    event = parse({"EventType": STREAM_COMPLETE, "JobId": "j", **times})
    assert event == Event(STREAM_COMPLETE, "", (EndedJob("j", started, seconds),), malformed)


def test_a_malformed_stream_costs_only_itself() -> None:
    streams = [7, INFO, {"JobId": ["x"]}, {"JobId": "a,b"}, {}, None]
    event = parse(ALL | {"StreamInfos": streams})
    assert event.jobs == (EndedJob("3d705f385b23438385a2bdd6c4e3a1b2", started=STARTED, processing=16.0),)
    assert event.malformed == ("StreamInfos", "JobId", "JobId", "JobId", "StreamInfos")


def test_a_repeated_job_is_kept_once_with_the_known_processing_time() -> None:
    plain, timed = {"JobId": INFO["JobId"]}, INFO
    later = INFO | {"FinishTime": "2026-03-20T07:59:16Z"}
    for streams in ([plain, timed, later], [timed, plain], [timed, later]):
        assert parse(ALL | {"StreamInfos": streams}).jobs == (EndedJob(str(INFO["JobId"]), STARTED, 16.0),)


def test_the_first_of_too_many_streams_are_kept() -> None:
    event = parse(ALL | {"StreamInfos": [{"JobId": f"j{number}"} for number in range(ROWS_LIMIT + 1)]})
    assert (len(event.jobs), event.malformed) == (ROWS_LIMIT, ("StreamInfos",))


@pytest.mark.parametrize(
    ("body", "malformed"),
    [
        (STREAM | {"EventType": "FileUploadComplete"}, ()),
        (STREAM | {"EventType": "streamtranscodecomplete"}, ()),
        (STREAM | {"EventType": "x" * 100_000}, ("EventType",)),
        (STREAM | {"EventType": [STREAM_COMPLETE]}, ("EventType",)),
        ({}, ()),
        ([STREAM], ("body",)),
        (None, ("body",)),
        ("text", ("body",)),
    ],
)
def test_an_event_of_another_type_counts_as_other_and_has_no_jobs(body: object, malformed: tuple[str, ...]) -> None:
    assert parse(body) == Event(OTHER, malformed=malformed)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda plain: plain,
        lambda plain: b"\xef\xbb\xbf \r\n" + plain + b"\n",
        base64.b64encode,
        base64.encodebytes,
        lambda plain: b" " + base64.b64encode(b"\xef\xbb\xbf" + plain) + b"\n",
    ],
    ids=["plain", "byte order mark and white space", "Base64", "Base64 in lines", "Base64 of a byte order mark"],
)
def test_json_is_read_plain_and_in_base64(wrapped: Any) -> None:
    assert decode(wrapped(json.dumps(STREAM).encode())) == STREAM


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no",
        b"abcd",
        b"<html>",
        b"\xff\xfe{}",
        b'{"a": ',
        b"{}{}",
        b'{"a": "\xe9"}',
        b'{"a":' * 100_000,
        base64.b64encode(b'{"a":' * 100_000),
        base64.b64encode(b"\xff\xff"),
        base64.b64encode(b"{}") + b"!",
        "ｅ30=".encode(),
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_a_body_that_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(raw)


def test_a_number_of_thousands_of_digits_costs_only_its_field() -> None:
    raw = json.dumps(STREAM)[:-1] + f', "Size": {"9" * 5000}, "VideoId": {"9" * 5000}, "Bitrate": NaN}}'
    event = parse(decode(raw.encode()))
    assert (len(event.jobs), event.malformed) == (1, ("VideoId",))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(
    [*TYPES, "j1", "2026-03-20T07:49:16Z", "2099-01-01T00:00:00Z", "x" * 5000]
)  # fmt: skip
KEYS = st.sampled_from(sorted(FIELDS))
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)
EVENTS = st.fixed_dictionaries(
    {"EventType": st.sampled_from(TYPES)},
    optional={
        "StreamInfos": st.lists(st.dictionaries(KEYS, LEAVES)) | ANY_JSON,
        **{key: ANY_JSON for key in FIELDS if key not in ("EventType", "StreamInfos")},
    },
)


@pytest.mark.slow
@given(ANY_JSON | EVENTS)
def test_any_json_is_an_event_that_can_be_counted_and_asked_about(body: object) -> None:
    """Types and field names are from a fixed list, ids can be used in requests, and times are in bounds."""
    event = parse(body)
    assert event.type in TYPES
    assert set(event.malformed) <= FIELDS
    assert event.video_id == "" or is_id(event.video_id)
    assert len({job.id for job in event.jobs}) == len(event.jobs)
    for job in event.jobs:
        assert is_id(job.id)
        assert job.processing is None or 0 <= job.processing <= MAX_PROCESSING_SECONDS


@pytest.mark.slow
@given(st.binary() | st.binary().map(base64.b64encode) | ANY_JSON.map(lambda body: json.dumps(body).encode()))
def test_any_bytes_are_json_or_refused(raw: bytes) -> None:
    try:
        body = decode(raw)
    except ValueError:
        return
    parse(body)
