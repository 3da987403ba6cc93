"""What VOD bills an output as."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import UNKNOWN, Output, Stream
from exporter.specification import AUDIO, SPECIFICATIONS, specification

VIDEO_CODECS = ("h264", "hevc", "av1")
SIDES = st.integers(min_value=1, max_value=10_000)


def output(codec: str = "h264", width: float | None = 1280, height: float | None = 720, audio: str = "aac") -> Output:
    streams = (*([Stream("video", "0", codec)] if codec else []), *([Stream("audio", "1", audio)] if audio else []))
    return Output(width=width, height=height, streams=streams)


def test_a_tier_holds_outputs_whose_long_and_short_side_fit() -> None:
    """ "If the long side or short side exceeds the range, a higher specification is used": VOD's page."""
    for width, height, expected in [
        (128, 128, "H264.LD"),
        (640, 480, "H264.LD"),
        (480, 640, "H264.LD"),
        (641, 480, "H264.SD"),
        (640, 481, "H264.SD"),
        (854, 480, "H264.SD"),
        (1280, 720, "H264.SD"),
        (1281, 720, "H264.HD"),
        (1280, 721, "H264.HD"),
        (1920, 800, "H264.HD"),
        (1920, 1080, "H264.HD"),
        (1921, 1080, "H264.2K"),
        (1920, 1081, "H264.2K"),
        (1920, 1088, "H264.2K"),
        (1088, 1920, "H264.2K"),
        (2560, 1440, "H264.2K"),
        (2561, 1440, "H264.4K"),
        (2560, 1441, "H264.4K"),
        (3840, 2160, "H264.4K"),
        (3841, 2160, UNKNOWN),
        (3840, 2161, UNKNOWN),
        (7680, 4320, UNKNOWN),
    ]:
        assert expected == specification(output(width=width, height=height))


def test_the_codec_of_the_video_stream_decides() -> None:
    for codec, expected in [
        *(("h264", "H264.SD"), ("H.264", "H264.SD"), ("hevc", "H265.SD"), ("h265", "H265.SD"), ("H.265", "H265.SD")),
        *(("av1", "AV1.SD"), ("vp9", UNKNOWN), ("mpeg2video", UNKNOWN)),
    ]:
        assert expected == specification(output(codec))


def test_an_output_with_sound_alone_is_audio() -> None:
    assert specification(output(codec="", width=None, height=None)) == AUDIO
    assert specification(output(codec="", width=0, height=0)) == AUDIO


def test_a_cover_is_no_video() -> None:
    """FFmpeg shows the cover of a song as a video stream of one picture."""
    cover, sound, film = Stream("video", "0", "mjpeg"), Stream("audio", "1", "aac"), Stream("video", "2", "h264")
    assert specification(Output(width=500, height=500, streams=(cover, sound))) == AUDIO
    assert specification(Output(width=1280, height=720, streams=(cover, sound, film))) == "H264.SD"
    assert specification(Output(width=500, height=500, streams=(cover,))) == UNKNOWN


@pytest.mark.parametrize(
    "silent",
    [
        Output(),
        output(codec="", audio=""),
        output(codec=""),
        output(width=None),
        output(height=None),
        output(width=0, height=0),
    ],
)
def test_an_output_whose_fields_do_not_tell_is_unknown(silent: Output) -> None:
    assert specification(silent) == UNKNOWN


@given(codec=st.sampled_from(VIDEO_CODECS), width=SIDES, height=SIDES)
def test_a_portrait_video_is_billed_as_a_landscape_one(codec: str, width: int, height: int) -> None:
    assert specification(output(codec, width, height)) == specification(output(codec, height, width))


@given(codec=st.sampled_from(VIDEO_CODECS), width=SIDES, height=SIDES, more=SIDES)
def test_a_larger_output_is_never_in_a_lower_tier(codec: str, width: int, height: int, more: int) -> None:
    order = [name for name in SPECIFICATIONS if name.count(".") == 1] + [UNKNOWN]
    small, large = specification(output(codec, width, height)), specification(output(codec, width + more, height))
    assert order.index(small) <= order.index(large)


@given(
    codec=st.sampled_from(("", *VIDEO_CODECS, "vp9")) | st.text(max_size=8),
    width=st.none() | st.floats(min_value=0, max_value=1e18),
    height=st.none() | st.floats(min_value=0, max_value=1e18),
    audio=st.sampled_from(("", "aac")),
)
def test_any_output_has_a_specification_that_can_be_priced_or_is_unknown(
    codec: str, width: float | None, height: float | None, audio: str
) -> None:
    assert specification(output(codec, width, height, audio)) in (*SPECIFICATIONS, UNKNOWN)
