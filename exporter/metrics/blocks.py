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

from exporter.metrics.lines import lines
from exporter.metrics.rows import Row

_LEVEL = 1  # isal at level 1 is as small as zlib's default within a few percent, many times faster
_RAW = -15  # deflate without header and checksum, window of 32 KiB
_BLOCK = 32  # records in a block, in the mean; a power of two

Shown = TypeVar("Shown")


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


Lines = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Block(Generic[Shown]):
    """Some records as they were rendered. It holds them, so that their identities are nobody else's."""

    records: Sequence[Shown]
    keys: Sequence[str]
    identities: Sequence[int]
    lines: Sequence[Lines]
    parts: Mapping[str, Part]


class Blocks(Generic[Shown]):
    """The records shown last, in their order. Not safe to use from several threads.

    `keys` gives the ids of records. A record is known by its identity: equal ones may render differently, as 0.0 and
    -0.0 do, and those that have not changed come again.
    """

    def __init__(
        self,
        *,
        keys: Callable[[Sequence[Shown]], list[str]],
        rows: Callable[[Shown], Iterable[Row]],
    ) -> None:
        self._keys = keys
        self._rows = rows
        self._blocks: dict[str, _Block[Shown]] = {}  # by the id of the first record
        self._arranged: list[str] = []  # the keys of all records, and where blocks begin among them
        self._starts: list[int] = []

    def arrange(self, records: Sequence[Shown]) -> dict[str, list[Part]]:
        """The parts that make up the lines of these records, by metric. What is no longer shown is forgotten."""
        keys, identities = self._keys(records), list(map(id, records))
        if keys != self._arranged:
            self._arranged = keys
            self._starts = [index for index, key in enumerate(keys) if not index or not hash(key) % _BLOCK]
        known = _Known(self._blocks.values())
        blocks = []
        for start, end in pairwise([*self._starts, len(keys)]):
            block = self._blocks.get(keys[start])
            if block is None or block.identities != identities[start:end]:
                block = self._block(records[start:end], keys[start:end], identities[start:end], known, block)
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
        identities: Sequence[int],
        known: _Known[Shown],
        before: _Block[Shown] | None,
    ) -> _Block[Shown]:
        if before is not None and before.keys == keys:
            then: Iterable[Lines | None] = map(_same, before.identities, identities, before.lines)
        else:
            then = map(known.lines, keys, identities)
        rendered = [kept or lines(self._rows(record)) for kept, record in zip(then, records, strict=True)]
        return _Block(records, keys, identities, rendered, _parts(rendered, before))


def _same(then: int, now: int, kept: Lines) -> Lines | None:
    return kept if then == now else None


class _Known(Generic[Shown]):
    """The lines of all records in some blocks, put together when they are first asked for."""

    def __init__(self, blocks: Iterable[_Block[Shown]]) -> None:
        self._blocks = blocks

    def lines(self, key: str, identity: int) -> Lines | None:
        known = self._by_key.get(key)
        return known[1] if known is not None and known[0] == identity else None

    @cached_property
    def _by_key(self) -> dict[str, tuple[int, Lines]]:
        by_key: dict[str, tuple[int, Lines]] = {}
        for block in self._blocks:
            by_key.update(zip(block.keys, zip(block.identities, block.lines, strict=True), strict=True))
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
