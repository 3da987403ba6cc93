"""Reads the body of an HTTP response with a limit for its size, before and after decompression."""

from __future__ import annotations

import zlib
from typing import Any

import requests

from exporter.errors import MalformedResponse

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 100 videos has about 0.3 MB
TOO_LARGE = "too_large"
"""The code of the error of an answer that exceeds a bound."""
_CHUNK_BYTES = 64 * 1024


def read_body(response: requests.Response, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The decompressed body of a response to a request with `stream=True`.

    Raises `MalformedResponse` for more than `limit` bytes, for an unknown encoding and for broken gzip, and exceptions
    of `urllib3` if the connection breaks or the time is over.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", ""):
        raise MalformedResponse(f"the answer has the unknown encoding {encoding[:40]!r}", code="encoding")
    unzip = _Gunzip() if encoding == "gzip" else None
    body = bytearray()
    received = 0
    while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):
        received += len(chunk)
        body += chunk if unzip is None else unzip.decompress(chunk, limit + 1 - len(body))
        if max(received, len(body)) > limit:
            raise MalformedResponse(f"the answer has more than {limit:,} bytes", code=TOO_LARGE)
    if unzip is not None and received and not unzip.eof:
        raise MalformedResponse("the answer is broken gzip: it ends early", code="encoding")
    return bytes(body)


class _Gunzip:
    """Unpacks gzip data, which may have several members: RFC 1952, section 2.2."""

    def __init__(self) -> None:
        self._member = _member()

    @property
    def eof(self) -> bool:
        return bool(self._member.eof)

    def decompress(self, chunk: bytes, limit: int) -> bytes:
        """The unpacked chunk, cut at `limit` bytes; raises `MalformedResponse` if the data is broken."""
        body = b""
        while chunk and len(body) < limit:
            if self._member.eof:
                self._member = _member()
            try:
                body += self._member.decompress(chunk, limit - len(body))
            except zlib.error:
                raise MalformedResponse("the answer is broken gzip", code="encoding") from None
            chunk = self._member.unused_data
        return body


def _member() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
