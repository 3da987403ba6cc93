"""Removes secrets from a text, whatever encoding they are written in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.masks import shapes
from exporter.masks.layers import layers
from exporter.masks.own import Secrets
from exporter.masks.urls import without_queries, without_query

LIMIT = 8 << 10
"""The longest text that leaves the process, in characters."""

_READ = 2 * LIMIT  # characters; a text is read further than it is shown, so that no secret is cut before it is found
_OWN, _OTHER = "<secret>", "…"

_own = Secrets()  # for the whole process, because a log line or a page may quote those of any account


def remember(secret: str) -> None:
    """Let `mask` find this secret of the exporter in every text. Secrets of fewer than six characters are too short."""
    _own.remember(secret)


def mask(text: str, *, secrets: Iterable[str] = (), limit: int = LIMIT) -> str:
    """`text` without secrets, cut to `limit` characters. Takes time in proportion to the length of the text.

    `<secret>` stands in place of our own secrets: those of `remember`, and `secrets`. `…` stands in place of what looks
    like a secret of somebody else, such as the value after `Signature=`, and of the queries of URLs. Both are also
    found in percent-encoding, JSON, HTML and full-width letters, even if encoded several times. Our own are also found
    in Base64. Other text stays as it is.
    """
    return _cut(without_queries(_replaced(text[:_READ], secrets)), limit, is_cut=len(text) > _READ)


def mask_url(url: str, *, limit: int = LIMIT) -> str:
    """As `mask`, for a text that is one URL, which may have spaces: no part of its query remains."""
    return _cut(without_query(_replaced(url[:_READ], ())), limit, is_cut=len(url) > _READ)


def _cut(text: str, limit: int, *, is_cut: bool) -> str:
    return f"{text[: limit - 1]}…" if is_cut or len(text) > limit else text


def _replaced(text: str, secrets: Iterable[str]) -> str:
    parts, shown = [], 0
    for start, end, mark in _joined(sorted(_spans(text, Secrets(secrets, in_words=True)))):
        parts += [text[shown:start], mark]
        shown = end
    return "".join((*parts, text[shown:]))


def _joined(spans: Iterable[tuple[int, int, str]]) -> Iterator[tuple[int, int, str]]:
    """The spans, with those that overlap as one."""
    joined: tuple[int, int, str] | None = None
    for start, end, mark in spans:
        if joined is not None and start < joined[1]:
            joined = joined[0], max(end, joined[1]), _OWN if _OWN in (mark, joined[2]) else _OTHER
        else:
            if joined is not None:
                yield joined
            joined = start, end, mark
    if joined is not None:
        yield joined


def _spans(text: str, secrets: Secrets) -> Iterator[tuple[int, int, str]]:
    """Start, end and mark of each secret."""
    for layer in layers(text):
        for known in (_own, secrets):
            yield from ((*layer.span(*found), _OWN) for found in known.spans(layer.text))
        yield from ((*layer.span(*found), _OTHER) for found in shapes.spans(layer.text))
