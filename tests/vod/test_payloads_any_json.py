"""Any JSON gives a record that is safe to show and to count, and a malformed field costs only that field."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Output
from exporter.vod.payloads import (
    FIELDS,
    error_reply,
    jobs_reply,
    summary_reply,
    task_list_reply,
    task_reply,
    usage_reply,
    video_list_reply,
)

SAMPLES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))["body"]
    for path in sorted((Path(__file__).parents[1] / "data" / "vod-api" / "samples").glob("*.json"))
}
FAILED = SAMPLES["get-task-failed+hls-encrypted+mp4-watermark"]
PROCESSING = SAMPLES["get-task-processing-no-output-quirks"]
PAGE = SAMPLES["get-task-page-2024"]
VIDEOS = {
    "RequestId": "F4C6D5BE-BF13-4561-9F6C-516EA8906DCD",
    "Total": 3,
    "VideoList": {
        "Video": [
            {"VideoId": "v1", "Status": "Transcoding", "CreationTime": "2026-09-30T00:00:00Z", "Title": "a"},
            {"VideoId": "v2", "Status": "Normal", "CreationTime": "2026-09-30T00:00:01Z"},
        ]
    },
}
USAGE = {
    "DataInterval": "hour",
    "TranscodeData": {
        "TranscodeDataItem": [
            {"TimeStamp": "2019-02-01T16:00:00Z", "Data": {"DataItem": [{"Name": "H264.SD", "Value": "111"}]}}
        ]
    },
}

READERS: tuple[Callable[[object], Any], ...] = (
    *(task_reply, jobs_reply, task_list_reply, summary_reply, video_list_reply, usage_reply, error_reply),
)

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)  # Hypothesis cannot print more than 4,300 digits
    | st.floats()
    | st.text(st.characters())  # including lone surrogates
    | st.sampled_from(
        ["", "200", "-1", "1e400", "NaN", "100", "x" * 5000, "9" * 5000, "[" * 5000, "2019-01-23T12:35:12Z"]
    )
)
KEYS = st.sampled_from(sorted({*(part for name in FIELDS for part in name.split(".")), "Code", "Message", "Video"}))
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6)
        | inner.map(json.dumps)
        | st.fixed_dictionaries({}, optional={"TranscodeTask": inner, "TranscodeJobInfoList": st.lists(inner)})
    ),
    max_leaves=25,
)


def flat(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """The leaves of a record, by their attribute paths."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from flat(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from flat(item, (*path, str(place)))
    else:
        yield path, value


def assert_safe(reply: object) -> None:
    """Texts can be encoded and shown, and are bounded; numbers are finite and in range; reported names are known."""
    for path, value in flat(reply):
        if isinstance(value, str):
            value.encode()
            assert len(value) <= 1024
            assert not BIDI & set(value)
            assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(sign) for sign in value}
        elif value is not None:
            assert isinstance(value, int | float)
            assert math.isfinite(value)
            assert 0 <= value <= (1 if path[-1] == "progress" else 1e21)
        if "malformed" in path:
            assert value in FIELDS
    for jobs in (getattr(reply, "jobs", ()), getattr(getattr(reply, "task", None), "jobs", ())):
        named = [job.id for job in jobs if job.id]
        assert len(named) == len(set(named))
        for job in jobs:
            streams = [(stream.kind, stream.index) for stream in (job.output or Output()).streams]
            assert len(streams) == len(set(streams))


@pytest.mark.parametrize("body", SAMPLES.values(), ids=SAMPLES)
def test_answer_of_another_operation_gives_a_safe_record(body: object) -> None:
    for reader in READERS:
        assert_safe(reader(body))


@given(body=ANY_JSON)
def test_any_json_gives_a_safe_record(body: object) -> None:
    for reader in READERS:
        assert_safe(reader(body))


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all leaves, lists and objects in a JSON value."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from places(item, (*path, place))


