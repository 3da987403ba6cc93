"""Layers decode a text again and again, and know where each character came from."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from exporter.masks.layers import layers
from tests.masks.conftest import ENCODINGS


def test_each_layer_is_decoded_once_more() -> None:
    for text, decoded in [
        ("plain", ["plain"]),
        ("a%2Bb", ["a%2Bb", "a+b"]),
        ("a%252Bb", ["a%252Bb", "a%2Bb", "a+b"]),
        ("%E4%B8%AD%ff", ["%E4%B8%AD%ff", "ä¸\xadÿ"]),
        ("%e4%b8%ad", ["%e4%b8%ad", "中"]),
        ("\\/\\u002F\\x2f", ["\\/\\u002F\\x2f", "///"]),
        ("&amp;#47;&#x2f;", ["&amp;#47;&#x2f;", "&#47;/", "//"]),
        ("Ｓ＝％２Ｂ", ["S=%2B", "S=+"]),
        ("100%, &nosuch; \\d %zz", ["100%, &nosuch; \\d %zz"] * 5),
    ]:
        assert [layer.text for layer in layers(text)] == decoded


@given(
    parts=st.lists(
        st.tuples(st.sampled_from(sorted(ENCODINGS)), st.text('aB+/=&<"', min_size=1, max_size=5)), min_size=1
    )
)
def test_the_place_of_a_decoded_text_is_that_of_its_code(parts: Sequence[tuple[str, str]]) -> None:
    codes = [ENCODINGS[encoding](part) for encoding, part in parts]
    text = " ".join(codes)
    for layer in layers(text):
        assert len(layer.starts) == len(layer.text) + 1
        assert layer.span(0, len(layer.text)) == (0, len(text))
        places = [layer.span(at, at + 1) for at in range(len(layer.text))]
        assert places == sorted(places)
