"""The terminal of a command: colours where it has them, and a line that fits."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping

import pytest

from exporter.command.terminal import (
    COMPLAINTS,
    COUNTS,
    RUNNING,
    STATUSES,
    LiveLine,
    Palette,
    coloured,
    display_width,
    shortened,
    size,
)
from tests.command.conftest import terminal

TEXT = "12:00:00  tasks 4 running, 9 finished; jobs 3 transcoding, 5 done, 1 failed; 900 series, scrape 0.1 s"
LINE = "  job  HD  TranscodeFail     TranscodeFailed  x"


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        *(("abcdefg", 7, "abcdefg"), ("abcdefg", 6, "abc…fg"), ("abcdefg", 5, "ab…fg")),
        *(("视频视频", 8, "视频视频"), ("视频视频", 7, "视…频"), ("视频视频", 6, "视…频"), ("a视频b", 5, "a…b")),
    ],
)
def test_a_text_that_is_too_wide_lacks_its_middle(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown
    assert display_width(shown) <= width


def test_without_a_terminal_there_is_no_size_no_colour_and_a_line_for_each_text() -> None:
    out = io.StringIO()
    assert (size(out), coloured(LINE, out, STATUSES, {"TERM": "xterm"})) == (None, LINE)
    line = LiveLine(out)
    line.show(TEXT)
    line.fit()
    line.show(TEXT)
    assert out.getvalue() == f"{TEXT}\n" * 2


@pytest.mark.parametrize(
    ("environ", "red"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_statuses_have_colours_unless_the_user_or_the_terminal_forbids_them(
    environ: Mapping[str, str], red: bool
) -> None:
    with terminal(80) as there, os.fdopen(there.theirs, "w", closefd=False) as out:
        shown = LINE.replace("TranscodeFail  ", "\x1b[31mTranscodeFail\x1b[0m  ") if red else LINE
        assert coloured(LINE, out, STATUSES, environ) == shown


@pytest.mark.parametrize(
    ("palette", "shown"),
    [
        (STATUSES, "  GetVideoList  [31mnot granted[0m: Forbidden"),
        (RUNNING, "demo  HD  [36m42 %[0m  3 min\naccount prod: [31mVOD cannot be read[0m; the values may be old"),
        (COUNTS, "jobs [36m3 transcoding[0m, [32m25 done[0m, 0 failed; 900 series, [31m10 failed[0m"),
        (COMPLAINTS, "[31mvod-transcode-exporter:[0m no exporter at x"),
        (COMPLAINTS, "[33mvod-transcode-exporter: warning:[0m account a: warning: x"),
    ],
)
def test_each_command_has_its_colours(palette: Palette, shown: str) -> None:
    plain = re.sub(r"\[\d+m", "", shown)
    with terminal(80) as there, os.fdopen(there.theirs, "w", closefd=False) as out:
        assert coloured(plain, out, palette, {"TERM": "xterm"}) == shown.replace("[", "\x1b[")


def test_parts_that_do_not_fit_are_left_out() -> None:
    for columns, shown in ((120, TEXT), (60, TEXT[:57]), (45, TEXT[:37]), (9, TEXT[:8])):
        with terminal(columns) as there, os.fdopen(there.theirs, "w", closefd=False) as out:
            LiveLine(out).show(TEXT)
            assert there.read(len) == f"\r\x1b[K{shown}"


def test_a_line_is_replaced_and_after_a_resize_fits_again() -> None:
    with terminal(120) as there, os.fdopen(there.theirs, "w", closefd=False) as out:
        line = LiveLine(out)
        line.fit()
        line.show(TEXT)
        for columns in (120, 45, 45, 120):
            there.resize(columns)
            out.write("|")
            line.fit()
        out.write("|")
        out.flush()
        seen = there.read(lambda seen: seen.count("|") == 5)
    # The bars move the cursor of a real terminal, not what is written.
    assert seen.split("|")[:-1] == [f"\r\x1b[K{TEXT}", "", f"\r\n{TEXT[:37]}", "", f"\r\x1b[K{TEXT}"]
