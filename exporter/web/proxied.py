"""Requests that a forward proxy passed on: their target is a whole URL (absolute-form, RFC 9112, section 3.2.2)."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import Scope

_ORIGIN = re.compile(rb"https?://(?:[^/?#]*@)?([^/?#@]*)", re.IGNORECASE)


def origin_form(scope: Scope) -> Scope:
    """The scope as if the client had sent the path alone. Its Host header is the host of the URL, as the RFC demands.

    If the target is already a path, the scope is returned unchanged. uvicorn puts the whole URL into the path.
    """
    match = _ORIGIN.match(scope["raw_path"])
    if match is None:
        return scope
    path = scope["raw_path"][match.end() :] or b"/"
    headers = [(b"host", match[1]), *((name, value) for name, value in scope["headers"] if name != b"host")]
    return {**scope, "raw_path": path, "path": unquote(path.decode("ascii")), "headers": headers}
