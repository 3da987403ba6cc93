"""The layers of a text: the text as it is, and after its escapes were decoded once, twice and so on.

A service that quotes a URL in JSON in a log line in HTML has escaped it several times. A layer decodes once what the
layer before it says: percent-encoding, JSON escapes and HTML entities. Full-width letters are read as ASCII.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DEPTH = 4  # times that a text is decoded

_ESCAPE = re.compile(
    r"""(?:%[0-9A-Fa-f]{2})+ | \\u[0-9A-Fa-f]{4} | \\x[0-9A-Fa-f]{2} | \\[/"'\\]
    | &(?:\#[0-9]{1,7} | \#[xX][0-9A-Fa-f]{1,6} | [A-Za-z]{2,24});""",
    re.VERBOSE | re.ASCII,
)
_WIDTHS = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


@dataclass(frozen=True, slots=True)
class Layer:
    """`starts` has the place of each character of `text` in the original text, and at its end the length of that."""

    text: str
    starts: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place of `text[start:end]` in the original text. Half an escape counts as the whole escape."""
        while end < len(self.text) and self.starts[end] == self.starts[end - 1]:
            end += 1
        return self.starts[start], self.starts[end]


def layers(text: str) -> Iterator[Layer]:
    """The text itself, then the text decoded once, twice, and so on, as long as there is something to decode.

    Takes time in proportion to the length of the text.
    """
    layer: Layer | None = Layer(text.translate(_WIDTHS), range(len(text) + 1))
    for _ in range(_DEPTH):
        if layer is None:
            return
        yield layer
        layer = _decoded(layer)
    if layer is not None:
        yield layer


def _decoded(layer: Layer) -> Layer | None:
    """None if the layer has no escapes."""
    texts: list[str] = []
    starts: list[int] = []
    end = 0
    for escape in _ESCAPE.finditer(layer.text):
        texts.append(layer.text[end : escape.start()])
        starts += layer.starts[end : escape.start()]
        at = escape.start()
        for characters, length in _characters(escape[0]):
            texts.append(characters)
            starts += [layer.starts[at]] * len(characters)
            at += length
        end = escape.end()
    if not end:
        return None
    texts.append(layer.text[end:])
    starts += layer.starts[end:]
    return Layer("".join(texts).translate(_WIDTHS), starts)


def _characters(escape: str) -> Iterator[tuple[str, int]]:
    """The characters that the escape means, each with the number of characters that it was written with."""
    if escape[0] == "%":
        raw = bytes.fromhex(escape.replace("%", ""))
        try:
            for character in raw.decode():
                yield character, 3 * len(character.encode())
        except UnicodeDecodeError:
            for byte in raw:
                yield chr(byte), 3
    elif escape[0] == "&":
        yield html.unescape(escape), len(escape)
    elif escape[1] in "ux":
        yield chr(int.from_bytes(bytes.fromhex(escape[2:]), "big")), len(escape)
    else:
        yield escape[1], 2
