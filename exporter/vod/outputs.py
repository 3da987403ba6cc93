"""`OutputFile` of a transcode job: the file made, its encryption, and the streams in it, which are JSON in texts."""

from __future__ import annotations

from exporter.model import Output, Stream
from exporter.vod.fields import Fields, embedded

STREAMS_LIMIT = 32  # of one kind
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
"""The names that `output` can note; those of streams say which list they are from, as `AudioStreamList.Bitrate`."""


def output(source: object, odd: list[str]) -> Output | None:
    """The output file, as told (a failed job's may be all zeros); None where there is none.

    Kbit/s become bits per second. The names of fields that held something odd are added to `odd`.
    """
    if source is None or source == {}:
        return None
    if not isinstance(source, dict):
        odd.append("OutputFile")
        return None
    fields = Fields(source, odd)
    return Output(
        url=fields.free_text("OutputFileUrl"),
        format=fields.name("Format"),
        encryption=_encryption(source.get("Encryption"), odd),
        bitrate=fields.bits_per_second("Bitrate"),
        size=fields.number("Filesize"),
        duration=fields.number("Duration"),
        frames_per_second=fields.number("Fps"),
        width=fields.number("Width"),
        height=fields.number("Height"),
        streams=tuple(
            stream for name, kind in STREAM_LISTS.items() for stream in _streams(source.get(name), name, kind, odd)
        ),
        watermark_ids=fields.ids("WatermarkIdList", limit=WATERMARKS_LIMIT),
    )


def _encryption(value: object, odd: list[str]) -> str:
    """The type in `{"EncryptType":"AliyunVoDEncryption"}`, whether text, escaped again, or an object; `{}` is none."""
    if isinstance(value, str) and value.strip() in ENCRYPTIONS:
        return value.strip()
    try:
        held = embedded(value)
    except ValueError:
        held = ()
    if held is None:
        return ""
    if not isinstance(held, dict):
        odd.append("Encryption")
        return ""
    found: list[str] = []
    encryption = Fields(held, found).name("EncryptType")
    if found:
        odd.append("Encryption")
    return encryption


def _streams(value: object, name: str, kind: str, odd: list[str]) -> list[Stream]:
    """The streams of one list, in its order, no index twice. One without an index to trust gets the lowest free one."""
    rows = _stream_rows(value, name)
    if rows is None or len(rows) > STREAMS_LIMIT:
        odd.append(name)
    told: list[tuple[Fields, int | None]] = []
    taken: set[int | None] = set()
    for row in (rows or [])[:STREAMS_LIMIT]:
        if not isinstance(row, dict):
            odd.append(name)
            continue
        fields = Fields(row, odd, prefix=f"{name}.")
        index = fields.integer("Index", limit=INDEX_LIMIT)
        if index is not None and index in taken:
            fields.note("Index")
            continue
        taken.add(index)
        told.append((fields, index))
    free = (index for index in range(STREAMS_LIMIT) if index not in taken)
    return [
        Stream(
            kind=kind,
            index=str(next(free) if index is None else index),
            codec=fields.name("CodecName"),
            bitrate=fields.bits_per_second("Bitrate"),
        )
        for fields, index in told
    ]


def _stream_rows(value: object, name: str) -> list[object] | None:
    """The list in `value`, which may also be an object around it, or one stream alone; None where none can be found."""
    try:
        held = embedded(value)
        if isinstance(held, dict):
            held = embedded(held.get(name, held.get(name.removesuffix("List"), [held] if held else None)))
    except ValueError:
        return None
    if held is None:
        return []
    return held if isinstance(held, list) else None
