"""The secrets of this process, as they may be written in a text."""

from __future__ import annotations

import base64
import re
import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator

# A secret, and the present and the last token, of each of a thousand accounts. Tokens are renewed every hour, and those
# that are not in use any more are forgotten.
MAX_SECRETS = 4000
SHORTEST = 6  # characters; shorter secrets would be found in many harmless words

_HEAD = SHORTEST
_LONG = 16  # characters; the start of a long secret is found even if the rest is cut off
_MIN_BASE64 = 8
_WORD = re.compile(r"[A-Za-z0-9]")


class Secrets:
    """Finds secrets in texts, as they are, in Base64 and in hexadecimal digits. Safe to use from several threads.

    A secret of fewer than 16 characters may be a part of another word. It is found there only with `in_words`.
    """

    def __init__(self, secrets: Iterable[str] = (), *, in_words: bool = False) -> None:
        self._in_words = in_words
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}  # the forms of each secret; the secret given last is last
        # Forms by their first characters. Values are replaced, never changed, so that `spans` needs no lock.
        self._heads: dict[str, tuple[str, ...]] = {}
        for secret in secrets:
            self.remember(secret)

    def remember(self, secret: str) -> None:
        """Find this secret from now on. Cheap for a secret that is known. Ignores a secret that is too short.

        If there are too many secrets, forgets the one that was not given for the longest time.
        """
        if len(secret) < SHORTEST:
            return
        with self._lock:
            forms = self._known.pop(secret, None)
            self._known[secret] = forms or tuple(dict.fromkeys(_forms(secret)))
            if forms is not None:
                return
            for form in self._known[secret]:
                self._heads[form[:_HEAD]] = (*self._heads.get(form[:_HEAD], ()), form)
            if len(self._known) > MAX_SECRETS:
                self._forget(next(iter(self._known)))

    def _forget(self, secret: str) -> None:
        for form in self._known.pop(secret):
            others = tuple(other for other in self._heads.pop(form[:_HEAD], ()) if other != form)
            if others:
                self._heads[form[:_HEAD]] = others

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of each secret in the text, in proportion to its length. A long one may be cut off."""
        heads, end = self._heads, 0
        for start in range(len(text) - _HEAD + 1 if heads else 0):
            if (head := text[start : start + _HEAD]) in heads and start >= end:
                end = max((self._end(text, start, form) for form in heads.get(head, ())), default=0)
                if end:
                    yield start, end

    def _end(self, text: str, start: int, form: str) -> int:
        """Where the form that starts at `start` ends or is cut off; 0 if it does not start there, or only in a word."""
        if not text.startswith(form[:_LONG], start):
            return 0
        if len(form) < _LONG:
            end = start + len(form)
            around = text[max(0, start - 1) : start], text[end : end + 1]
            return 0 if not self._in_words and any(map(_WORD.match, around)) else end
        # To compare slices is faster than to compare characters in a loop.
        longer = range(_LONG + 1, len(form) + 1)
        return start + _LONG + bisect_left(longer, True, key=lambda length: not text.startswith(form[:length], start))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    if "+" in secret:
        yield secret.replace("+", " ")  # decoded as a form
    raw = secret.encode("utf-8", "surrogatepass")
    # In Base64, three bytes are four characters, so a form depends on how many bytes come before the secret. Its first
    # and its last character may depend on these bytes, too, and are left out.
    for before, first in ((0, 0), (1, 2), (2, 3)):
        whole = (before + len(raw)) * 8 // 6
        encoded = base64.b64encode(b"\0" * before + raw).decode()[first:whole]
        if len(encoded) >= _MIN_BASE64:
            yield encoded
            yield encoded.translate({ord("+"): "-", ord("/"): "_"})
    if len(raw) * 2 >= _MIN_BASE64:
        yield raw.hex()
        yield raw.hex().upper()
