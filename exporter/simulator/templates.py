"""The transcode templates of the simulated account, and their groups: the outputs of a task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grade:
    """A definition: usual kbit/s, height in pixels (0: audio only), transcoding seconds per source second.

    `billed` is the specification under which VOD bills its outputs.
    """

    kilobits: int
    height: int
    effort: float
    billed: str


GRADES = {
    "LD": Grade(420, 360, 0.3, "H264.LD"),
    "SD": Grade(900, 480, 0.4, "H264.SD"),
    "HD": Grade(1800, 720, 0.6, "H264.SD"),
    "FHD": Grade(3500, 1080, 0.9, "H264.HD"),
    "2K": Grade(6500, 1440, 1.3, "H264.2K"),
    "4K": Grade(13000, 2160, 2.0, "H264.4K"),
    "OD": Grade(5000, 1080, 0.5, "H264.HD"),
    "AUTO": Grade(2800, 1080, 0.7, "H264.HD"),
    "SQ": Grade(64, 0, 0.2, "Audio"),
    "HQ": Grade(192, 0, 0.2, "Audio"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """One output of a group. `format` is the container, such as `mp4`."""

    id: str
    definition: str
    format: str
    encryption: str
    watermark_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateGroup:
    """The templates of a task. `sound` is True for groups of audio templates. `weight` is the relative frequency."""

    id: str
    name: str
    sound: bool
    weight: int
    templates: tuple[Template, ...]


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _group(
    name: str, outputs: str, *, weight: int, encryption: str = "", watermark: bool = False, sound: bool = False
) -> TemplateGroup:
    """`outputs` are words like `HD-mp4`: definition and format. `encryption` applies to HLS (`m3u8`) outputs."""
    templates = []
    for output in outputs.split():
        definition, _, container = output.partition("-")
        templates.append(
            Template(
                id=_id(f"template/{name}/{output}"),
                definition=definition,
                format=container,
                encryption=encryption if container == "m3u8" else "",
                watermark_ids=(_id(f"watermark/{name}"),) if watermark else (),
            )
        )
    return TemplateGroup(_id(f"group/{name}"), name, sound, weight, tuple(templates))


GROUPS = (
    _group("mp4", "LD-mp4 SD-mp4 HD-mp4", weight=30, watermark=True),
    _group("hls", "LD-m3u8 SD-m3u8 HD-m3u8 FHD-m3u8", weight=25),
    _group("protected", "SD-m3u8 HD-m3u8 FHD-m3u8", weight=20, encryption="AliyunVoDEncryption", watermark=True),
    _group("adaptive", "LD-m3u8 SD-m3u8 HD-m3u8 AUTO-m3u8", weight=10, encryption="HLSEncryption"),
    # The same definition occurs twice, because a definition does not identify a job.
    _group("both", "LD-mp4 LD-m3u8 HD-mp4 HD-m3u8", weight=8, encryption="AliyunVoDEncryption"),
    _group("premium", "SD-mp4 HD-mp4 FHD-mp4 2K-mp4 4K-mp4 HQ-m4a", weight=7),
    _group("original", "OD-mp4 HD-mp4", weight=5),
    _group("sound", "SQ-mp3 HQ-mp3", weight=1, sound=True),
)


def group(group_id: str) -> TemplateGroup | None:
    """The group with this id; None if there is none."""
    return next((group for group in GROUPS if group.id == group_id), None)
