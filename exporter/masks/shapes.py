"""What secrets look like in any text: values after the names of secrets, logins, and tokens of known forms."""

from __future__ import annotations

import re
from collections.abc import Iterator

# A name may end with one of these, as `SecurityToken` and `x-oss-security-token` do. `sign` and `sig` are whole names.
_NAMES = r"""(?:signature|token|secret(?:[_-]?key)?|passw(?:or)?d|pwd|passphrase|authorization|auth[_-]?key
    |access[_-]?key(?:[_-]?(?:id|secret))?|(?:private|api)[_-]?key|(?<![a-z0-9])sign?)"""
_VALUE = r"""(?:(?P<quote>["'])?(?P<value>(?(quote)[^"']|[^\s&;,"'<>])+))"""
_LONGEST_NAME = 64

# Signature=X, Signature: X, "SecurityToken":"X", secret => X, Authorization: OSS id:X
_ASSIGNED = re.compile(
    rf"""{_NAMES}["'\]]{{0,2}}[\s+]{{0,3}}(?P<sign>=>?|:)(?P<space>[\s+]{{0,3}})
    (?:(?:oss|acs|bearer|basic|digest|acs3-hmac-sha256)\s{{1,3}})?{_VALUE}""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
# token X, signature "X", Bearer X
_FOLLOWED = re.compile(
    rf"""(?:{_NAMES}|\b(?-i:Bearer|Basic))\s{{1,3}}(?:(?:is|was)\s{{1,3}})?{_VALUE}""",
    re.IGNORECASE | re.ASCII | re.VERBOSE,
)
_ALONE = re.compile(
    r"""(?<=//)[^\s/?\#@:"'<>]*:[^\s/?\#@"'<>]++(?=@)         # name:password@ in a URL
    |\bOSS\s{1,3}[^\s:]{1,64}:[^\s&;,"'<>]+                   # the Authorization of OSS
    |\bCAIS[A-Za-z0-9+/=_%-]{16,}                             # a token of STS
    |\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+  # a JSON Web Token
    # URL signing of Alibaba Cloud CDN, types B and C: the signature is a part of the path, not of the query.
    # https://www.alibabacloud.com/help/en/cdn/user-guide/configure-url-signing
    |(?<=/)[0-9]{10,14}/[0-9a-f]{32}(?=/)|(?<=/)[0-9a-f]{32}/[0-9a-f]{8}(?=/)""",
    re.ASCII | re.VERBOSE,
)
_LIKE_A_KEY = re.compile(r"(?=[^0-9]*[0-9]|[^a-z]*\Z|.{24})[A-Za-z0-9+/=_.~%-]{8,}", re.ASCII)
_QUOTED_KEY = re.compile(r"[!-~]{6,}")
_PUNCTUATION = ".,:;!?)]}"
# What follows `token:` and the like in a sentence.
_PROSE = re.compile(
    r"""(?:an?|and|are|at|authorization|be|can|cannot|check|denied|does|expired|for|from|has|have|in|invalid|is|it
    |malformed|missing|must|no|not|of|on|or|please|required|should|specified|that|the|there|this|to|token|unknown|use
    |was|with|wrong|yaml|you|your)[.,:;!?)]*""",
    re.IGNORECASE | re.VERBOSE,
)


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each value that looks like a secret, in proportion to the length of the text."""
    for pattern, is_secret in ((_ASSIGNED, _is_assigned_secret), (_FOLLOWED, _is_key)):
        at = 0
        while match := pattern.search(text, at):
            start, end = match.span("value")
            if is_secret(match):
                yield start, end
            # The value may be a name itself, as in `token: Signature: X`. A longer one is not read again, because
            # this would take the square of the time.
            at = start if end - start <= _LONGEST_NAME else end
    for match in _ALONE.finditer(text):
        yield match.span()


def _is_assigned_secret(match: re.Match[str]) -> bool:
    is_sentence = match["sign"] == ":" and match["space"] and not match["quote"]
    return not (is_sentence and _PROSE.fullmatch(match["value"]))


def _is_key(match: re.Match[str]) -> bool:
    value = match["value"].rstrip(_PUNCTUATION)
    return _LIKE_A_KEY.fullmatch(value) is not None or bool(match["quote"] and _QUOTED_KEY.fullmatch(value))
