"""Removes credentials and signatures from the URLs and texts that the status page shows."""

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
# URL signing of Alibaba Cloud CDN, types B and C: the signature is a part of the path, not of the query.
# https://www.alibabacloud.com/help/en/cdn/user-guide/configure-url-signing
_SIGNED_PATH = re.compile(r"/\d{12}/[0-9a-f]{32}(?=/)|/[0-9a-f]{32}/[0-9a-f]{8}(?=/)", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"""(?<![a-z0-9])((?:auth_?key|(?:oss)?access_?key_?id|(?:access_?)?key_?secret|(?:x-oss-|access_?)?signature|sign
    |(?:access|security|upload)?[_-]?token|password|passwd|secret)(?:=|%3D))[^\s&;,"'<>]+""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_WORD = re.compile(r"\S+")


def redact_url(url: str) -> str:
    """`url` without user name, password, path parameters, query, fragment and signature.

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
    path = "/".join(map(_redact_login, _SIGNED_PATH.sub("/…", slash + path).split("/")))
    return f"{scheme}{host}{_SECRET_PARAMETER.sub(_redact_value, path)}{removed}"


def redact_text(text: str) -> str:
    """`text` with each URL redacted by `redact_url`, and without the values of keys, tokens and signatures."""
    return _SECRET_PARAMETER.sub(_redact_value, _WORD.sub(_redact_word, text))


def _redact_word(match: re.Match[str]) -> str:
    """Splits a word before each scheme: several URLs may stand in one word, and other text before the first."""
    word = match[0]
    starts = [0, *(scheme.start() for scheme in _SCHEME.finditer(word)), len(word)]
    return "".join(_redact_part(word[start:end]) for start, end in pairwise(starts))


def _redact_part(part: str) -> str:
    # A path with a query is a URL too: error messages of HTTP clients leave out scheme and host.
    is_url = _SCHEME.match(part) or "=" in part.partition("?")[2]
    return redact_url(part) if is_url else _redact_login(part)


def _redact_login(text: str) -> str:
    """Removes `name:password` before an `@`. Without the colon it is no login but, for example, a mail address."""
    login, _, rest = text.rpartition("@")
    return f"…@{rest}" if ":" in login else text


def _redact_value(match: re.Match[str]) -> str:
    return f"{match[1]}…"
