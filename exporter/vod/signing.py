"""ACS3-HMAC-SHA256, the signature of Alibaba Cloud's OpenAPI, as pure functions.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
EMPTY_BODY_SHA256 = hashlib.sha256(b"").hexdigest()


def percent_encode(text: str) -> str:
    """RFC 3986: everything but `A-Za-z0-9-_.~` is escaped, as UTF-8."""
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Sorted by name; an empty value is written `name=`. Also the query to send: what is signed is what goes out."""
    return "&".join(f"{percent_encode(name)}={percent_encode(parameters[name])}" for name in sorted(parameters))


def names_to_sign(headers: Iterable[str]) -> list[str]:
    """Of the lower-case header names given, those that a client signs: `host`, `content-type`, every `x-acs-*`."""
    return sorted(name for name in headers if name in ("host", "content-type") or name.startswith("x-acs-"))


def signature(
    secret: str, *, method: str, query: str, headers: Mapping[str, str], signed: Iterable[str], path: str = "/"
) -> str:
    """The hexadecimal signature of one request.

    `query` is canonical already; `headers` have lower-case names, hold `x-acs-content-sha256`, and all of `signed`.
    Raises `KeyError` where a header to sign is missing.
    """
    names = sorted(signed)
    canonical_headers = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical_request = "\n".join(
        (method, path, query, canonical_headers, ";".join(names), headers["x-acs-content-sha256"])
    )
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def authorization(
    access_key_id: str, secret: str, *, method: str, query: str, headers: Mapping[str, str], path: str = "/"
) -> str:
    """The value of the `Authorization` header for `headers` (lower-case names), signing those of `names_to_sign`."""
    names = names_to_sign(headers)
    value = signature(secret, method=method, query=query, headers=headers, signed=names, path=path)
    return f"{ALGORITHM} Credential={access_key_id},SignedHeaders={';'.join(names)},Signature={value}"
