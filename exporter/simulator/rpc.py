"""HMAC-SHA1, the signature of requests by older SDKs, as pure functions. The exporter does not send it.

All of it is in the parameters of the query or of a form:
https://www.alibabacloud.com/help/en/sdk/product-overview/rpc-mechanism
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from exporter.vod.signing import canonical_query, percent_encode

METHOD, VERSION = "HMAC-SHA1", "1.0"
REQUIRED = (
    *("Action", "Version", "AccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce"),
    "Timestamp",
)


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """The text to sign: the HTTP method and all parameters except the signature."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    return "&".join((method, percent_encode("/"), percent_encode(canonical_query(signed))))


def signature(secret: str, *, method: str, parameters: Mapping[str, str]) -> str:
    """The value of the parameter `Signature`, in Base64."""
    text = string_to_sign(method, parameters)
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()).decode()
