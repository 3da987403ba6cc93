"""The terminal that a command writes to: its size, colours where it has them, and a line that changes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import TextIO

_COLOURS = {
    **dict.fromkeys(("TranscodeSuccess", "CompleteAllSucc", "granted"), 32),  # green
    **dict.fromkeys(("TranscodeFail", "CompleteAllFail", "not granted"), 31),  # red
    **dict.fromkeys(("CompletePartialSucc", "TranscodeCancelled"), 33),  # yellow
    **dict.fromkeys(("Transcoding", "Processing"), 36),  # cyan
}
_COLOURED = re.compile(rf"(?<=  )(?:{'|'.join(sorted(_COLOURS, reverse=True))})(?!\w)")


def size(out: TextIO) -> os.terminal_size | None:
    """Columns and lines of the terminal now; None if `out` is no terminal."""
    if not out.isatty():
        return None
    found = os.get_terminal_size(out.fileno())
    return os.terminal_size((found.columns or 80, found.lines or 24))


def coloured(text: str, out: TextIO, environ: Mapping[str, str] = os.environ) -> str:
    """`text` with statuses in colours, if `out` has them, and the user does not forbid them: https://no-color.org"""
    if not out.isatty() or environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb":
        return text
    return _COLOURED.sub(lambda match: f"\x1b[{_COLOURS[match[0]]}m{match[0]}\x1b[0m", text)


@contextlib.contextmanager
def screen(out: TextIO) -> Iterator[None]:
    """Use the second screen of the terminal, and show the first again at the end. Does nothing without a terminal."""
    if not out.isatty():
        yield
        return
    out.write("\x1b[?1049h\x1b[?25l")  # the second screen, without a cursor
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

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._text = ""
        self._shown = ""
        self._columns = 0

    def show(self, text: str) -> None:
        """Show `text`, as far as it fits the width of the terminal. Parts that do not fit are left out."""
        terminal = size(self._out)
        if terminal is None:
            self._out.write(f"{text}\n")
        else:
            # If the terminal has become too narrow for the last text, that wraps now, and cannot be replaced.
            start = "\n" if len(self._shown) >= terminal.columns else "\r\x1b[K"
            self._text, self._columns = text, terminal.columns
            self._shown = _fitted(text, terminal.columns - 1)
            self._out.write(start + self._shown)
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
