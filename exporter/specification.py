"""The transcoding specification of an output file: the name under which VOD bills it.

The names and the resolutions are those of VOD's documentation, "Specification":
https://www.alibabacloud.com/help/en/vod/developer-reference/parameters-for-media-assets
DescribeVodTranscodeData reports the billed seconds under the same names:
https://www.alibabacloud.com/help/en/vod/developer-reference/api-vod-2017-03-21-describevodtranscodedata
"""

from __future__ import annotations

from exporter.model import UNKNOWN, Output

AUDIO = "Audio"
SEGMENTATION = "Segmentation"
"""A change of the container format without encoding. No field of an output says so."""

_NARROWBAND = "NarrowBandHDV1"
# The longest long side and the longest short side of each tier, in pixels. VOD documents no tolerance: "If the long
# side or short side exceeds the specified resolution range, the output video has higher specifications". The page of
# Media Processing about its fees says the same. So 1920x1088 is 2K. Encoders pad 1080 lines to 1088, a multiple of 16,
# but the file tells players to crop the padding, and FFmpeg, whose names the fields of the streams have, reports 1080.
# `Height` is 1088 only if the picture has 1088 lines.
# https://www.alibabacloud.com/help/en/mps/product-overview/audio-and-video-transcoding-fees
_TIERS = (("LD", 640, 480), ("SD", 1280, 720), ("HD", 1920, 1080), ("2K", 2560, 1440), ("4K", 3840, 2160))
# `CodecName` is the name that FFmpeg gives the codec. The other names are what its encoders and events write.
_CODECS = {
    **dict.fromkeys(("h264", "avc", "avc1"), "H264"),
    **dict.fromkeys(("h265", "hevc", "hvc1", "hev1"), "H265"),
    **dict.fromkeys(("av1", "av01"), "AV1"),
}

_PICTURES = ("mjpeg", "png", "bmp", "gif")  # a cover is a video stream of one picture for FFmpeg, but no video

SPECIFICATIONS = (
    *(AUDIO, SEGMENTATION),
    *(f"{codec}.{tier}" for codec in ("H264", "H265", "AV1") for tier, _, _ in _TIERS),
    *(f"{codec}.{tier}.{_NARROWBAND}" for codec in ("H264", "H265", "AV1") for tier, _, _ in _TIERS),
)
"""Every specification with a price of its own. VOD documents Narrowband HD of H.264 and H.265 only; the templates of an
account may have more codecs.
"""


def specification(output: Output) -> str:
    """What VOD bills the output as, from its codecs, width and height; `unknown` if these are not enough.

    A tier is the first one that both sides fit into, with the long side first, so a portrait video costs as much as a
    landscape one. Narrowband HD and a mere change of the container are not visible in an output.
    """
    videos = [stream.codec for stream in output.streams if stream.kind == "video"]
    moving = [name for name in videos if name.lower() not in _PICTURES]
    if not moving:
        sound_alone = bool(videos) or not (output.width or output.height)  # the size may be that of a cover
        return AUDIO if output.codec("audio") and sound_alone else UNKNOWN
    codec = _CODECS.get(moving[0].lower().replace(".", ""))
    tier = _tier(output.width, output.height)
    return f"{codec}.{tier}" if codec and tier else UNKNOWN


def _tier(width: float | None, height: float | None) -> str | None:
    if not width or not height:
        return None
    long, short = max(width, height), min(width, height)
    return next((tier for tier, longest, shortest in _TIERS if long <= longest and short <= shortest), None)
