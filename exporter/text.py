"""Text from outside, made safe for labels, log lines, pages and terminals."""

from __future__ import annotations

import re

# Characters that could end a log line, change its direction, hide in it or break its encoding. They are control
# characters (C0, DEL, C1), the soft hyphen, zero-width and other invisible characters, line and paragraph separators,
# direction marks, the byte order mark and lone surrogates.
UNSAFE_CHARACTERS = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
)
"""The unsafe characters, written for a character class of a regular expression."""

_UNSAFE = re.compile(f"[{UNSAFE_CHARACTERS}]")


def clean(text: str, limit: int | None = None) -> str:
    """Return `text` without white space around it, cut to `limit` characters, each unsafe character as U+FFFD."""
    return _UNSAFE.sub("\ufffd", text.strip()[:limit])
