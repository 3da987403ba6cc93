"""Caches the sample lines of jobs and tasks between scrapes, so that a scrape renders only the changed records.

Records are cached in blocks, and each block is compressed separately. The hash of an id decides whether a record starts
a new block. With blocks of fixed length, one new job would shift all blocks after it. With hashes, a job that is added,
removed or moved changes only the blocks that it leaves and enters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Generic, TypeVar

from isal import isal_zlib

from exporter.deadline import NO_DEADLINE, Deadline
from exporter.metrics.lines import lines
from exporter.metrics.rows import Row

_LEVEL = 1  # isal's output at level 1 is a few percent larger than zlib's default, and made many times faster
_RAW = -15  # zlib's wbits: raw deflate without header and checksum, with a window of 32 KiB
_BLOCK = 32  # mean number of records in a block; a power of two
_ALWAYS = 1_000  # records that are rendered even after the deadline; this takes about 50 ms

Shown = TypeVar("Shown")


class Part:
    """Some bytes of an exposition. The compressed form is made when it is first needed, and kept."""

    __slots__ = ("_crc", "_deflated", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._deflated: tuple[bytes, int] | None = None

    def deflated(self) -> tuple[bytes, int]:
        """Returns the text as deflate blocks, and its CRC-32.

        The blocks end at a full byte and refer to no earlier data, so parts can be joined in any order.
        """
        deflated = self._deflated
        if deflated is None:  # two threads may both compress; the results are equal
            compress = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
            data = compress.compress(self.text) + compress.flush(isal_zlib.Z_SYNC_FLUSH)
            deflated = self._deflated = data, isal_zlib.crc32(self.text)
        return deflated


def gzipped(parts: Iterable[Part]) -> bytes:
    """Joins the parts to one gzip member (RFC 1952). Prometheus reads several members; curl reads only the first."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # no modification time, fastest level, unknown system
    chunks = [header]
    crc = size = 0
    for part in parts:
        chunk, part_crc = part.deflated()
        chunks.append(chunk)
        crc = isal_zlib.crc32_combine(crc, part_crc, len(part.text))
        size += len(part.text)
    chunks.append(b"\x03\x00")  # an empty final deflate block
    chunks.append(crc.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))
    return b"".join(chunks)


Lines = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class _Block(Generic[Shown]):
    """Rendered records. The block refers to the records, so that Python does not reuse their ids for other objects."""

    records: Sequence[Shown]
    keys: Sequence[str]
    identities: Sequence[int]
    lines: Sequence[Lines]
    parts: Mapping[str, Part]


class Blocks(Generic[Shown]):
    """The cached blocks of the records in the last snapshot. Not safe to use from several threads.

    `keys` returns the ids of records and `rows` the rows of one record. Records are compared with `is`, not `==`: 0.0
    equals -0.0 but is written differently. The ledger returns the same object for a record that did not change.
    """

    def __init__(
        self,
        *,
        keys: Callable[[Sequence[Shown]], list[str]],
        rows: Callable[[Shown], Iterable[Row]],
    ) -> None:
        self._keys = keys
        self._rows = rows
        self.left_out = 0
        self._blocks: dict[str, _Block[Shown]] = {}  # by the key of the first record
        self._arranged: list[str] = []  # the keys of all records in the last snapshot
        self._starts: list[int] = []  # the index in `_arranged` of the first record of each block
        self._records: Sequence[Shown] | None = None  # of the last snapshot, if all are in `_parts`
        self._parts: dict[str, list[Part]] = {}

    def arrange(
        self, records: Sequence[Shown], *, deadline: Deadline = NO_DEADLINE, deflate: bool = False
    ) -> dict[str, list[Part]]:
        """Returns the parts with the lines of these records, by metric name. Forgets all other records.

        After the deadline, records that are not cached are left out if there are many; `left_out` is their number. With
        `deflate`, new parts are compressed at once, so that this takes no time after the deadline.
        """
        if records is self._records:  # the ledger returns the same view if nothing changed
            return self._parts
        keys, identities = self._keys(records), list(map(id, records))
        if keys != self._arranged:
            self._arranged = keys
            self._starts = [index for index, key in enumerate(keys) if not index or not hash(key) % _BLOCK]
        known = _Known(self._blocks.values())
        blocks = []
        rendered = self.left_out = 0
        for start, end in pairwise([*self._starts, len(keys)]):
            block = self._blocks.get(keys[start])
            if block is None or block.identities != identities[start:end]:
                places: Sequence[int] = range(start, end)
                if rendered >= _ALWAYS and deadline.expired:
                    places = [place for place in places if known.lines(keys[place], identities[place]) is not None]
                    self.left_out += end - start - len(places)
                if not places:
                    continue
                rendered += len(places)
                block = self._block(
                    [records[place] for place in places],
                    [keys[place] for place in places],
                    [identities[place] for place in places],
                    known,
                    block,
                )
                for part in block.parts.values() if deflate else ():
                    part.deflated()
            blocks.append(block)
        self._blocks = {block.keys[0]: block for block in blocks}
        parts: dict[str, list[Part]] = {}
        for block in blocks:
            for name, part in block.parts.items():
                parts.setdefault(name, []).append(part)
        self._records, self._parts = None if self.left_out else records, parts
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
            kept_lines: Iterable[Lines | None] = map(_same, before.identities, identities, before.lines)
        else:
            kept_lines = map(known.lines, keys, identities)
        rendered = [kept or lines(self._rows(record)) for kept, record in zip(kept_lines, records, strict=True)]
        return _Block(records, keys, identities, rendered, _parts(rendered, before))


def _same(before: int, now: int, kept: Lines) -> Lines | None:
    return kept if before == now else None


class _Known(Generic[Shown]):
    """Finds the lines of a record in any block. The first call builds the index; most scrapes do not need it."""

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
    """The parts of a block by metric name. Keeps the parts whose text did not change, with their compressed form."""
    if before is None or len(now) != len(before.lines):
        changed = {name for record in now for name in record}
        parts = {}
    else:
        pairs = zip(before.lines, now, strict=True)
        changed = {name for old, new in pairs if old is not new for name, _ in old.items() ^ new.items()}
        parts = {name: part for name, part in before.parts.items() if name not in changed}
    for name in changed:
        if text := b"".join([record[name] for record in now if name in record]):
            parts[name] = Part(text)
    return parts
