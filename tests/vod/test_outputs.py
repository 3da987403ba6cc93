"""Output files: encryption, watermarks and streams in each form that the API or a documented sample has."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Output, Stream
from exporter.vod.outputs import OUTPUT_FIELDS, STREAM_LISTS, output

VIDEO = {"AvgFPS": "30.0", "Bitrate": "933.814", "CodecName": "h264", "CodecTagString": "[27][0][0][0]", "Index": "0"}
AUDIO = {"Bitrate": "64.533", "CodecName": "aac", "Index": "1", "StartTime": "-0.046440"}

# How the samples write a stream list, and near relatives. `get-task-failed…` has the first; the page and
# `get-task-processing…` the second for video, the third for audio.
VARIANTS: dict[str, Callable[[str, list[object]], object]] = {
    "text": lambda _, rows: json.dumps(rows),
    "escaped twice": lambda _, rows: json.dumps(json.dumps(rows))[1:-1],
    "prefixed, no closing quote": lambda name, rows: f'"{name}": {json.dumps(json.dumps(rows))[:-1]}',
    "prefixed, closing quote": lambda name, rows: f'"{name}": {json.dumps(json.dumps(rows))}',
    "prefixed, not escaped": lambda name, rows: f'"{name}": {json.dumps(rows)}',
    "text in a text": lambda _, rows: json.dumps(json.dumps(rows)),
    "list": lambda _, rows: rows,
    "object around a list": lambda name, rows: {name: rows},
    "object around a text": lambda name, rows: json.dumps({name: json.dumps(rows)}),
    "object with elements": lambda name, rows: {name.removesuffix("List"): rows},
}


def read(**fields: object) -> tuple[Output, list[str]]:
    malformed: list[str] = []
    made = output(fields, malformed)
    assert made is not None
    return made, malformed


@pytest.mark.parametrize("write", VARIANTS.values(), ids=VARIANTS)
def test_streams_are_read_from_each_variant(write: Callable[[str, list[object]], object]) -> None:
    made, malformed = read(
        VideoStreamList=write("VideoStreamList", [VIDEO]),
        AudioStreamList=write("AudioStreamList", [AUDIO, {**AUDIO, "Index": "2"}]),
        SubtitleStreamList=write("SubtitleStreamList", []),
    )

    assert made.streams == (
        Stream("video", "0", "h264", 933814.0),
        Stream("audio", "1", "aac", 64533.0),
        Stream("audio", "2", "aac", 64533.0),
    )
    assert malformed == []


@given(
    write=st.sampled_from(list(VARIANTS.values())),
    name=st.sampled_from(list(STREAM_LISTS)),
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "CodecName": st.text(max_size=20),
                "Bitrate": st.integers(0, 10**6).map(str),
                "Tag": st.text(st.characters(exclude_characters="\x00")),
            }
        ),
        max_size=5,
    ),
)
def test_each_variant_says_the_same(
    write: Callable[[str, list[object]], object], name: str, rows: list[object]
) -> None:
    """This holds for any text in a stream, including quotes and backslashes."""
    assert read(**{name: rows}) == read(**{name: write(name, rows)})


def test_single_stream_stands_for_a_list_of_one() -> None:
    assert read(VideoStreamList=json.dumps(VIDEO))[0].streams == (Stream("video", "0", "h264", 933814.0),)


@pytest.mark.parametrize("value", [None, "", "[]", "{}", [], {}])
def test_no_streams_are_not_malformed(value: object) -> None:
    assert read(VideoStreamList=value, AudioStreamList=value) == (Output(), [])


@pytest.mark.parametrize(
    "value", ["h264", "[{", 7, True, "7", "true", "[" * 50_000, "x" * 10**6], ids=lambda v: str(v)[:9]
)
def test_a_malformed_list_costs_only_that_list(value: object) -> None:
    made, malformed = read(VideoStreamList=value, AudioStreamList=json.dumps([AUDIO]))

    assert [stream.kind for stream in made.streams] == ["audio"]
    assert malformed == ["VideoStreamList"]


def test_a_malformed_stream_field_costs_only_that_field() -> None:
    made, malformed = read(
        AudioStreamList=json.dumps([{**AUDIO, "Bitrate": "N/A"}, 7, {"CodecName": [], "Index": "5"}])
    )

    assert made.streams == (Stream("audio", "1", "aac", None), Stream("audio", "5", "", None))
    assert sorted(malformed) == ["AudioStreamList", "AudioStreamList.Bitrate", "AudioStreamList.CodecName"]


def test_no_index_occurs_twice() -> None:
    """faults 30: two streams with the same index would be two series with the same labels. "01" is 1."""
    made, malformed = read(AudioStreamList=[AUDIO, {**AUDIO, "CodecName": "mp3"}, {"Index": "01"}, {"Index": 1.0}])

    assert made.streams == (Stream("audio", "1", "aac", 64533.0),)
    assert malformed == ["AudioStreamList.Index"] * 3


def test_stream_without_index_gets_a_free_one() -> None:
    made, malformed = read(AudioStreamList=[{"CodecName": "aac"}, {"Index": "x"}, {"Index": "0"}, {"Index": -1}])

    assert [stream.index for stream in made.streams] == ["1", "2", "0", "3"]
    assert malformed == ["AudioStreamList.Index"] * 2


def test_streams_are_bounded() -> None:
    made, malformed = read(SubtitleStreamList=[{"Index": str(index)} for index in range(500)])

    assert len(made.streams) == 32
    assert malformed == ["SubtitleStreamList"]


@pytest.mark.parametrize(
    "value",
    [
        '{"EncryptType":"AliyunVoDEncryption"}',
        '{\\"EncryptType\\":\\"AliyunVoDEncryption\\"}',
        {"EncryptType": "AliyunVoDEncryption"},
        '"Encryption": "{\\"EncryptType\\":\\"AliyunVoDEncryption\\"}',
        "AliyunVoDEncryption",
        '{"EncryptType":"AliyunVoDEncryption ","More":1}',
    ],
)
def test_encryption_is_found_in_each_form(value: object) -> None:
    made, malformed = read(Encryption=value)

    assert made.encryption == "AliyunVoDEncryption"
    assert malformed == []


@pytest.mark.parametrize("value", ["{}", {}, "", None, '{"EncryptType":""}'])
def test_no_encryption_is_not_malformed(value: object) -> None:
    assert read(Encryption=value) == (Output(), [])


@pytest.mark.parametrize(
    "value", ["yes", "[]", [], 1, True, '{"EncryptType":1.5}', '{"EncryptType":"' + "x" * 65 + '"}']
)
def test_malformed_encryption_is_reported(value: object) -> None:
    made, malformed = read(Encryption=value)

    assert made.encryption == ""
    assert malformed == ["Encryption"]


@pytest.mark.parametrize(
    "value", [["a1", "b2"], '["a1","b2"]', ['["a1","b2"]'], ["a1", '["b2"]'], '[\\"a1\\",\\"b2\\"]']
)
def test_watermarks_are_found_in_each_form(value: object) -> None:
    """An array, a string of JSON, and an array with a string of JSON: a documented sample has each of them."""
    made, malformed = read(WatermarkIdList=value)

    assert made.watermark_ids == ("a1", "b2")
    assert malformed == []


def test_watermark_ids_of_digits_are_ids() -> None:
    """The JSON decoder would read an id such as 64079e3 as a number."""
    assert read(WatermarkIdList=["64079e3", "12"])[0].watermark_ids == ("64079e3", "12")
    assert read(WatermarkIdList="64079e3")[0].watermark_ids == ("64079e3",)


def test_malformed_watermark_ids_cost_only_themselves() -> None:
    made, malformed = read(WatermarkIdList=["a1", {}, "a b", "a1"])

    assert made.watermark_ids == ("a1",)
    assert malformed == ["WatermarkIdList"] * 2


def test_watermarks_are_bounded() -> None:
    made, malformed = read(WatermarkIdList=[f"id{number}" for number in range(10_000)])

    assert len(made.watermark_ids) == 32
    assert malformed == ["WatermarkIdList"]


def test_no_output_is_none() -> None:
    """`OutputFile` is absent while transcoding."""
    malformed: list[str] = []

    assert output(None, malformed) is output({}, malformed) is None
    assert malformed == []
    assert output([], malformed) is None
    assert malformed == ["OutputFile"]


def test_names_noted_are_known() -> None:
    _, malformed = read(**dict.fromkeys(OUTPUT_FIELDS, True), VideoStreamLists=1)
    leaves = [{"Index": True, "CodecName": True, "Bitrate": True}]
    _, deep = read(**dict.fromkeys(STREAM_LISTS, leaves))

    assert {*malformed, *deep, "OutputFile"} == OUTPUT_FIELDS
