"""Removes logins, queries and the like from URLs, and from texts with URLs."""

from __future__ import annotations

import re
from itertools import pairwise
from urllib.parse import urlsplit

INVALID_URL = "an invalid URL"

_SCHEME = re.compile(r"(?:\b[a-z][a-z0-9+.-]{0,15}:)?//", re.IGNORECASE | re.ASCII)
# The path ends where its parameters, the query or the fragment start.
_PATH_END = re.compile(r"[?#;]")
_AUTHORITY_END = re.compile(r"[/?#]")
_PORT = re.compile(r":[0-9]{0,5}\Z")
_WORD = re.compile(r"\S+")


def without_query(url: str) -> str:
    """`url` without user name, password, path parameters, query and fragment.

    `…` stands in the place of each removed part, except user name and password. The result is `INVALID_URL` if the
    parts cannot be distinguished, because then any of them may contain a secret.
    """
    try:
        urlsplit(url)
    except ValueError:
        return INVALID_URL
    scheme = match[0] if (match := _SCHEME.match(url)) else ""
    rest = url[len(scheme) :]
    # The authority does not end at `;`: a password may contain it.
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    host_start = authority.rfind("@") + 1
    host, slash, path = _PATH_END.split(rest[host_start:], maxsplit=1)[0].partition("/")
    if not host_start and ":" in _PORT.sub("", host) and not host.startswith("[") and "@" in rest:
        # A `/` or `?` in the password ended the authority too early. `host` holds a part of the password.
        return INVALID_URL
    removed = "?…" if _PATH_END.search(rest, host_start) else ""
    return f"{scheme}{host}{'/'.join(map(_without_login, (slash + path).split('/')))}{removed}"


def without_queries(text: str) -> str:
    """`text` with each URL as `without_query` returns it."""
    return _WORD.sub(_in_word, text)


def _in_word(match: re.Match[str]) -> str:
    """Splits a word before each scheme: several URLs may stand in one word, and other text before the first."""
    word = match[0]
    if "/" not in word and "@" not in word and "?" not in word:
        return word
    starts = [0, *(scheme.start() for scheme in _SCHEME.finditer(word)), len(word)]
    return "".join(_in_part(word[start:end]) for start, end in pairwise(starts))


def _in_part(part: str) -> str:
    # A path with a query is a URL too: error messages of HTTP clients leave out scheme and host.
    is_url = _SCHEME.match(part) or "=" in part.partition("?")[2]
    return without_query(part) if is_url else _without_login(part)


def _without_login(text: str) -> str:
    """Removes `name:password` before an `@`. Without the colon it is no login but, for example, a mail address."""
    login, _, rest = text.rpartition("@")
    return f"…@{rest}" if ":" in login else text
