"""ACS3-HMAC-SHA256, the request signature of the Alibaba Cloud OpenAPI, as pure functions.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
EMPTY_BODY_SHA256 = hashlib.sha256(b"").hexdigest()


def timestamp(seconds: float) -> str:
    """Unix time in seconds as the ISO 8601 text that requests need, in UTC without fractions."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def percent_encode(text: str) -> str:
    """Percent-encode UTF-8 by RFC 3986: all characters except `A-Za-z0-9-_.~`."""
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The query string, sorted by name; an empty value is written `name=`. It must be both signed and sent as it is."""
    return "&".join(f"{percent_encode(name)}={percent_encode(parameters[name])}" for name in sorted(parameters))


def names_to_sign(headers: Iterable[str]) -> list[str]:
    """The sorted names among `headers` (lower case) that a client signs: `host`, `content-type` and all `x-acs-*`."""
    return sorted(name for name in headers if name in ("host", "content-type") or name.startswith("x-acs-"))


def signature(
    secret: str, *, method: str, query: str, headers: Mapping[str, str], signed: Iterable[str], path: str = "/"
) -> str:
    """The hexadecimal signature of one request.

    `query` is a result of `canonical_query`. `headers` have lower-case names and contain `x-acs-content-sha256` and all
    names in `signed`. Raises `KeyError` if a header to sign is missing.
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
    """The value of the `Authorization` header. It signs the `headers` (lower-case names) of `names_to_sign`."""
    names = names_to_sign(headers)
    value = signature(secret, method=method, query=query, headers=headers, signed=names, path=path)
    return f"{ALGORITHM} Credential={access_key_id},SignedHeaders={';'.join(names)},Signature={value}"
