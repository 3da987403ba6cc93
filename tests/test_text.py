"""Text from outside is safe to show."""

from __future__ import annotations

from exporter.text import clean


def test_unsafe_characters_are_replaced() -> None:
    """faults 29 and 35: no line break, escape code, change of direction, invisible or unencodable character is left."""
    for character in [
        *("\x00", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\xad", "\u200b", "\u200f", "\u2028", "\u2029", "\u202e"),
        *("\u2060", "\u2066", "\ufeff", "\ud800"),
    ]:
        assert clean(f"a{character}b") == "a\ufffdb"


def test_other_characters_stay() -> None:
    assert clean(' 任务\u3000"quoted" \\ <b> é 🎬 ') == '任务\u3000"quoted" \\ <b> é 🎬'


def test_text_is_cut_to_the_limit() -> None:
    assert clean(" abc ", 2) == "ab"
