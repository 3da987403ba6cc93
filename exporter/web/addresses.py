"""Addresses and texts as the status page shows them: without what opens something."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import urlsplit

_SCHEME = re.compile(r"(?:\b[a-z][a-z0-9+.-]{0,15}:)?//", re.IGNORECASE | re.ASCII)
_END = re.compile(r"[?#;]")
_PORT = re.compile(r":[0-9]{0,5}\Z")
# Addresses signed as the CDN's types B and C do it have the signature in their path.
_SIGNED_PATH = re.compile(r"/\d{12}/[0-9a-f]{32}(?=/)|/[0-9a-f]{32}/[0-9a-f]{8}(?=/)", re.IGNORECASE)
_NAMED = re.compile(
    r"""(?<![a-z0-9])((?:auth_?key|(?:oss)?access_?key_?id|(?:access_?)?key_?secret|(?:x-oss-|access_?)?signature|sign
    |(?:access|security|upload)?[_-]?token|password|passwd|secret)(?:=|%3D))[^\s&;,"'<>]+""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_WORD = re.compile(r"\S+")


def address(url: str) -> str:
    """An address without name and password, query, parameters, and the signature in its path."""
    try:
        urlsplit(url)
    except ValueError:
        return "an address that makes no sense"
    scheme = match[0] if (match := _SCHEME.match(url)) else ""
    whole = url[len(scheme) :]
    host, slash, path = _END.split(whole, maxsplit=1)[0].partition("/")
    first = re.split(r"[/?#]", whole, maxsplit=1)[0]  # a name and a password may have a `;`
    if "@" in first:
        host, slash, path = _END.split(whole[first.rindex("@") + 1 :], maxsplit=1)[0].partition("/")
    elif ":" in _PORT.sub("", host) and not host.startswith("[") and "@" in whole:
        return "an address that makes no sense"  # a password with a `/` or a `?` in it
    cut = "?…" if _END.search(whole, max(first.rfind("@"), 0)) else ""
    path = "/".join(map(_without_login, _SIGNED_PATH.sub("/…", slash + path).split("/")))
    return f"{scheme}{host}{_NAMED.sub(_hidden, path)}{cut}"


def without_keys(text: str) -> str:
    """A text in which each address is as `address` shows it, and what is named as a key or a signature is cut out."""
    return _NAMED.sub(_hidden, _WORD.sub(_word, text))


def _word(match: re.Match[str]) -> str:
    """Words may have several addresses, and one of them no scheme."""
    word = match[0]
    starts = [0, *(found.start() for found in _SCHEME.finditer(word)), len(word)]
    return "".join(_part(word[start:end]) for start, end in pairwise(starts))


def _part(part: str) -> str:
    is_address = _SCHEME.match(part) or "=" in part.partition("?")[2]
    return address(part) if is_address else _without_login(part)


def _without_login(text: str) -> str:
    login, _, rest = text.rpartition("@")
    return f"…@{rest}" if ":" in login else text


def _hidden(match: re.Match[str]) -> str:
    return f"{match[1]}…"
