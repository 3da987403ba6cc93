"""The lines of jobs, or of tasks, kept from scrape to scrape in blocks, so that only what changed is made anew.

A block begins wherever the hash of an id says so, not after so many jobs: one that comes, goes or moves changes the
block it was in and the one it is in now, and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Generic, TypeVar

from isal import isal_zlib

from exporter.metrics.collector import Row
from exporter.metrics.lines import lines

_LEVEL = 1  # isal at level 1 is as small as zlib's default within a few percent, many times faster
_RAW = -15  # deflate without header and checksum, window of 32 KiB
_BLOCK = 64  # records in a block, in the mean; a power of two

Shown = TypeVar("Shown")
Stamp = tuple[object, ...]


class Part:
    """Some bytes of an exposition, and the same compressed, once somebody asks for that."""

    __slots__ = ("_crc", "_deflated", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._deflated: tuple[bytes, int] | None = None

    def deflated(self) -> tuple[bytes, int]:
        """Deflate blocks that end at a full byte and refer to nothing before them, and the CRC-32 of the text."""
        deflated = self._deflated
        if deflated is None:  # two threads may both do it: to the same end
            compress = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
            data = compress.compress(self.text) + compress.flush(isal_zlib.Z_SYNC_FLUSH)
            deflated = self._deflated = data, isal_zlib.crc32(self.text)
        return deflated


def gzipped(parts: Iterable[Part]) -> bytes:
    """One gzip member. (A member for each part would be as good for Prometheus; curl reads but the first.)"""
    chunks = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"]  # no time, the fastest level, no system
    crc = size = 0
    for part in parts:
        chunk, part_crc = part.deflated()
        chunks.append(chunk)
        crc = isal_zlib.crc32_combine(crc, part_crc, len(part.text))
        size += len(part.text)
    chunks.append(b"\x03\x00")  # an empty last block
    chunks.append(crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Shown]):
    """One record as it was rendered. It holds the record, so that its identity is nobody else's."""

    shown: Shown
    stamp: Stamp
    lines: Mapping[str, bytes]


Lines = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Block(Generic[Shown]):
    """Some records as they were rendered. It holds them, so that their identities are nobody else's."""

    records: Sequence[Shown]
    keys: Sequence[str]
    stamps: Sequence[Stamp]
    lines: Sequence[Lines]
    parts: Mapping[str, Part]


class Blocks(Generic[Shown]):
    """The records shown last, in their order. Not safe to use from several threads.

    `keys` gives the ids of records; `stamps` something that differs whenever the rows of a record may differ.
    """

    def __init__(
        self,
        *,
        keys: Callable[[Sequence[Shown]], list[str]],
        stamps: Callable[[Sequence[Shown]], list[Stamp]],
        rows: Callable[[Shown], Iterable[Row]],
    ) -> None:
        self._keys = keys
        self._stamps = stamps
        self._rows = rows
        self._blocks: dict[str, _Block[Shown]] = {}  # by the id of the first record

    def arrange(self, records: Sequence[Shown]) -> dict[str, list[Part]]:
        """The parts that make up the lines of these records, by metric. What is no longer shown is forgotten."""
        keys, stamps = self._keys(records), self._stamps(records)
        starts = [index for index, key in enumerate(keys) if not index or not hash(key) % _BLOCK]
        known = _Known(self._blocks.values())
        blocks = []
        for start, end in pairwise([*starts, len(keys)]):
            block = self._blocks.get(keys[start])
            if block is None or block.stamps != stamps[start:end]:
                block = self._block(records[start:end], keys[start:end], stamps[start:end], known, block)
            blocks.append(block)
        self._blocks = {block.keys[0]: block for block in blocks}
        parts: dict[str, list[Part]] = {}
        for block in blocks:
            for name, part in block.parts.items():
                parts.setdefault(name, []).append(part)
        return parts

    def _block(
        self,
        records: Sequence[Shown],
        keys: Sequence[str],
        stamps: Sequence[Stamp],
        known: _Known[Shown],
        before: _Block[Shown] | None,
    ) -> _Block[Shown]:
        here = _Known([before] if before is not None else [])
        rendered = [
            (here.lines(key, stamp) if key in here else known.lines(key, stamp)) or lines(self._rows(record))
            for record, key, stamp in zip(records, keys, stamps, strict=True)
        ]
        return _Block(records, keys, stamps, rendered, _parts(rendered, before))


class _Known(Generic[Shown]):
    """The lines of all records in some blocks, put together when they are first asked for."""

    def __init__(self, blocks: Iterable[_Block[Shown]]) -> None:
        self._blocks = blocks

    def lines(self, key: str, stamp: Stamp) -> Lines | None:
        known = self._by_key.get(key)
        return known[1] if known is not None and known[0] == stamp else None

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    @cached_property
    def _by_key(self) -> dict[str, tuple[Stamp, Lines]]:
        by_key: dict[str, tuple[Stamp, Lines]] = {}
        for block in self._blocks:
            by_key.update(zip(block.keys, zip(block.stamps, block.lines, strict=True), strict=True))
        return by_key


def _parts(now: Sequence[Lines], before: _Block[Shown] | None) -> Mapping[str, Part]:
    """The parts of a block by metric; those whose text is as it was before are kept."""
    if before is None or len(now) != len(before.lines):
        changed = {name for one in now for name in one}
        parts = {}
    else:
        pairs = zip(before.lines, now, strict=True)
        changed = {name for old, new in pairs if old is not new for name, _ in old.items() ^ new.items()}
        parts = {name: part for name, part in before.parts.items() if name not in changed}
    for name in changed:
        if text := b"".join([one[name] for one in now if name in one]):
            parts[name] = Part(text)
    return parts
