"""The terminal that a command writes to: its size, colours where it has them, and a line that changes."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, takewhile
from typing import TextIO

_WIDTHS = {"W": 2, "F": 2}  # wide and fullwidth: https://www.unicode.org/reports/tr11/
_RED, _GREEN, _YELLOW, _CYAN = 31, 32, 33, 36

Palette = Sequence[tuple[str, int]]
"""Pairs of a regular expression, and the colour of the text that matches it."""
STATUSES: Palette = (
    (r"(?<=  )(TranscodeSuccess|CompleteAllSucc|granted)(?!\w)", _GREEN),
    (r"(?<=  )(TranscodeFail|CompleteAllFail|not granted)(?!\w)", _RED),
    (r"(?<=  )(CompletePartialSucc|TranscodeCancelled)(?!\w)", _YELLOW),
    (r"(?<=  )(Transcoding|Processing)(?!\w)", _CYAN),
)
RUNNING: Palette = ((r"(?<=  )\d+ %", _CYAN), (r"(?<=: )VOD cannot be read", _RED))
COUNTS: Palette = ((r"\b[1-9]\d* failed", _RED), (r"\b[1-9]\d* done", _GREEN), (r"\b[1-9]\d* transcoding", _CYAN))
COMPLAINTS: Palette = ((r"^[\w-]+: warning:", _YELLOW), (r"^[\w-]+:(?! warning:)", _RED))


def display_width(text: str) -> int:
    """The columns that `text` takes: Chinese characters, for example, take two."""
    return sum(_WIDTHS.get(unicodedata.east_asian_width(char), 1) for char in text)


def shortened(text: str, width: int) -> str:
    """`text`, in at most `width` columns: `…` stands for its middle if it is longer."""
    if display_width(text) <= width:
        return text
    start, end = (width - 1) - (width - 1) // 2, (width - 1) // 2
    return f"{_start(text, start)}…{_start(text[::-1], end)[::-1]}"


def _start(text: str, width: int) -> str:
    """As much of the start of `text` as `width` columns have room for."""
    ends = accumulate(map(display_width, text))
    return text[: sum(1 for _ in takewhile(lambda end: end <= width, ends))]


def size(out: TextIO) -> os.terminal_size | None:
    """Columns and lines of the terminal now; None if `out` is no terminal."""
    if not out.isatty():
        return None
    found = os.get_terminal_size(out.fileno())
    return os.terminal_size((found.columns or 80, found.lines or 24))


def coloured(text: str, out: TextIO, palette: Palette, environ: Mapping[str, str] = os.environ) -> str:
    """`text` in the colours of `palette`, if `out` has them, and the user does not forbid them: https://no-color.org"""
    if not out.isatty() or environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb":
        return text
    for pattern, colour in palette:
        text = re.sub(pattern, f"\x1b[{colour}m\\g<0>\x1b[0m", text)
    return text


@contextlib.contextmanager
def screen(out: TextIO) -> Iterator[None]:
    """Use the alternate screen of the terminal, and leave it at the end. Does nothing without a terminal."""
    if not out.isatty():
        yield
        return
    out.write("\x1b[?1049h\x1b[?25l")  # the alternate screen, without a cursor
    try:
        yield
    finally:
        out.write("\x1b[?25h\x1b[?1049l")
        out.flush()


def redraw(out: TextIO, text: str) -> None:
    """Replace all of the screen by `text`. If `out` is no terminal, write the text."""
    out.write(f"\x1b[H\x1b[2J{text}" if out.isatty() else f"{text}\n")
    out.flush()


class LiveLine:
    """A line of a terminal that each `show` replaces. If `out` is no terminal, each `show` adds a line."""

    def __init__(self, out: TextIO, palette: Palette = ()) -> None:
        self._out = out
        self._palette = palette
        self._text = ""
        self._shown = ""
        self._columns = 0

    def show(self, text: str) -> None:
        """Show `text`, as far as it fits the width of the terminal. Parts that do not fit are left out."""
        terminal = size(self._out)
        if terminal is None:
            self._out.write(f"{text}\n")
        else:
            # If the terminal has become too narrow for the last text, the text now takes several lines. These cannot be
            # replaced, so a new line starts.
            start = "\n" if len(self._shown) >= terminal.columns else "\r\x1b[K"
            self._text, self._columns = text, terminal.columns
            self._shown = _fitted(text, terminal.columns - 1)
            self._out.write(start + coloured(self._shown, self._out, self._palette))
        self._out.flush()

    def fit(self) -> None:
        """Show the text again if the width of the terminal has changed."""
        terminal = size(self._out)
        if terminal is not None and self._columns not in (0, terminal.columns):
            self.show(self._text)


def _fitted(text: str, width: int) -> str:
    while len(text) > width and (end := max(text.rfind(","), text.rfind(";"))) > 0:
        text = text[:end]
    return text[:width]