def put(body: Any, path: tuple[str | int, ...], value: object) -> Any:
    changed = copy.deepcopy(body)
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


READABLE = {
    task_reply: [FAILED, PROCESSING, PAGE],
    jobs_reply: [{"RequestId": "r", "NonExistJobIds": ["gone"], **FAILED["TranscodeTask"]}],
    task_list_reply: [SAMPLES["list-transcode-task"]],
    video_list_reply: [VIDEOS],
    usage_reply: [USAGE],
    error_reply: [SAMPLES["error-unsupported-operation"]],
}
CASES = [(reader, body, path) for reader, bodies in READABLE.items() for body in bodies for path in places(body)]


@given(case=st.sampled_from(CASES), value=ANY_JSON)
def test_a_malformed_value_anywhere_gives_a_safe_record(
    case: tuple[Callable[[object], object], Any, tuple[str | int, ...]], value: object
) -> None:
    """This holds for any value at any place of an answer."""
    reader, body, path = case
    assert_safe(reader(put(body, path, value)))


# What a field of the API may change in a record; fields that are not read change nothing.
SURFACES = {
    "TranscodeTaskId": "id",
    "TranscodeJobId": "id",
    "VideoId": "video_id",
    "TaskStatus": "status",
    "Trigger": "trigger",
    "TranscodeTemplateGroupId": "template_group_id",
    "CreationTime": "created",
    "CompleteTime": "completed",
    "FinishTime": "completed",
    "Definition": "definition",
    "Priority": "priority",
    "TranscodeJobStatus": "status",
    "TranscodeProgress": "progress",
    "TranscodeTemplateId": "template_id",
    "InputFileUrl": "input_url",
    "ErrorCode": "error_code",
    "ErrorMessage": "error_message",
    "OutputFileUrl": "url",
    "Format": "format",
    "Encryption": "encryption",
    "Bitrate": "bitrate",
    "Filesize": "size",
    "Duration": "duration",
    "Fps": "frames_per_second",
    "Width": "width",
    "Height": "height",
    "VideoStreamList": "streams",
    "AudioStreamList": "streams",
    "SubtitleStreamList": "streams",
    "WatermarkIdList": "watermark_ids",
}
LEAF_CASES = [
    (body, path)
    for body in READABLE[task_reply]
    for path in places(body)
    if next((step for step in reversed(path) if isinstance(step, str)), "") in SURFACES
]


@given(case=st.sampled_from(LEAF_CASES), value=ANY_JSON)
def test_a_malformed_field_costs_only_that_field(case: tuple[Any, tuple[str | int, ...]], value: object) -> None:
    """Design, rule 8: the rest of the task is unchanged, and no other name is reported."""
    body, path = case
    name = next(step for step in reversed(path) if isinstance(step, str))
    before, after = task_reply(body), task_reply(put(body, path, value))
    known, now = dict(flat(before)), dict(flat(after))
    changed = {at for at in known.keys() | now.keys() if known.get(at) != now.get(at) and "malformed" not in at}
    counted = Counter(after.malformed) - Counter(before.malformed)

    assert {at for at in changed if SURFACES[name] not in at} == set()
    assert {field.split(".")[0] for field in counted} <= {name}


def test_a_boolean_is_malformed_in_every_field() -> None:
    """faults 28, for each documented field: it is absent, and reported once for each record with the field."""
    for name in sorted(SURFACES):
        body = FAILED if name == "FinishTime" else PAGE
        paths = [path for path in places(body) if path[-1] == name]
        assert paths, name
        for path in paths:
            reply = task_reply(put(body, path, True))
            assert reply.malformed == (name,)
            assert_safe(reply)


def test_every_field_of_the_documentation_is_read() -> None:
    """All fields of the sample are read, except lists, objects and the request id."""
    holders = {"RequestId", "TranscodeTask", "TranscodeJobInfoList", "OutputFile"}

    assert {step for path in places(PAGE) for step in path if isinstance(step, str)} - holders <= set(SURFACES)
