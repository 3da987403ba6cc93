"""The `OutputFile` of a transcode job, with its encryption and its streams, which are strings of JSON."""

from __future__ import annotations

from exporter.model import Output, Stream
from exporter.vod.fields import Fields, embedded

STREAMS_LIMIT = 32  # streams of one kind, each with series of its own
WATERMARKS_LIMIT = 32
INDEX_LIMIT = 999

STREAM_LISTS = {"VideoStreamList": "video", "AudioStreamList": "audio", "SubtitleStreamList": "subtitle"}
ENCRYPTIONS = ("AliyunVoDEncryption", "HLSEncryption")

OUTPUT_FIELDS = frozenset(
    (
        *("OutputFile", "OutputFileUrl", "Format", "Encryption", "Bitrate", "Filesize", "Duration", "Fps"),
        *("Width", "Height", "WatermarkIdList"),
        *(name + leaf for name in STREAM_LISTS for leaf in ("", ".Index", ".CodecName", ".Bitrate")),
    )
)
"""The field names that `output` can report. Names of stream fields include the list: `AudioStreamList.Bitrate`."""


def output(source: object, malformed: list[str]) -> Output | None:
    """The output file as VOD reports it; None if there is none. The values of a failed job may all be zero.

    Bitrates are converted to bits per second. The names of malformed fields are appended to `malformed`.
    """
    if source is None or source == {}:
        return None
    if not isinstance(source, dict):
        malformed.append("OutputFile")
        return None
    fields = Fields(source, malformed)
    return Output(
        url=fields.free_text("OutputFileUrl"),
        format=fields.name("Format"),
        encryption=_encryption(source.get("Encryption"), malformed),
        bitrate=fields.bits_per_second("Bitrate"),
        size=fields.number("Filesize"),
        duration=fields.number("Duration"),
        frames_per_second=fields.number("Fps"),
        width=fields.number("Width"),
        height=fields.number("Height"),
        streams=tuple(
            stream
            for name, kind in STREAM_LISTS.items()
            for stream in _streams(source.get(name), name, kind, malformed)
        ),
        watermark_ids=fields.ids("WatermarkIdList", limit=WATERMARKS_LIMIT),
    )


def _encryption(value: object, malformed: list[str]) -> str:
    """The type in `{"EncryptType":"AliyunVoDEncryption"}`: an object, a string of it, or the bare type. "" if none."""
    if isinstance(value, str) and value.strip() in ENCRYPTIONS:
        return value.strip()
    try:
        decoded = embedded(value)
    except ValueError:
        decoded = ()  # not a dict, so it is reported as malformed below
    if decoded is None:
        return ""
    if not isinstance(decoded, dict):
        malformed.append("Encryption")
        return ""
    malformed_inside: list[str] = []
    encryption = Fields(decoded, malformed_inside).name("EncryptType")
    if malformed_inside:
        malformed.append("Encryption")
    return encryption


def _streams(value: object, name: str, kind: str, malformed: list[str]) -> list[Stream]:
    """The streams of one list, in order. A stream without a valid index gets the lowest free one; a repeated index is
    malformed, because two series must not have the same labels.
    """
    rows = _stream_rows(value, name)
    if rows is None or len(rows) > STREAMS_LIMIT:
        malformed.append(name)
    streams: list[tuple[Fields, int | None]] = []
    taken: set[int | None] = set()
    for row in (rows or [])[:STREAMS_LIMIT]:
        if not isinstance(row, dict):
            malformed.append(name)
            continue
        fields = Fields(row, malformed, prefix=f"{name}.")
        index = fields.integer("Index", limit=INDEX_LIMIT)
        if index is not None and index in taken:
            fields.report("Index")
            continue
        taken.add(index)
        streams.append((fields, index))
    free = (index for index in range(STREAMS_LIMIT) if index not in taken)
    return [
        Stream(
            kind=kind,
            index=str(next(free) if index is None else index),
            codec=fields.name("CodecName"),
            bitrate=fields.bits_per_second("Bitrate"),
        )
        for fields, index in streams
    ]


def _stream_rows(value: object, name: str) -> list[object] | None:
    """The list in `value`. `value` may also be an object around the list, or a single stream. None if malformed."""
    try:
        decoded = embedded(value)
        if isinstance(decoded, dict):
            decoded = embedded(
                decoded.get(name, decoded.get(name.removesuffix("List"), [decoded] if decoded else None))
            )
    except ValueError:
        return None
    if decoded is None:
        return []
    return decoded if isinstance(decoded, list) else None
